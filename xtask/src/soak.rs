//! `soak`: long runs of what `test` tries for a few seconds. Each prints its seed and its figures.

mod list;

use std::hash::{BuildHasher, RandomState};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};

use crate::args::Args;
use crate::process::pass;
use crate::redis;
use crate::say::{note, out, timed};
use crate::workspace::cargo;
use list::{MINUTES, SOAKS, Soak};

const SEED: &str = "MYSTOCKS_SEED";

pub(crate) fn run(mut args: Args) -> Result<ExitCode> {
    let names = SOAKS.map(|soak| soak.name).join(", ");
    let name = args.word().with_context(|| format!("say which: {names}"))?;
    let soak = SOAKS.iter().find(|soak| soak.name == name);
    let soak = soak.with_context(|| format!("there is no soak `{name}`; there are: {names}"))?;
    let (minutes, seed) = (number(&mut args, "--minutes")?, number(&mut args, "--seed")?);
    let only = args.values("--only")?;
    args.finish()?;
    // Short enough to be typed again.
    let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(()) >> 32);
    let mut command = cargo();
    prepare(&mut command, soak, &only, minutes, seed)?;
    if soak.redis {
        command.env("REDIS_SERVER_BIN", redis::server()?);
    }
    note(format_args!("soak {name}: seed {seed}"));
    let (code, took) = timed(|| pass(&mut command));
    out(format_args!("soak {name}: seed {seed}, {:.0} s with its build", took.as_secs_f64()));
    code
}

fn prepare(
    command: &mut Command,
    soak: &Soak,
    only: &[String],
    minutes: Option<u64>,
    seed: u64,
) -> Result<()> {
    command.args(["test", "--release", "--package", soak.package, "--test", soak.test]);
    if let Some(feature) = soak.feature {
        command.args(["--features", feature]);
    }
    // Two at a time would measure each other.
    command.args(["--", "--nocapture", "--test-threads=1"]).env(SEED, seed.to_string());
    if let Some(word) = only.iter().find(|word| !soak.tests.iter().any(|test| test.contains(*word))) {
        bail!("`{word}` is none of its tests; there are: {}", soak.tests.join(", "));
    }
    let chosen = |test: &&&str| only.is_empty() || only.iter().any(|word| test.contains(word));
    command.args(soak.tests.iter().filter(chosen));
    let (variable, length) = minutes.map_or(soak.length, |minutes| (MINUTES, minutes));
    command.env(variable, length.to_string());
    Ok(())
}

fn number(args: &mut Args, name: &str) -> Result<Option<u64>> {
    let Some(text) = args.values(name)?.pop() else { return Ok(None) };
    let number = text.parse().with_context(|| format!("{name} {text}: no number"))?;
    ensure!(number > 0, "{name} 0: at least 1 is expected");
    Ok(Some(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, only: &[&str], minutes: Option<u64>) -> Result<String> {
        let soak = SOAKS.iter().find(|soak| soak.name == name).unwrap();
        let only: Vec<String> = only.iter().map(ToString::to_string).collect();
        let mut command = Command::new("cargo");
        prepare(&mut command, soak, &only, minutes, 7)?;
        let words = command.get_args().map(|word| word.to_string_lossy().into_owned());
        let mut words: Vec<String> = words.collect();
        let variables = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        words.extend(variables.map(|(name, value)| format!("{}={}", name.display(), value.display())));
        Ok(words.join(" "))
    }

    #[test]
    fn a_soak_is_some_tests_with_a_length_and_a_seed() {
        assert_eq!(
            line("fuzz", &[], None).unwrap(),
            "test --release --package mystocks-cache --test fuzz -- --nocapture --test-threads=1 fuzzed_ \
             MYSTOCKS_PAYLOADS=1000000 MYSTOCKS_SEED=7"
        );
        assert_eq!(
            line("cache", &[], Some(3)).unwrap(),
            "test --release --package mystocks-tests --test soak --features soak -- --nocapture \
             --test-threads=1 cache MYSTOCKS_MINUTES=3 MYSTOCKS_SEED=7"
        );
    }

    #[test]
    fn some_of_its_tests_can_be_chosen() {
        let chosen = line("lock", &["held", "stopped"], None).unwrap();
        assert!(
            chosen.ends_with(
                "--test-threads=1 held::thousands_are_held_by_one_task_and_few_commands \
                 stopped::who_was_stopped_past_the_end_knows_it_at_once MYSTOCKS_MINUTES=10 MYSTOCKS_SEED=7"
            ),
            "{chosen}"
        );
        let error = line("lock", &["helt"], None).unwrap_err().to_string();
        assert!(error.starts_with("`helt` is none of its tests"), "{error}");
    }
}
