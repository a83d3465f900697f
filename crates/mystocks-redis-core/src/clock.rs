//! The server's clock, estimated without asking it each time.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Server time as an offset to this process's monotonic clock.
#[derive(Debug)]
pub(crate) struct ServerClock {
    base: Instant,
    /// Microseconds since the epoch at `base`.
    offset: AtomicI64,
    synchronised: AtomicBool,
    latest_ms: AtomicU64,
}

impl ServerClock {
    /// Starts with this host's wall clock.
    pub(crate) fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            base: Instant::now(),
            offset: AtomicI64::new(micros(now.unwrap_or_default())),
            synchronised: AtomicBool::new(false),
            latest_ms: AtomicU64::new(0),
        }
    }

    /// Takes in the server's answer to `TIME`, asked at `asked` and answered at `answered`.
    pub(crate) fn synchronise(&self, asked: Instant, server: Duration, answered: Instant) {
        let middle = asked + answered.saturating_duration_since(asked) / 2;
        let since = middle.saturating_duration_since(self.base);
        let offset = micros(server).saturating_sub(micros(since));
        self.offset.store(offset, Ordering::Relaxed);
        self.synchronised.store(true, Ordering::Release);
    }

    /// Returns milliseconds since the epoch; once the server has been heard, never less than returned before.
    pub(crate) fn now_ms(&self) -> u64 {
        let synchronised = self.synchronised.load(Ordering::Acquire);
        let since = micros(self.base.elapsed());
        let now = since.saturating_add(self.offset.load(Ordering::Relaxed)) / 1000;
        let now = u64::try_from(now).unwrap_or_default();
        if synchronised { self.latest_ms.fetch_max(now, Ordering::Relaxed).max(now) } else { now }
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn follows_the_server_and_never_goes_back() {
        let clock = ServerClock::new();
        let asked = Instant::now();
        tokio::time::advance(Duration::from_millis(10)).await;
        // Heard half-way: 5 ms ago it was 1,000,000 ms.
        clock.synchronise(asked, Duration::from_millis(1_000_000), Instant::now());
        assert_eq!(clock.now_ms(), 1_000_005);
        tokio::time::advance(Duration::from_millis(995)).await;
        assert_eq!(clock.now_ms(), 1_001_000);
        let now = Instant::now();
        clock.synchronise(now, Duration::from_millis(1_000_400), now);
        assert_eq!(clock.now_ms(), 1_001_000);
        tokio::time::advance(Duration::from_millis(700)).await;
        assert_eq!(clock.now_ms(), 1_001_100);
    }

    #[tokio::test]
    async fn starts_with_the_clock_of_the_host() {
        let clock = ServerClock::new();
        let host = SystemTime::now().duration_since(UNIX_EPOCH);
        let host = u64::try_from(host.unwrap().as_millis()).unwrap();
        assert!(host.abs_diff(clock.now_ms()) < 60_000);
    }
}
