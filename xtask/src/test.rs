//! `test`: everything that decides whether the project works. It never passes by skipping.

use std::env::consts::EXE_SUFFIX;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::args::Args;
use crate::counts::{Counts, count};
use crate::examples;
use crate::process::{read, run as run_command};
use crate::redis;
use crate::say::{note, out, timed};
use crate::workspace::{cargo, metadata, target_directory, with_library};

pub(crate) fn run(mut args: Args) -> Result<()> {
    let crates = args.values("-p")?;
    args.finish()?;
    let (counts, took) = timed(|| test(&crates));
    let Passed { tests, docs, examples } = counts?;
    out(format_args!(
        "test: {tests} tests, {docs} doc examples and {examples} examples passed, none failed, none skipped, in {:.0} s",
        took.as_secs_f64()
    ));
    Ok(())
}

struct Passed {
    tests: u64,
    docs: u64,
    examples: u64,
}

fn test(crates: &[String]) -> Result<Passed> {
    let server = redis::server()?;
    note(format_args!("redis-server: {}", server.display()));
    let metadata = metadata(None)?;
    let binary = target_directory(&metadata).join("debug").join(format!("mystocks{EXE_SUFFIX}"));
    let stories = crates.is_empty() || crates.iter().any(|name| name == "mystocks-tests");
    if stories {
        run_command(cargo().args(["build", "--package", "mystocks-service"]))?;
        ensure!(binary.is_file(), "the build left no {}", binary.display());
    }
    let runner = if read(cargo().args(["nextest", "--version"])).is_ok() {
        ["nextest", "run", "--no-fail-fast"]
    } else {
        ["test", "--tests", "--no-fail-fast"]
    };
    let mut tests = cargo();
    tests.args(runner).args(packages(crates));
    let tests = count(with_server(&mut tests, &server, &binary), false).context("the tests")?;
    let model = model(crates)?;
    let tests = tests.passed + model.passed;
    let examples = examples::run(&metadata, crates).context("the examples")?;
    let libraries = with_library(&metadata);
    let documented: Vec<String> =
        crates.iter().filter(|name| libraries.contains(&name.as_str())).cloned().collect();
    if !crates.is_empty() && documented.is_empty() {
        return Ok(Passed { tests, docs: 0, examples });
    }
    let mut docs = cargo();
    docs.args(["test", "--doc", "--no-fail-fast"]).args(packages(&documented));
    let docs = count(with_server(&mut docs, &server, &binary), !crates.is_empty());
    Ok(Passed { tests, docs: docs.context("the doc examples")?.passed, examples })
}

/// The model of L1 is built with loom's atomics: a build of its own, and a release, for it goes through every interleaving.
fn model(crates: &[String]) -> Result<Counts> {
    if !crates.is_empty() && !crates.iter().any(|name| name == "mystocks-cache") {
        return Ok(Counts::default());
    }
    let mut model = cargo();
    model.args(["test", "--release", "--package", "mystocks-cache", "--test", "model"]);
    count(model.args(["--no-default-features", "--features", "model"]), false).context("the model of L1")
}

fn with_server<'a>(command: &'a mut Command, server: &Path, binary: &Path) -> &'a mut Command {
    command.env("REDIS_SERVER_BIN", server).env("MYSTOCKS_BIN", binary)
}

fn packages(crates: &[String]) -> Vec<&str> {
    if crates.is_empty() {
        return vec!["--workspace"];
    }
    crates.iter().flat_map(|name| ["--package", name]).collect()
}
