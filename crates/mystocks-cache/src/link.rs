//! Whether this process hears of the others' invalidations, and what it does about it when it does not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// How long L1 serves what it read from L2 while the link is lost.
pub(crate) const UNHEARD: Duration = Duration::from_secs(1);
/// Over what time the entries of L1 are compared with L2 after the link was lost, so that not all are at once.
const SPREAD: Duration = Duration::from_millis(100);

/// The link to the other processes.
#[derive(Debug)]
pub(crate) struct Link {
    /// Whether there is one at all.
    listens: bool,
    up: AtomicBool,
    lost: Mutex<Option<Instant>>,
    /// Told to whoever waits for L2.
    pub(crate) is_back: Notify,
}

impl Link {
    pub(crate) fn new(listens: bool) -> Self {
        Self { listens, up: AtomicBool::new(false), lost: Mutex::new(None), is_back: Notify::new() }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    /// Returns whether there is a link, and it is lost.
    pub(crate) fn is_deaf(&self) -> bool {
        self.listens && !self.is_up()
    }

    pub(crate) fn found(&self) {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.up.store(true, Ordering::Release);
        self.is_back.notify_one();
    }

    pub(crate) fn lost(&self) {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.up.store(false, Ordering::Release);
    }

    /// Returns how long knowledge that came from the store holds; `None` while changes of it are heard of.
    pub(crate) fn trust(&self) -> Option<Duration> {
        (!self.is_up()).then_some(UNHEARD)
    }

    /// Returns how long L1 may serve what it reads from L2 now, when that is less than usual: drawn, so that what was read
    /// together is not read again together.
    pub(crate) fn short(&self) -> Option<Duration> {
        self.is_deaf().then(|| UNHEARD.mul_f64(0.7 + 0.3 * fastrand::f64()))
    }

    /// Returns whether an entry of `bucket` that has to be compared with L2 may wait a moment longer.
    pub(crate) fn grants(&self, bucket: u16) -> bool {
        if self.is_up() {
            return false;
        }
        let turn = SPREAD.mul_f64(f64::from(bucket) / f64::from(u16::MAX));
        let lost = *self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.is_some_and(|lost| lost.elapsed() < turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lost_link_spreads_the_comparing_and_shortens_l1() {
        let link = Link::new(true);
        link.found();
        assert_eq!((link.trust(), link.short(), link.grants(u16::MAX)), (None, None, false));
        link.lost();
        assert!(link.short().is_some_and(|short| short <= UNHEARD && short >= UNHEARD.mul_f64(0.7)));
        assert_eq!(link.trust(), Some(UNHEARD));
        assert!(!link.grants(0) && link.grants(u16::MAX));
        tokio::time::advance(SPREAD / 2).await;
        assert!(!link.grants(u16::MAX / 4) && link.grants(u16::MAX / 4 * 3));
        tokio::time::advance(SPREAD / 2).await;
        assert!(!link.grants(u16::MAX));
        assert_eq!(Link::new(false).short(), None);
    }
}
