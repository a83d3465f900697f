//! `demo` and `bench`: programs of the workspace, with a private redis-server where they want one.

use std::env;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::args::Args;
use crate::process::pass;
use crate::redis;
use crate::server::Server;
use crate::workspace::{self, cargo};

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
    let mut program = program("mystocks-service");
    program.arg("demo").arg("--bars").arg(bars);
    if let Some(url) = url {
        program.args(["--redis", &url]);
    }
    pass(program.args(args.rest()))
}

pub(crate) fn bench(mut args: Args) -> Result<ExitCode> {
    let area = args.word().context("say which area: `cargo xtask bench read-path`")?;
    let private = Server::start(&redis::server()?)?;
    let mut program = program("mystocks-bench");
    pass(program.args([&area, "--redis", &private.url()]).args(args.rest()))
}

/// Returns how to build and run the program of `package`; cargo's own words go to stderr.
fn program(package: &str) -> Command {
    let mut command = cargo();
    command.args(["run", "--release", "--package", package, "--"]);
    command
}
