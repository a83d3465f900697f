//! What became of hot rows.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mystocks_bus::GroupState;

use crate::error::Error;
use crate::metric;

/// What became of the rows of one [`Fixation`](super::Fixation) and its clones, and how all that is held stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct FixationState {
    /// Rows that were put here: they are held, and readable until their time to live has passed.
    pub put: u64,
    /// Rows that were written from here, new or other than what stood there.
    pub written: u64,
    /// Rows that were to be written from here and stood there already.
    pub duplicate: u64,
    /// Calls to the target that failed.
    pub failed: u64,
    /// Rows that were asked for again after such a failure, each time counted.
    pub retried: u64,
    /// Rows that the target refused here for good.
    pub dead: u64,
    /// Rows that no target of this group has yet, whoever put them: in the durable topic, in a worker's hands or to come again.
    pub held: u64,
    /// Rows of this group that lie aside, whoever refused them.
    pub dead_letters: u64,
    /// How long the oldest row that is held has waited; `None` when none is held.
    pub oldest: Option<Duration>,
    /// Why the last call to the target failed; `None` after one that succeeded.
    pub trouble: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Tally {
    put: AtomicU64,
    written: AtomicU64,
    duplicate: AtomicU64,
    failed: AtomicU64,
    retried: AtomicU64,
    dead: AtomicU64,
    trouble: Mutex<Option<String>>,
}

/// What can become of a row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    Put,
    Written,
    Duplicate,
    Retried,
    Dead,
}

impl Tally {
    pub(super) fn count(&self, fate: Fate, rows: u64) {
        let (counter, outcome) = match fate {
            Fate::Put => (&self.put, "put"),
            Fate::Written => (&self.written, "written"),
            Fate::Duplicate => (&self.duplicate, "duplicate"),
            Fate::Retried => (&self.retried, "retried"),
            Fate::Dead => (&self.dead, "dead"),
        };
        if rows > 0 {
            counter.fetch_add(rows, Ordering::Relaxed);
            metric::fixation_rows(outcome, rows);
        }
    }

    pub(super) fn failed(&self, error: &Error) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        metric::fixation_failure();
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
    }

    pub(super) fn succeeded(&self) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Puts together how it stands; `now` is the log's time in milliseconds.
    pub(super) fn state(&self, group: &GroupState, now: u64) -> FixationState {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let held = group.lag + group.pending;
        metric::fixation_held(held);
        FixationState {
            put: of(&self.put),
            written: of(&self.written),
            duplicate: of(&self.duplicate),
            failed: of(&self.failed),
            retried: of(&self.retried),
            dead: of(&self.dead),
            held,
            dead_letters: group.dead,
            oldest: age(group, now),
            trouble: self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// Returns how long the oldest of what is held has waited.
pub(super) fn age(group: &GroupState, now: u64) -> Option<Duration> {
    group.oldest.map(|id| Duration::from_millis(now.saturating_sub(id.millis)))
}
