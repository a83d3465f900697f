//! `bench AREA --redis URL`: what ours costs against raw code and peers doing the same work in the same run.

mod bus;
mod cache;
mod daily;
mod lock;
mod market;
mod postgres;
mod read_path;
mod report;
mod rounds;
mod ta;
mod ways;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

const USAGE: &str = "usage: bench AREA --redis URL [--out FOLDER] [--rounds N]";

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let report = match arguments.area.as_str() {
        "read-path" => read_path::run(&arguments.redis, arguments.rounds)?,
        "cache" => cache::run(&arguments.redis, arguments.rounds)?,
        "lock" => lock::run(&arguments.redis, arguments.rounds)?,
        "bus" => bus::run(&arguments.redis, arguments.rounds)?,
        "ta" => ta::run(arguments.rounds)?,
        "daily" => daily::run(&arguments.redis, arguments.rounds)?,
        "ways" => ways::run(&arguments.redis, arguments.rounds)?,
        other => {
            bail!("unknown area \"{other}\"; known: read-path, cache, lock, bus, ta, daily, ways\n{USAGE}")
        }
    };
    report.print();
    report.write(&arguments.out, &arguments.area)?;
    Ok(if report.is_within_bounds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Arguments {
    area: String,
    redis: String,
    out: PathBuf,
    rounds: usize,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let area = words.next().context(USAGE)?;
        let (mut redis, mut out) = (None, PathBuf::from("target/bench"));
        // A round of it is a minute.
        let mut rounds = if area == "daily" { 3 } else { 15 };
        while let Some(word) = words.next() {
            let value = words.next().with_context(|| format!("{word} needs a value\n{USAGE}"))?;
            match word.as_str() {
                "--redis" => redis = Some(value),
                "--out" => out = value.into(),
                "--rounds" => rounds = value.parse().context("--rounds expects a number")?,
                _ => bail!("unknown option {word}\n{USAGE}"),
            }
        }
        Ok(Self {
            area,
            redis: redis.context("--redis URL is missing: `cargo xtask bench` gives one")?,
            out,
            rounds,
        })
    }
}
