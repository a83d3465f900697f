//! The commands of the workspace: `cargo xtask` prints them.

mod apt;
mod args;
mod check;
mod ci;
mod counts;
mod demo;
mod examples;
mod fetch;
mod integration;
mod loopback;
mod postgres;
mod process;
mod python;
mod redis;
mod say;
mod server;
mod soak;
mod test;
mod throwaway;
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
        everything that decides whether the project works; finds a redis-server or fetches a private copy
  integration [--only NAME]…
        what needs more: the keys against a Python interpreter, a redis-py client on the shared keys, bars and results in
        PostgreSQL; prints a matrix
  bench AREA [--rounds N]
        side by side measurements against raw clients and peers: table, target/bench/AREA.json, exit code of the bounds;
        read-path, cache, lock, bus, ta, daily (5,000 stocks in a private PostgreSQL), ways (which way a read takes)
  soak NAME [--only TEST]… [--minutes N] [--seed S]
        long runs: fuzz (a million payloads), interleavings (100,000 on four nodes), cache (10 minutes of faults),
        lock (10 minutes of faults, 10,000 locks held, 200 restarts of two in five servers, killed holders of permits),
        bus (200 lost connections, 20 restarts, a million durable events under kills and stops)
  redis up | down | cli [WORD]…
        a throw-away server under target/
  check [--only RULE]…
        fmt, clippy, rustdoc, arrows, file sizes, names, keys only in mystocks-keys, docs, features, licences, duplicates
  ci    check, test and integration: green here is green there";

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
        "demo" => return demo::demo(args).context("failed to run the demo"),
        "bench" => return demo::bench(args).context("failed to measure"),
        "soak" => return soak::run(args).context("failed to soak"),
        "redis" => return throwaway::run(args).context("failed at the throw-away server"),
        "check" => check::run(args).context("failed the check")?,
        "integration" => integration::run(args).context("failed to integrate")?,
        "ci" => ci::run(args).context("failed ci")?,
        "test" => test::run(args).context("failed to test")?,
        "help" | "-h" | "--help" => out(TABLE),
        unknown => bail!("there is no command `{unknown}`; `cargo xtask` lists them"),
    }
    Ok(ExitCode::SUCCESS)
}
