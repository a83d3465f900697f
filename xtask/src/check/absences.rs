//! What the library crates never do.

use anyhow::Result;

use super::Offence;
use super::ground::Ground;

const ABSENT: [(&str, &str); 12] = [
    ("std::env", "reads the environment"),
    ("env::var", "reads the environment"),
    ("println!", "prints"),
    ("eprintln!", "prints"),
    ("print!", "prints"),
    ("eprint!", "prints"),
    ("stdout()", "prints"),
    ("stderr()", "prints"),
    ("tokio::spawn", "spawns a task nobody can stop"),
    ("task::spawn(", "spawns a task nobody can stop"),
    ("tracing_subscriber", "installs a subscriber"),
    ("std::time::Instant", "takes a time that tests cannot pause"),
];

pub(super) fn find(ground: &Ground) -> Result<Vec<Offence>> {
    let mut found = Vec::new();
    for file in ground.rust().filter(|file| file.is_library()) {
        let rust = file.parse();
        for (text, what) in ABSENT {
            found.extend(
                rust.lines_with(text).map(|line| Offence::new(file.line(line), format!("{what}: `{text}`"))),
            );
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_absence_is_found_in_a_library_and_nowhere_else() {
        for (text, _) in ABSENT {
            let source = format!("fn f() {{ {text}x; }}\n");
            let count = |path: &str| find(&Ground::of(&[(path, &source)])).unwrap().len();
            assert!(count("crates/mystocks-cache/src/a.rs") >= 1, "{text}");
            assert_eq!(count("crates/mystocks-cache/tests/a.rs"), 0, "{text}");
            assert_eq!(count("crates/mystocks-service/src/a.rs"), 0, "{text}");
        }
    }
}
