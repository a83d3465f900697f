//! What the commands say: results to stdout, progress to stderr.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::Duration;

/// Writes one line of the result. A closed pipe is the reader's wish, not an error.
pub(crate) fn out(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Writes one line of progress or of complaint.
pub(crate) fn note(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Runs `work` and returns how long it took beside what it returned.
#[expect(clippy::disallowed_methods, reason = "no test pauses time here: this is what a person waits")]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = std::time::Instant::now();
    let value = work();
    (value, start.elapsed())
}
