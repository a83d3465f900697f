//! `integration`: what needs more than Rust and a redis-server. A part that cannot be had fails.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::args::Args;
use crate::counts::{Counts, count};
use crate::say::{note, out, timed};
use crate::workspace::cargo;
use crate::{postgres, python, redis};

struct Part {
    name: &'static str,
    run: fn() -> Result<Counts>,
}

const PARTS: [Part; 5] = [
    Part { name: "python-vectors", run: python_vectors },
    Part { name: "redis-py", run: redis_py },
    Part { name: "postgres", run: postgres },
    Part { name: "daily", run: daily },
    Part { name: "serve", run: serve },
];

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
    let python = python::interpreter()?;
    let mut command = cargo();
    command.args(["test", "--package", "mystocks-keys", "--test", "python"]);
    count(command.env("MYSTOCKS_REQUIRE_PYTHON", "1").env("PYTHON", python), false)
}

/// What a redis-py client reads, writes and locks on the shared keys, and the events it publishes and hears, both directions; the two contend for a lock
/// for a minute.
fn redis_py() -> Result<Counts> {
    let python = python::environment("venv", "requirements.txt")?;
    let mut command = cargo();
    command.args(["test", "--package", "mystocks-tests", "--features", "integration", "--test", "redis_py"]);
    command.env("REDIS_SERVER_BIN", redis::server()?).env("MYSTOCKS_PEER_PYTHON", python);
    count(&mut command, false)
}

/// Bars and results in private PostgreSQL clusters: the conformance of both seams, revisions under readers, cut connections.
fn postgres() -> Result<Counts> {
    let programs = postgres::programs()?;
    note(format_args!("PostgreSQL: {}", programs.display()));
    let mut command = cargo();
    command.args([
        "test",
        "--package",
        "mystocks-indicators",
        "--features",
        "integration",
        "--test",
        "postgres",
    ]);
    count(command.env("PG_BIN", programs), false)
}

/// The daily job in many processes that are killed, and readers of bars that are revised, on PostgreSQL and Redis.
fn daily() -> Result<Counts> {
    on_servers(&["--test", "daily"])
}

/// The HTTP interface over bars in PostgreSQL.
fn serve() -> Result<Counts> {
    on_servers(&["--test", "serve", "postgres::"])
}

/// Runs tests of the stories with programs of both servers.
fn on_servers(which: &[&str]) -> Result<Counts> {
    let programs = postgres::programs()?;
    let mut command = cargo();
    command.args(["test", "--package", "mystocks-tests", "--features", "integration"]).args(which);
    count(command.env("PG_BIN", programs).env("REDIS_SERVER_BIN", redis::server()?), false)
}

#[cfg(test)]
mod tests {
    use super::*;

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
