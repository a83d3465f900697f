//! `soak`: long runs of what `test` tries for a few seconds. Each prints its seed and its figures.

use std::hash::{BuildHasher, RandomState};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::args::Args;
use crate::process::pass;
use crate::redis;
use crate::say::{note, out, timed};
use crate::workspace::cargo;

/// A test target that takes its length and its seed from the environment.
struct Soak {
    name: &'static str,
    package: &'static str,
    test: &'static str,
    /// The feature it stands behind, when `test` is not to build it.
    feature: Option<&'static str>,
    /// The one of its tests that is to run; empty for all.
    only: &'static str,
    /// How long it runs when nobody says for how many minutes.
    length: (&'static str, u64),
    redis: bool,
}

const SOAKS: [Soak; 5] = [
    Soak {
        name: "fuzz",
        package: "mystocks-cache",
        test: "fuzz",
        feature: None,
        only: "fuzzed_",
        length: ("MYSTOCKS_PAYLOADS", 1_000_000),
        redis: false,
    },
    Soak {
        name: "interleavings",
        package: "mystocks-cache",
        test: "interleavings",
        feature: None,
        only: "no_read_is_older_",
        length: ("MYSTOCKS_INTERLEAVINGS", 100_000),
        redis: false,
    },
    Soak {
        name: "law",
        package: "mystocks-cache",
        test: "cache",
        feature: None,
        only: "law::nothing_is_served_past_its_time",
        length: ("MYSTOCKS_STEPS", 1_000_000),
        redis: false,
    },
    Soak {
        name: "cache",
        package: "mystocks-tests",
        test: "soak",
        feature: Some("soak"),
        only: "cache",
        length: (MINUTES, 10),
        redis: true,
    },
    Soak {
        name: "lock",
        package: "mystocks-tests",
        test: "locks",
        feature: None,
        only: "register::stale_writes_are_refused",
        length: (MINUTES, 10),
        redis: true,
    },
];
const MINUTES: &str = "MYSTOCKS_MINUTES";
const SEED: &str = "MYSTOCKS_SEED";

pub(crate) fn run(mut args: Args) -> Result<ExitCode> {
    let names = SOAKS.map(|soak| soak.name).join(", ");
    let name = args.word().with_context(|| format!("say which: {names}"))?;
    let soak = SOAKS.iter().find(|soak| soak.name == name);
    let soak = soak.with_context(|| format!("there is no soak `{name}`; there are: {names}"))?;
    let (minutes, seed) = (number(&mut args, "--minutes")?, number(&mut args, "--seed")?);
    args.finish()?;
    // Short enough to be typed again.
    let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(()) >> 32);
    let mut command = cargo();
    prepare(&mut command, soak, minutes, seed);
    if soak.redis {
        command.env("REDIS_SERVER_BIN", redis::server()?);
    }
    note(format_args!("soak {name}: seed {seed}"));
    let (code, took) = timed(|| pass(&mut command));
    out(format_args!("soak {name}: seed {seed}, {:.0} s with its build", took.as_secs_f64()));
    code
}

fn prepare(command: &mut Command, soak: &Soak, minutes: Option<u64>, seed: u64) {
    command.args(["test", "--release", "--package", soak.package, "--test", soak.test]);
    if let Some(feature) = soak.feature {
        command.args(["--features", feature]);
    }
    command.args(["--", "--nocapture", soak.only]).env(SEED, seed.to_string());
    let (variable, length) = minutes.map_or(soak.length, |minutes| (MINUTES, minutes));
    command.env(variable, length.to_string());
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

    fn line(name: &str, minutes: Option<u64>) -> String {
        let soak = SOAKS.iter().find(|soak| soak.name == name).unwrap();
        let mut command = Command::new("cargo");
        prepare(&mut command, soak, minutes, 7);
        let words = command.get_args().map(|word| word.to_string_lossy().into_owned());
        let mut words: Vec<String> = words.collect();
        let variables = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        words.extend(variables.map(|(name, value)| format!("{}={}", name.display(), value.display())));
        words.join(" ")
    }

    #[test]
    fn a_soak_is_one_test_with_a_length_and_a_seed() {
        assert_eq!(
            line("fuzz", None),
            "test --release --package mystocks-cache --test fuzz -- --nocapture fuzzed_ \
             MYSTOCKS_PAYLOADS=1000000 MYSTOCKS_SEED=7"
        );
        assert_eq!(
            line("cache", Some(3)),
            "test --release --package mystocks-tests --test soak --features soak -- --nocapture cache \
             MYSTOCKS_MINUTES=3 MYSTOCKS_SEED=7"
        );
    }
}
