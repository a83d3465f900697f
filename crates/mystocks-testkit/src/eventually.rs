//! Waiting for a condition.

use std::time::{Duration, Instant};

/// Looks every 10 ms until `check` is true.
///
/// # Panics
///
/// When `check` is still false after `deadline` of real time; the message names `what`.
#[expect(
    clippy::disallowed_methods,
    reason = "the deadline is for what lies outside the process, where time is real"
)]
pub async fn eventually(what: &str, deadline: Duration, mut check: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !check().await {
        assert!(started.elapsed() < deadline, "not within {deadline:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
