//! A second operating-system process that reads what the first one stored.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use mystocks_cache::Tier;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::cli;
use crate::demo::clock::Summary;
use crate::demo::read::{Job, Reads};
use crate::demo::setup::Setup;

/// What the second process says of itself, as one JSON object on its standard output.
#[derive(Debug, Serialize, Deserialize)]
struct Testimony {
    pid: u32,
    latencies: Summary,
    l2_hits: usize,
    loads: u64,
    digests: BTreeMap<String, String>,
}

/// What came of the second process.
#[derive(Debug, Serialize)]
pub(crate) struct SecondProcess {
    pub(crate) pid: u32,
    pub(crate) latencies: Summary,
    /// How many of its reads L2 answered.
    pub(crate) l2_hits: usize,
    /// How many results had the values that the first process computed, bit for bit.
    pub(crate) equal: usize,
    /// How many results it computed itself.
    pub(crate) recomputed: u64,
}

/// Runs the second process and compares its results with `computed`.
pub(crate) async fn process(
    bars: &Path,
    redis: &str,
    prefix: &str,
    computed: &Reads,
) -> Result<SecondProcess> {
    let program = std::env::current_exe().context("find this program")?;
    let mut command = command(&program, bars, redis, prefix);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn();
    let output = child.context("start the second process")?.wait_with_output().await?;
    ensure!(output.status.success(), "read the results in a second process: {}", output.status);
    let testimony: Testimony =
        serde_json::from_slice(&output.stdout).context("read the second process's answer")?;
    ensure!(testimony.pid != std::process::id(), "start a second process: it is this one");
    let is_equal = |(name, digest): &(&String, &String)| testimony.digests.get(*name) == Some(*digest);
    Ok(SecondProcess {
        pid: testimony.pid,
        latencies: testimony.latencies,
        l2_hits: testimony.l2_hits,
        equal: computed.digests.iter().filter(is_equal).count(),
        recomputed: testimony.loads,
    })
}

fn command(program: &Path, bars: &Path, redis: &str, prefix: &str) -> Command {
    let mut command = Command::new(program);
    command.arg("read-back").arg("--bars").arg(bars).args(["--prefix", prefix]);
    command.env(cli::REDIS_VARIABLE, redis);
    command
}

/// Is the second process: reads everything once and prints a [`Testimony`].
#[expect(clippy::print_stdout, reason = "the first process reads it there")]
pub(crate) async fn read_back(arguments: &cli::ReadBack) -> Result<ExitCode> {
    let setup = Setup::open(&arguments.bars, Some(&arguments.redis), &arguments.prefix).await?;
    let symbols = setup.indicators.symbols().await?;
    let reads = Job::daily(&symbols).read(&setup.indicators, "second", 1).await;
    let testimony = Testimony {
        pid: std::process::id(),
        latencies: reads.latencies.summary(),
        l2_hits: reads.tiers.get(&Tier::L2).copied().unwrap_or(0),
        loads: setup.indicators.stats().loads,
        digests: reads.digests,
    };
    println!("{}", serde_json::to_string(&testimony)?);
    setup.leave().await;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn the_url_is_in_the_environment_and_not_in_the_command_line() {
        let url = "redis://:hunter2@localhost/1";
        let command = command(Path::new("mystocks"), Path::new("/bars"), url, "p:");
        let command = command.as_std();
        let words: Vec<_> = command.get_args().collect();
        assert_eq!(words, ["read-back", "--bars", "/bars", "--prefix", "p:"]);
        assert!(command.get_envs().eq([(cli::REDIS_VARIABLE.as_ref(), Some(url.as_ref()))]));
    }

    #[test]
    fn a_url_in_the_command_line_is_still_taken() {
        let words = ["mystocks", "demo", "--bars", "/bars", "--redis", "redis://localhost/1"];
        let cli::Command::Demo(demo) = cli::Cli::parse_from(words).command else {
            panic!("another command");
        };
        assert_eq!(demo.redis.as_deref(), Some("redis://localhost/1"));
    }
}
