//! Who in this process waits for which lease.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Default)]
pub(super) struct Doorbell {
    /// Held for map operations only, never across an await.
    waiting: Mutex<HashMap<u64, Weak<CancellationToken>>>,
    is_up: watch::Sender<bool>,
}

/// That somebody waits for the lease of a key.
#[derive(Debug)]
pub(super) struct Interest<'a> {
    bell: &'a Doorbell,
    digest: u64,
    rung: Arc<CancellationToken>,
}

impl Doorbell {
    pub(super) fn interest(&self, digest: u64) -> Interest<'_> {
        let mut waiting = self.waiting();
        let rung = waiting.get(&digest).and_then(Weak::upgrade).unwrap_or_default();
        waiting.insert(digest, Arc::downgrade(&rung));
        Interest { bell: self, digest, rung }
    }

    /// Wakes who waits for this key.
    pub(super) fn ring(&self, digest: u64) {
        let rung = self.waiting().remove(&digest);
        if let Some(rung) = rung.and_then(|rung| rung.upgrade()) {
            rung.cancel();
        }
    }

    /// Wakes everybody when the link is lost: what frees their leases will not be heard.
    pub(super) fn set_up(&self, is_up: bool) {
        self.is_up.send_replace(is_up);
        if !is_up {
            let all = std::mem::take(&mut *self.waiting());
            for rung in all.into_values().filter_map(|rung| rung.upgrade()) {
                rung.cancel();
            }
        }
    }

    /// Waits until the link stands.
    pub(super) async fn up(&self) {
        // The sender lives in `self`, so this only ends with the link up.
        let _ = self.is_up.subscribe().wait_for(|is_up| *is_up).await;
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, Weak<CancellationToken>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Interest<'_> {
    pub(super) async fn rung(&self) {
        self.rung.cancelled().await;
    }
}

impl Drop for Interest<'_> {
    fn drop(&mut self) {
        let mut waiting = self.bell.waiting();
        // After a ring there may be another bell for the key, with others waiting for it.
        let is_last = |rung: &Weak<_>| rung.as_ptr() == Arc::as_ptr(&self.rung) && rung.strong_count() == 1;
        if waiting.get(&self.digest).is_some_and(is_last) {
            waiting.remove(&self.digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_ring_wakes_who_waits_for_that_key_and_nobody_else() {
        let bell = Doorbell::default();
        let (a, b, other) = (bell.interest(1), bell.interest(1), bell.interest(2));
        bell.ring(1);
        let later = bell.interest(1);
        assert!(a.rung().now_or_never().is_some() && b.rung().now_or_never().is_some());
        assert!(other.rung().now_or_never().is_none() && later.rung().now_or_never().is_none());
        drop((a, b));
        bell.ring(1);
        assert!(later.rung().now_or_never().is_some(), "who left did not take the others' bell along");
    }

    #[test]
    fn a_lost_link_wakes_everybody() {
        let bell = Doorbell::default();
        bell.set_up(true);
        let (a, b) = (bell.interest(1), bell.interest(2));
        assert!(bell.up().now_or_never().is_some() && a.rung().now_or_never().is_none());
        bell.set_up(false);
        assert!(a.rung().now_or_never().is_some() && b.rung().now_or_never().is_some());
        assert!(bell.up().now_or_never().is_none());
    }

    #[test]
    fn nothing_is_left_of_who_waited() {
        let bell = Doorbell::default();
        for digest in 0..100 {
            let (a, b) = (bell.interest(digest), bell.interest(digest));
            drop(a);
            assert_eq!(bell.waiting().len(), 1);
            drop(b);
        }
        assert!(bell.waiting().is_empty());
    }
}
