//! How many tests ran: nothing run and something skipped are failures.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::process::watch;

/// What a test runner said of its tests.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

/// Runs the test `command` and refuses an outcome in which nothing ran or something was left out.
pub(crate) fn count(command: &mut Command, may_be_none: bool) -> Result<Counts> {
    let (succeeded, said) = watch(command)?;
    judge(succeeded, Counts::read(&said), may_be_none)
}

fn judge(succeeded: bool, counts: Counts, may_be_none: bool) -> Result<Counts> {
    ensure!(succeeded && counts.failed == 0, "failed: see above");
    ensure!(counts.skipped == 0, "{} were skipped, and a skipped test proves nothing", counts.skipped);
    ensure!(may_be_none || counts.passed > 0, "not one ran");
    Ok(counts)
}

impl Counts {
    /// Reads the closing lines of `cargo test` (one per target) or of `cargo nextest run`.
    pub(crate) fn read(said: &str) -> Self {
        let mut sum = Self::default();
        let lines: Vec<String> = said.lines().map(plain).collect();
        let is_summary = |line: &String| line.trim_start().starts_with("Summary [");
        // nextest can show what a test said, and with it the closing line of that one test.
        let is_nextest = lines.iter().any(is_summary);
        let is_closing =
            |line: &&String| if is_nextest { is_summary(line) } else { line.starts_with("test result: ") };
        for line in lines.iter().filter(is_closing) {
            let words = line.split([' ', ';', ',', '.']).filter(|word| !word.is_empty());
            let mut number: Option<u64> = None;
            for word in words {
                match (word, number.take()) {
                    ("passed", Some(n)) => sum.passed += n,
                    ("failed" | "timed" | "exec", Some(n)) => sum.failed += n,
                    ("ignored" | "skipped", Some(n)) => sum.skipped += n,
                    _ => number = word.parse().ok(),
                }
            }
        }
        sum
    }
}

/// Removes the colours of a terminal.
fn plain(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let head = parts.next().unwrap_or_default().to_owned();
    parts.fold(head, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_lines_of_both_runners_are_read() {
        let cargo = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
                     test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s\n";
        assert_eq!(Counts::read(cargo), Counts { passed: 5, failed: 1, skipped: 1 });
        let nextest = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.020s] \u{1b}[1m12\u{1b}[0m tests run: \u{1b}[1m9\u{1b}[0m passed (1 slow), 2 failed, 1 timed out, 4 skipped";
        assert_eq!(Counts::read(nextest), Counts { passed: 9, failed: 3, skipped: 4 });
        assert_eq!(Counts::read(&format!("{cargo}{nextest}")), Counts::read(nextest));
    }

    #[test]
    fn nothing_run_and_something_skipped_both_fail() {
        let some = Counts { passed: 1, ..Counts::default() };
        assert!(judge(true, some, false).is_ok());
        assert!(judge(false, some, false).is_err());
        assert!(judge(true, Counts { skipped: 1, ..some }, false).is_err());
        assert!(judge(true, Counts { failed: 1, ..some }, false).is_err());
        assert!(judge(true, Counts::default(), false).is_err());
        assert!(judge(true, Counts::default(), true).is_ok());
    }
}
