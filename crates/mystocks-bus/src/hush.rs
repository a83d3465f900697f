//! What happens again and again, and is to be said only now and then.

use std::time::Duration;

use tokio::time::Instant;

/// So long it is not said again.
const PAUSE: Duration = Duration::from_secs(1);

/// Keeps one thing from filling the log; the metrics count each time.
#[derive(Debug, Default)]
pub(crate) struct Hush {
    said: Option<Instant>,
    times: u64,
}

impl Hush {
    /// Takes in that it happened, and returns how often it has since it was last said, when it may be said again.
    pub(crate) fn say(&mut self) -> Option<u64> {
        self.times += 1;
        if self.said.is_some_and(|said| said.elapsed() < PAUSE) {
            return None;
        }
        self.said = Some(Instant::now());
        Some(std::mem::take(&mut self.times))
    }
}
