//! Which redis-server the commands use: a given one, an installed one, or a private copy.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::fetch::{Recipe, fetch};
use crate::process::{located, on_path, read};
use crate::say::{note, timed};
use crate::workspace;

/// How to get one, in one line.
const ADVICE: &str = "no redis-server: install one (Debian, Ubuntu: `apt-get install redis-server`; macOS: `brew install redis`) \
                      or set REDIS_SERVER_BIN to the path of one";

const COPY: Recipe = Recipe {
    packages: &["redis-server", "redis-tools"],
    needs: |name| name.starts_with("lib") || name.starts_with("lua-"),
    folder: "usr/bin",
    programs: &["redis-cli", "redis-server"],
    runs: version,
};

/// Returns a redis-server that runs: `$REDIS_SERVER_BIN`, PATH, the private copy, or a private copy fetched now.
pub(crate) fn server() -> Result<PathBuf> {
    if let Some(given) = env::var_os("REDIS_SERVER_BIN").filter(|given| !given.is_empty()) {
        return self::given(Path::new(&given));
    }
    if let Some(installed) = on_path("redis-server").filter(|file| version(file).is_ok()) {
        return Ok(installed);
    }
    let home = workspace::root().join("target/redis");
    let private = home.join("bin/redis-server");
    if version(&private).is_ok() {
        return Ok(private);
    }
    note("no redis-server on PATH: fetching a private copy into target/redis");
    let (fetched, took) = timed(|| fetch(&home, &COPY));
    // Another process may have been quicker: what counts is that it runs.
    match version(&private) {
        Ok(version) => note(format_args!("redis-server {version} fetched in {:.1} s", took.as_secs_f64())),
        Err(_) => bail!(
            "{ADVICE}{}",
            fetched.err().map_or_else(String::new, |why| format!(" (no private copy: {why:#})"))
        ),
    }
    Ok(private)
}

/// Returns the absolute path of the server at `path`: tests run in the folders of their crates, not in this one.
fn given(path: &Path) -> Result<PathBuf> {
    let found =
        located(path).with_context(|| format!("REDIS_SERVER_BIN={}: no such program", path.display()))?;
    version(&found).context("REDIS_SERVER_BIN is not a redis-server that runs")?;
    Ok(found)
}

/// Returns the redis-cli that came with `server`.
pub(crate) fn cli(server: &Path) -> Result<PathBuf> {
    let beside = server.with_file_name("redis-cli");
    if beside.is_file() {
        return Ok(beside);
    }
    on_path("redis-cli").context("there is no redis-cli beside the redis-server or on PATH")
}

/// Returns the version that `server` says it is.
pub(crate) fn version(server: &Path) -> Result<String> {
    let said = read(Command::new(server).arg("--version"))?;
    let version = said.split_whitespace().find_map(|word| word.strip_prefix("v="));
    ensure!(
        said.starts_with("Redis server"),
        "{} is no redis-server: it says \"{}\"",
        server.display(),
        said.lines().next().unwrap_or_default()
    );
    Ok(version.unwrap_or("of unknown version").to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_relative_server_is_handed_on_as_an_absolute_path() {
        let here = std::env::current_dir().unwrap();
        let folder = workspace::root().join("target").join(format!("given.{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let server = folder.join("redis-server");
        fs::write(&server, "#!/bin/sh\necho 'Redis server v=7.0.0'\n").unwrap();
        fs::set_permissions(&server, fs::Permissions::from_mode(0o755)).unwrap();
        let real = server.canonicalize().unwrap();
        let up = "../".repeat(here.components().count() - 1);
        let relative = PathBuf::from(up).join(server.strip_prefix("/").unwrap());
        let found = given(&relative);
        let mended = found.as_ref().map(|file| file.is_absolute() && file.canonicalize().unwrap() == real);
        fs::remove_dir_all(&folder).unwrap();
        assert!(relative.is_relative() && mended.unwrap(), "{found:?}");
    }

    #[test]
    fn a_bare_name_is_looked_for_on_path() {
        let shell = located(Path::new("sh")).unwrap();
        assert!(shell.is_absolute() && shell.ends_with("sh"), "{}", shell.display());
        let error = given(Path::new("no-such-redis-server")).unwrap_err().to_string();
        assert_eq!(error, "REDIS_SERVER_BIN=no-such-redis-server: no such program");
    }
}
