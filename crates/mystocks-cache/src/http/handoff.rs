//! What a caller and the load made for it hand each other past the cache.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::sync::{CancellationToken, DropGuardRef};

/// The caller's work, to be done once by whoever takes it, and what came of it.
///
/// It is what keeps a response that may not be shared away from the others: such a response never enters the cache's
/// flight, only this.
#[derive(Debug)]
pub(crate) struct Handoff<W, R> {
    work: Mutex<Option<W>>,
    result: Mutex<Option<R>>,
    ended: CancellationToken,
}

impl<W, R> Handoff<W, R> {
    pub(crate) fn new(work: W) -> Self {
        Self { work: Mutex::new(Some(work)), result: Mutex::new(None), ended: CancellationToken::new() }
    }

    /// Takes the work, unless it was taken.
    pub(crate) fn take_work(&self) -> Option<W> {
        lock(&self.work).take()
    }

    /// Returns whether the work was taken.
    pub(crate) fn is_taken(&self) -> bool {
        lock(&self.work).is_none()
    }

    /// Returns what tells the caller, when it is dropped, that no result will come any more.
    pub(crate) fn ending(&self) -> DropGuardRef<'_> {
        self.ended.drop_guard_ref()
    }

    /// Waits until whoever took the work is done with it.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Leaves a result for the caller.
    pub(crate) fn leave(&self, result: R) {
        *lock(&self.result) = Some(result);
    }

    /// Takes what was left for the caller.
    pub(crate) fn take_result(&self) -> Option<R> {
        lock(&self.result).take()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
