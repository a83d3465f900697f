//! `demo` and `bench`: programs of the workspace, with a private redis-server where they want one.

use std::env;
use std::env::consts::EXE_SUFFIX;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::args::Args;
use crate::process::{pass, run};
use crate::python::environment;
use crate::say::note;
use crate::server::Server;
use crate::workspace::{self, cargo, metadata, target_directory};
use crate::{postgres, redis};

/// The variable that names the interpreter of the Python peer.
const PEER: &str = "MYSTOCKS_PEER_PYTHON";

pub(crate) fn demo(mut args: Args) -> Result<ExitCode> {
    let bars = match args.values("--bars")?.pop() {
        Some(folder) => env::current_dir().context("there is no current folder")?.join(folder),
        None => workspace::root().join("data/sample"),
    };
    ensure!(bars.is_dir(), "--bars {}: there is no such folder", bars.display());
    // Held to the end: dropping it ends the server.
    let mut private = None;
    let url = match args.optional_value("--redis") {
        None => None,
        Some(Some(url)) => Some(url),
        Some(None) => Some(private.insert(Server::start(&redis::server()?)?).url()),
    };
    let mut program = program("mystocks-service", "mystocks")?;
    pass(prepare(&mut program, &bars, url.as_deref()).args(args.rest()))
}

pub(crate) fn bench(mut args: Args) -> Result<ExitCode> {
    let area = args.word().context("say which area: `cargo xtask bench read-path`")?;
    let server = redis::server()?;
    let private = Server::start(&server)?;
    if area == "daily" {
        // What is measured is the binary itself, in a process of its own.
        program("mystocks-service", "mystocks")?;
    }
    let mut program = program("mystocks-bench", "bench")?;
    // For the areas that need more than one.
    program.env("REDIS_SERVER_BIN", &server);
    if matches!(area.as_str(), "daily" | "ways") {
        program.env("PG_BIN", postgres::programs()?);
    }
    match area.as_str() {
        "daily" => drop(program.env(PEER, environment("venv-daily", "requirements-daily.txt")?)),
        // TA-Lib C is measured beside where it can be had.
        "ta" => match environment("venv-ta", "requirements-ta.txt") {
            Ok(python) => drop(program.env(PEER, python)),
            Err(error) => note(format_args!("without TA-Lib C: {error:#}")),
        },
        _ => {}
    }
    pass(program.args([&area, "--redis", &private.url()]).args(args.rest()))
}

/// The URL may hold a password: every process of the machine can read a command line, but not an environment.
fn prepare<'a>(program: &'a mut Command, bars: &Path, url: Option<&str>) -> &'a mut Command {
    program.arg("demo").arg("--bars").arg(bars);
    if let Some(url) = url {
        program.env("MYSTOCKS_DEMO_REDIS", url);
    }
    program
}

/// Builds `binary` of `package` and returns how to run it, not by `cargo run`: that shows the whole command line.
fn program(package: &str, binary: &str) -> Result<Command> {
    run(cargo().args(["build", "--release", "--package", package, "--bin", binary]))?;
    let built = target_directory(&metadata(None)?).join("release").join(format!("{binary}{EXE_SUFFIX}"));
    ensure!(built.is_file(), "the build left no {}", built.display());
    let mut program = Command::new(built);
    program.current_dir(workspace::root());
    Ok(program)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn the_url_is_in_the_environment_and_not_in_the_command_line() {
        let url = "redis://:hunter2@localhost/1";
        let mut program = Command::new("mystocks");
        prepare(&mut program, Path::new("/bars"), Some(url));
        assert_eq!(program.get_args().collect::<Vec<_>>(), ["demo", "--bars", "/bars"]);
        let variables: Vec<_> = program.get_envs().collect();
        assert_eq!(variables, [(OsStr::new("MYSTOCKS_DEMO_REDIS"), Some(OsStr::new(url)))]);
    }
}
