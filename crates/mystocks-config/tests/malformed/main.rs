//! Bad input: each case names the exact key, the place with its line, and what was expected.

mod files;
mod urls;
mod values;

use mystocks_config::{Error, ErrorKind, Loader};
use tempfile::TempDir;

/// Loads the bytes as the file and returns (kind, key, place within the folder, expected) of each problem.
#[expect(clippy::unwrap_used, reason = "a function of tests that is no test itself")]
fn problems(file: &str, bytes: &[u8]) -> Vec<(ErrorKind, String, String, String)> {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join(file), bytes).unwrap();
    let error = Loader::in_folder(folder.path()).load().unwrap_err();
    let inside = format!("{}/", folder.path().display());
    listed(&error, &inside)
}

fn listed(error: &Error, inside: &str) -> Vec<(ErrorKind, String, String, String)> {
    error
        .problems()
        .map(|problem| {
            let key = problem.key().unwrap_or("-").to_string();
            let place = problem.place().replace(inside, "");
            (problem.kind(), key, place, problem.expected().to_string())
        })
        .collect()
}

/// Checks that the file has this one problem, in this line.
fn check(file: &str, bytes: &[u8], line: usize, kind: ErrorKind, key: &str, expected: &str) {
    let place = format!("line {line} of {file}");
    let wanted = vec![(kind, key.to_string(), place, expected.to_string())];
    let given = problems(file, bytes);
    let start = bytes.iter().take(200).copied().collect::<Vec<u8>>();
    assert_eq!(given, wanted, "{}", start.escape_ascii());
}

const PORT: &str = "a port number from 1 to 65535";
