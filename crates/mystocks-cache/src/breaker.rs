//! When L2 is left alone.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::envelope::millis;
use crate::outcome::uptime_us;

/// Opens after so many failures without a success between them.
const LIMIT: u32 = 5;
/// So long after a failure what can do without L2 does.
const LATELY_US: i64 = 100_000;

/// Says whether requests of one kind (reads, or writes) go to L2 at all.
///
/// Closed, all of them do. Open, none does: one task asks in their place, once a second or less, and closes it again when
/// it is answered.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    failures: AtomicU32,
    /// When the last one was, in microseconds of the process's uptime.
    failed_us: AtomicI64,
    open: AtomicBool,
    /// How long the request that opened it would have waited, in milliseconds.
    patience_ms: AtomicU64,
}

impl Breaker {
    #[inline]
    pub(crate) fn admits(&self) -> bool {
        !self.open.load(Ordering::Acquire)
    }

    /// Returns whether the last request was answered, or failed a while ago.
    pub(crate) fn is_well(&self) -> bool {
        let lately =
            || uptime_us(Instant::now()).saturating_sub(self.failed_us.load(Ordering::Relaxed)) < LATELY_US;
        self.admits() && (self.failures.load(Ordering::Relaxed) == 0 || !lately())
    }

    #[inline]
    pub(crate) fn succeeded(&self) {
        if self.failures.load(Ordering::Relaxed) > 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Counts a failure of a request that waited at most `within`, and returns whether this one opened it.
    pub(crate) fn failed(&self, within: Duration) -> bool {
        self.failed_us.store(uptime_us(Instant::now()), Ordering::Relaxed);
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failures < LIMIT || self.open.swap(true, Ordering::AcqRel) {
            return false;
        }
        self.patience_ms.store(millis(within), Ordering::Release);
        true
    }

    /// Returns how soon it has to be answered to close: an answer that those who wait would not wait for is none.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_millis(self.patience_ms.load(Ordering::Acquire))
    }

    pub(crate) fn close(&self) {
        self.failures.store(0, Ordering::Relaxed);
        self.open.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_failures_in_a_row_and_says_so_once() {
        let breaker = Breaker::default();
        for _ in 0..10 {
            assert!((1..LIMIT).all(|_| !breaker.failed(Duration::from_millis(20))));
            breaker.succeeded();
        }
        let opened = (0..100).filter(|ms| breaker.failed(Duration::from_millis(20 + ms))).count();
        assert_eq!((opened, breaker.admits(), breaker.patience()), (1, false, Duration::from_millis(24)));
        breaker.close();
        assert!(breaker.admits() && !breaker.failed(Duration::ZERO));
    }
}
