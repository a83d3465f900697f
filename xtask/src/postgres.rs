//! Which PostgreSQL the commands use: a given one, an installed one, or a private copy.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};

use crate::fetch::{Recipe, fetch};
use crate::process::read;
use crate::say::{note, timed};
use crate::workspace;

/// How to get one, in one line.
const ADVICE: &str = "no PostgreSQL: install one (Debian, Ubuntu: `apt-get install postgresql`; macOS: `brew install postgresql`) \
                      or set PG_BIN to the folder of its programs initdb and postgres";

const COPY: Recipe = Recipe {
    packages: &["postgresql"],
    needs: is_needed,
    folder: "usr/lib/postgresql/*/bin",
    programs: &["initdb", "postgres"],
    runs: version,
};

/// Returns the folder of an initdb and a postgres that run: `$PG_BIN`, installed ones, the private copy, or a private copy
/// fetched now.
pub(crate) fn programs() -> Result<PathBuf> {
    if let Some(given) = env::var_os("PG_BIN").filter(|given| !given.is_empty()) {
        let folder = fs::canonicalize(&given)
            .with_context(|| format!("PG_BIN={}: no such folder", Path::new(&given).display()))?;
        check(&folder).context("PG_BIN is not the folder of a PostgreSQL that runs")?;
        return Ok(folder);
    }
    if let Some(installed) = installed().into_iter().chain(on_path()).find(|folder| check(folder).is_ok()) {
        return Ok(installed);
    }
    let home = workspace::root().join("target/postgres");
    let private = home.join("bin");
    if check(&private).is_ok() {
        return Ok(private);
    }
    note("no PostgreSQL here: fetching a private copy into target/postgres");
    let (fetched, took) = timed(|| fetch(&home, &COPY));
    // Another process may have been quicker: what counts is that it runs.
    match check(&private) {
        Ok(version) => note(format_args!("{version} fetched in {:.1} s", took.as_secs_f64())),
        Err(_) => bail!(
            "{ADVICE}{}",
            fetched.err().map_or_else(String::new, |why| format!(" (no private copy: {why:#})"))
        ),
    }
    Ok(private)
}

/// The package of the name depends on that of the version. The compiler of queries is large and switched off.
fn is_needed(name: &str) -> bool {
    let version = name.strip_prefix("postgresql-");
    let is_server = version.is_some_and(|version| version.bytes().all(|byte| byte.is_ascii_digit()));
    is_server || (name.starts_with("lib") && !name.starts_with("libllvm"))
}

/// Where Debian and Ubuntu have them, the newest first.
fn installed() -> Vec<PathBuf> {
    let entries = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<_> = entries.map(|entry| entry.path()).collect();
    let number = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
    versions.sort_by_key(|folder| std::cmp::Reverse(number(folder)));
    versions.into_iter().map(|folder| folder.join("bin")).collect()
}

fn on_path() -> Vec<PathBuf> {
    env::var_os("PATH").map(|folders| env::split_paths(&folders).collect()).unwrap_or_default()
}

fn check(folder: &Path) -> Result<String> {
    read(Command::new(folder.join("initdb")).arg("--version"))?;
    version(&folder.join("postgres"))
}

fn version(postgres: &Path) -> Result<String> {
    let said = read(Command::new(postgres).arg("--version"))?;
    let line = said.lines().next().unwrap_or_default();
    ensure!(line.contains("PostgreSQL"), "{} is no PostgreSQL: it says \"{line}\"", postgres.display());
    Ok(line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_and_its_libraries_are_needed_and_no_more() {
        for (name, expected) in [
            ("postgresql-15", true),
            ("libpq5", true),
            ("libllvm14", false),
            ("postgresql-common", false),
            ("postgresql-client-15", false),
            ("locales", false),
        ] {
            assert_eq!(is_needed(name), expected, "{name}");
        }
    }

    #[test]
    fn what_is_no_postgres_is_refused() {
        assert!(version(Path::new("/bin/echo")).is_err());
        assert!(check(Path::new("/nowhere")).is_err());
    }
}
