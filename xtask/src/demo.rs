//! `demo` and `bench`: programs of the workspace, with a private redis-server where they want one.

use std::env::{self, consts::EXE_SUFFIX};
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
    let mut program = built("mystocks-service", "mystocks")?;
    program.arg("demo").arg("--bars").arg(bars);
    if let Some(url) = url {
        program.args(["--redis", &url]);
    }
    pass(program.args(args.rest()))
}

pub(crate) fn bench(mut args: Args) -> Result<ExitCode> {
    let area = args.word().context("say which area: `cargo xtask bench read-path`")?;
    let private = Server::start(&redis::server()?)?;
    let mut program = built("mystocks-bench", "mystocks-bench")?;
    program.current_dir(workspace::root());
    pass(program.args([&area, "--redis", &private.url()]).args(args.rest()))
}

/// Builds `binary` of `package`, progress to stderr, and returns how to start it.
fn built(package: &str, binary: &str) -> Result<Command> {
    crate::process::run(cargo().args(["build", "--release", "--package", package, "--bin", binary]))?;
    let target = workspace::target_directory(&workspace::metadata(None)?);
    Ok(Command::new(target.join("release").join(format!("{binary}{EXE_SUFFIX}"))))
}
