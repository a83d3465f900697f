//! `integration`: what needs more than Rust and a redis-server. A part that cannot be had fails.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, ensure};

use crate::args::Args;
use crate::counts::{Counts, count};
use crate::process::{located, on_path, run as run_command};
use crate::redis;
use crate::say::{note, out, timed};
use crate::workspace::{cargo, root};

struct Part {
    name: &'static str,
    run: fn() -> Result<Counts>,
}

const PARTS: [Part; 2] =
    [Part { name: "python-vectors", run: python_vectors }, Part { name: "redis-py", run: redis_py }];

pub(crate) fn run(mut args: Args) -> Result<()> {
    let only = args.values("--only")?;
    args.finish()?;
    let unknown = only.iter().find(|name| PARTS.iter().all(|part| part.name != name.as_str()));
    ensure!(
        unknown.is_none(),
        "there is no part `{}`; there are: {}",
        unknown.map_or("", |name| name),
        PARTS.map(|part| part.name).join(", ")
    );
    let wanted = PARTS.iter().filter(|part| only.is_empty() || only.iter().any(|name| name == part.name));
    let results: Vec<_> = wanted.map(|part| (part.name, timed(part.run))).collect();
    for (name, (result, took)) in &results {
        out(row(name, result, *took));
    }
    let broken = results.iter().filter(|(_, (result, _))| result.is_err()).count();
    ensure!(broken == 0, "{broken} of {} parts failed", results.len());
    Ok(())
}

fn row(name: &str, result: &Result<Counts>, took: Duration) -> String {
    let seconds = took.as_secs_f64();
    match result {
        Ok(counts) => format!("{name:<16} ok      {seconds:>6.1} s  {} tests", counts.passed),
        Err(error) => format!("{name:<16} FAILED  {seconds:>6.1} s  {error:#}"),
    }
}

/// Keys and digests against a real interpreter.
fn python_vectors() -> Result<Counts> {
    let python = interpreter()?;
    let mut command = cargo();
    command.args(["test", "--package", "mystocks-keys", "--test", "python"]);
    count(command.env("MYSTOCKS_REQUIRE_PYTHON", "1").env("PYTHON", python), false)
}

/// What a redis-py client reads, writes and locks on the shared keys, and the events it publishes and hears, both directions; the two contend for a lock
/// for a minute.
fn redis_py() -> Result<Counts> {
    let python = environment()?;
    let mut command = cargo();
    command.args(["test", "--package", "mystocks-tests", "--features", "integration", "--test", "redis_py"]);
    command.env("REDIS_SERVER_BIN", redis::server()?).env("MYSTOCKS_PEER_PYTHON", python);
    count(&mut command, false)
}

/// Returns the absolute path of `$PYTHON`, else of python3 on PATH.
fn interpreter() -> Result<PathBuf> {
    chosen(env::var_os("PYTHON").filter(|given| !given.is_empty()).as_deref())
}

fn chosen(given: Option<&OsStr>) -> Result<PathBuf> {
    let Some(given) = given.map(Path::new) else {
        return on_path("python3").context("there is no python3 on PATH and no $PYTHON");
    };
    located(given).with_context(|| format!("PYTHON={}: no such program", given.display()))
}

/// Makes the virtual environment of the Python peer unless it is there with these requirements.
fn environment() -> Result<PathBuf> {
    let home = root().join("target/venv");
    let python = home.join("bin/python");
    let requirements = root().join("tests/peers/python/requirements.txt");
    let wanted = fs::read(&requirements).context("failed to read the requirements of the Python peer")?;
    // Written last: an environment without it is half made.
    let mark = home.join("made-of.txt");
    if fs::read(&mark).is_ok_and(|made_of| made_of == wanted) && python.exists() {
        return Ok(python);
    }
    note("making the virtual environment target/venv");
    if home.exists() {
        fs::remove_dir_all(&home).context("failed to remove the old virtual environment")?;
    }
    run_command(Command::new(interpreter()?).args(["-m", "venv"]).arg(&home))
        .context("no virtual environment could be made")?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&requirements);
    run_command(&mut install).context("the requirements of the Python peer could not be installed")?;
    fs::write(&mark, wanted).context("failed to mark the virtual environment as made")?;
    Ok(python)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_interpreter_comes_before_python3() {
        assert_eq!(chosen(Some(OsStr::new("sh"))).unwrap(), on_path("sh").unwrap());
        assert_eq!(chosen(Some(OsStr::new("/bin/sh"))).unwrap(), Path::new("/bin/sh"));
        let error = chosen(Some(OsStr::new("no-such-python"))).unwrap_err().to_string();
        assert_eq!(error, "PYTHON=no-such-python: no such program");
    }

    #[test]
    fn a_row_says_how_a_part_ended() {
        let counts = Counts { passed: 5, ..Counts::default() };
        assert_eq!(
            row("a", &Ok(counts), Duration::from_millis(1500)),
            "a                ok         1.5 s  5 tests"
        );
        let error = anyhow::anyhow!("no python3").context("not had");
        assert_eq!(
            row("a", &Err(error), Duration::ZERO),
            "a                FAILED     0.0 s  not had: no python3"
        );
    }
}
