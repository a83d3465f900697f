//! Which version a read must at least return.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// How long after a change returned another process may still serve what was before, in microseconds.
const BOUND: u64 = 1_100_000;
/// How long after an outage all processes may need to agree.
const SETTLE: u64 = 5_000_000;

/// A change that returned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) names: Vec<(usize, u64)>,
    pub(crate) at_us: u64,
}

/// What this process knows of the changes of all.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// By key: what every read that begins after the time must return at least.
    others: Mutex<HashMap<usize, Vec<(u64, u64)>>>,
    /// Of the own changes, which bind at once and always.
    own: Mutex<HashMap<usize, (u64, u64)>>,
    /// When this process last did not have both L2 and the others.
    unwell_us: AtomicU64,
}

/// How a read is to be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    OldInOutage,
    TooOld,
}

impl Oracle {
    pub(crate) fn changed(&self, change: &Change, is_own: bool) {
        let mut others = self.others.lock().unwrap();
        for (key, version) in &change.names {
            let known = others.entry(*key).or_default();
            known.push((change.at_us + BOUND, *version));
            // Of those that bind already only the newest is of use.
            if known.len() > 64 {
                known.drain(..32);
            }
        }
        drop(others);
        if is_own {
            let mut own = self.own.lock().unwrap();
            for (key, version) in &change.names {
                let known = own.entry(*key).or_default();
                *known = (*known).max((*version, change.at_us));
            }
        }
    }

    pub(crate) fn unwell(&self, now_us: u64) {
        self.unwell_us.store(now_us, Ordering::Relaxed);
    }

    /// Judges a read of `key` that began at `began` and was answered with `version`.
    pub(crate) fn judge(&self, key: usize, version: u64, began: u64) -> Verdict {
        if self.own.lock().unwrap().get(&key).is_some_and(|(own, at)| version < *own && *at < began) {
            return Verdict::TooOld;
        }
        let others = self.others.lock().unwrap();
        let is_old = others
            .get(&key)
            .is_some_and(|known| known.iter().any(|(binds, least)| *binds < began && version < *least));
        if !is_old {
            Verdict::Good
        } else if began < self.unwell_us.load(Ordering::Relaxed) + SETTLE {
            Verdict::OldInOutage
        } else {
            Verdict::TooOld
        }
    }
}
