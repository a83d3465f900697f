//! The commands of the workspace: `cargo xtask` prints them.

mod apt;
mod args;
mod counts;
mod fetch;
mod process;
mod redis;
mod say;
mod test;
mod workspace;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::args::Args;
use crate::say::out;

const TABLE: &str = "\
cargo xtask …

  demo [--bars DIR] [--redis [URL]] [--json]
        the main job: indicators of real stocks computed once, then read from L2 and L1, each tier measured;
        --redis alone starts a private redis-server and lets a second process read the same results
  test [-p CRATE]…
        everything that decides whether the project works; finds a redis-server or fetches a private copy";

fn main() -> ExitCode {
    match run(Args::from_process()) {
        Ok(code) => code,
        Err(error) => {
            say::note(format_args!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(mut args: Args) -> Result<ExitCode> {
    let Some(command) = args.word() else {
        out(TABLE);
        return Ok(ExitCode::SUCCESS);
    };
    match command.as_str() {
        "test" => test::run(args).context("failed to test")?,
        "help" | "-h" | "--help" => out(TABLE),
        unknown => bail!("there is no command `{unknown}`; `cargo xtask` lists them"),
    }
    Ok(ExitCode::SUCCESS)
}
