//! The entries of a memory store, in the three orders it needs them.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use crate::store::{Cursor, Page};

/// How many keys one page of a walk looks at.
const PAGE: usize = 500;
/// How many expired entries one write gives back: more than it adds, so they cannot pile up.
const EVICTED_PER_WRITE: usize = 8;

#[derive(Default)]
pub(super) struct Shelf {
    entries: HashMap<Arc<str>, Entry>,
    /// The order of a walk: by hash, so that a key keeps its place however often it is written and removed, and a
    /// walk ends however many keys are added meanwhile.
    walk: BTreeSet<(u64, Arc<str>)>,
    deadlines: BTreeSet<(Instant, Arc<str>)>,
    hasher: RandomState,
}

struct Entry {
    value: Bytes,
    deadline: Instant,
}

impl Shelf {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn value(&mut self, key: &str, now: Instant) -> Option<Bytes> {
        self.live(key, now).map(|entry| entry.value.clone())
    }

    pub(super) fn deadline(&mut self, key: &str, now: Instant) -> Option<Instant> {
        self.live(key, now).map(|entry| entry.deadline)
    }

    pub(super) fn insert(&mut self, key: &str, value: Bytes, deadline: Instant) {
        let shared = match self.entries.get_key_value(key) {
            Some((shared, old)) => {
                let shared = Arc::clone(shared);
                self.deadlines.remove(&(old.deadline, Arc::clone(&shared)));
                shared
            }
            None => {
                let shared: Arc<str> = Arc::from(key);
                self.walk.insert((self.hasher.hash_one(key), Arc::clone(&shared)));
                shared
            }
        };
        self.deadlines.insert((deadline, Arc::clone(&shared)));
        self.entries.insert(shared, Entry { value, deadline });
    }

    pub(super) fn set_deadline(&mut self, key: &str, deadline: Instant, now: Instant) {
        if let Some(value) = self.value(key, now) {
            self.insert(key, value, deadline);
        }
    }

    /// Removes a key and returns whether it was there and alive.
    pub(super) fn remove(&mut self, key: &str, now: Instant) -> bool {
        let alive = self.live(key, now).is_some();
        self.forget(key);
        alive
    }

    pub(super) fn evict_some(&mut self, now: Instant) {
        for _ in 0..EVICTED_PER_WRITE {
            match self.deadlines.first() {
                Some((deadline, key)) if *deadline <= now => {
                    let key = Arc::clone(key);
                    self.forget(&key);
                }
                _ => break,
            }
        }
    }

    pub(super) fn page(&self, cursor: Cursor, now: Instant, matches: impl Fn(&str) -> bool) -> Page {
        let mut keys = Vec::new();
        let mut last = None;
        let from = (Bound::Included((cursor.0, Arc::from(""))), Bound::Unbounded);
        for (seen, (hash, key)) in self.walk.range(from).enumerate() {
            // A page never ends between two keys of one hash: the cursor could not tell them apart.
            if seen >= PAGE && last != Some(*hash) {
                let next = Some(Cursor(*hash));
                return Page { keys, next };
            }
            last = Some(*hash);
            let alive = self.entries.get(key).is_some_and(|e| e.deadline > now);
            if alive && matches(key) {
                keys.push(key.to_string());
            }
        }
        Page { keys, next: None }
    }

    #[cfg(test)]
    pub(super) fn bookkeeping(&self) -> usize {
        self.walk.len() + self.deadlines.len()
    }

    fn live(&mut self, key: &str, now: Instant) -> Option<&Entry> {
        if self.entries.get(key)?.deadline <= now {
            self.forget(key);
        }
        self.entries.get(key)
    }

    fn forget(&mut self, key: &str) {
        if let Some((key, entry)) = self.entries.remove_entry(key) {
            self.walk.remove(&(self.hasher.hash_one(&*key), Arc::clone(&key)));
            self.deadlines.remove(&(entry.deadline, key));
        }
    }
}
