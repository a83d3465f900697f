//! What L2 could not be told yet.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

/// How many entries are remembered one by one; for more, their whole caches are cleared.
const MOST: usize = 10_000;
/// The same for the bytes of the values among them.
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// How many bytes of values are told at a time.
const BATCH_BYTES: usize = 1024 * 1024;

/// Changes that wait until the store is back: the last one of every key, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    queue: Mutex<Queue>,
    /// How many there are, for the many who only ask whether there are any.
    count: AtomicUsize,
    /// A stamp that is greater than those of the marks that were told late.
    told: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    changes: HashMap<Arc<str>, (u64, Change)>,
    order: BTreeMap<u64, Arc<str>>,
    last: u64,
    dropped: u64,
    /// What the values to be set weigh, in bytes.
    bytes: usize,
    marks: usize,
}

/// A change of one key.
#[derive(Clone)]
pub(crate) enum Change {
    /// The entry is invalid, and `grave` says so in its place; should there be too many, all under `instead` is.
    Invalidate { issued: Issued, grave: Option<Sealing>, instead: Option<Arc<str>> },
    /// The entry has this value.
    Set { issued: Issued, size: usize, value: Sealing, ttl: Duration, instead: Option<Arc<str>> },
    /// The key is a mark, and was set.
    Mark,
}

/// When a change was asked for: the later one counts, whoever tells the store first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Issued {
    /// Microseconds since the Unix epoch on the store's clock.
    pub(crate) us: u64,
    pub(crate) at: Instant,
}

/// The stamps of changes end so; those that the store draws hardly ever do.
const MARKED: u64 = 999;
/// How far a process's reading of the store's clock may be off, and more.
const UNSURE_US: u64 = 50_000;

impl Issued {
    /// `now_ms` is the store's time. The end of the millisecond: what was stamped in it counts as earlier.
    pub(crate) fn now(now_ms: u64) -> Self {
        Self { us: now_ms.saturating_mul(1000).saturating_add(MARKED), at: Instant::now() }
    }

    /// Returns whether an entry with this stamp is certainly later. Two changes are compared as they were asked for; what
    /// was loaded, by a clock that this process does not read exactly.
    pub(crate) fn is_before(self, stamp: u64) -> bool {
        let unsure = if stamp % 1000 == MARKED { 0 } else { UNSURE_US };
        stamp > self.us.saturating_add(unsure)
    }
}

/// Makes the bytes of an entry, given its stamp.
pub(crate) type Sealing = Arc<dyn Fn(u64) -> Bytes + Send + Sync>;

impl Pending {
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Takes in that a mark was told late, and got this stamp.
    pub(crate) fn tell(&self, stamp: u64) {
        // Marked as what was told late is, see `Issued::is_before`.
        let after = (stamp / 1000).saturating_add(1).saturating_mul(1000).saturating_add(MARKED);
        self.told.fetch_max(after, Ordering::AcqRel);
    }

    /// Returns a stamp that is greater than those of the marks that were told late.
    pub(crate) fn told(&self) -> u64 {
        self.told.load(Ordering::Acquire)
    }

    /// Returns how many changes were given up for clearing their caches.
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Returns whether the store may hold something else under `key` than this process was told.
    pub(crate) fn concerns(&self, key: &str) -> bool {
        !self.is_empty() && self.lock().changes.contains_key(key)
    }

    /// Remembers a change; it replaces an earlier one of the same key.
    pub(crate) fn push(&self, key: &str, change: Change) {
        let mut queue = self.lock();
        queue.enter(Arc::from(key), change);
        while queue.changes.len() - queue.marks > MOST || queue.bytes > MOST_BYTES {
            let Some(victim) = queue.oldest_entry() else { break };
            queue.dropped += 1;
            if let Some((_, Change::Invalidate { instead, .. } | Change::Set { instead, .. })) =
                queue.remove(&victim)
                && let Some(mark) = instead
            {
                queue.enter(mark, Change::Mark);
            }
        }
        self.count.store(queue.changes.len(), Ordering::Release);
    }

    /// Returns the oldest changes, at most so many, with the numbers that [`Pending::done`] compares.
    pub(crate) fn oldest(&self, most: usize) -> Vec<(u64, Arc<str>, Change)> {
        let queue = self.lock();
        let mut bytes = 0;
        let mut oldest = Vec::new();
        for (number, key) in queue.order.iter().take(most) {
            let Some((_, change)) = queue.changes.get(key) else { continue };
            bytes += change.size();
            if bytes > BATCH_BYTES && !oldest.is_empty() {
                break;
            }
            oldest.push((*number, Arc::clone(key), change.clone()));
        }
        oldest
    }

    /// Forgets a change that the store was told of, unless a later one of the same key came meanwhile.
    pub(crate) fn done(&self, number: u64, key: &Arc<str>) {
        let mut queue = self.lock();
        if queue.changes.get(key).is_some_and(|(latest, _)| *latest == number) {
            queue.remove(key);
        }
        self.count.store(queue.changes.len(), Ordering::Release);
    }

    /// Runs `close` if nothing waits any more, so that nothing comes between.
    pub(crate) fn close_if_empty(&self, close: impl FnOnce()) -> bool {
        let queue = self.lock();
        let empty = queue.changes.is_empty();
        if empty {
            close();
        }
        empty
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn enter(&mut self, key: Arc<str>, change: Change) {
        self.remove(&key);
        self.last += 1;
        self.bytes += change.size();
        self.marks += usize::from(matches!(change, Change::Mark));
        self.order.insert(self.last, Arc::clone(&key));
        self.changes.insert(key, (self.last, change));
    }

    fn remove(&mut self, key: &Arc<str>) -> Option<(u64, Change)> {
        let removed = self.changes.remove(key)?;
        self.order.remove(&removed.0);
        self.bytes -= removed.1.size();
        self.marks -= usize::from(matches!(removed.1, Change::Mark));
        Some(removed)
    }

    /// Marks are few and stay: they are what the others are given up for.
    fn oldest_entry(&self) -> Option<Arc<str>> {
        let is_entry = |key: &Arc<str>| !matches!(self.changes.get(key), Some((_, Change::Mark)));
        self.order.values().find(|key| is_entry(key)).cloned()
    }
}

impl Change {
    fn size(&self) -> usize {
        match self {
            Self::Set { size, .. } => *size,
            Self::Invalidate { .. } | Self::Mark => 0,
        }
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalidate { .. } => "Invalidate",
            Self::Set { .. } => "Set",
            Self::Mark => "Mark",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued() -> Issued {
        Issued { us: 0, at: Instant::now() }
    }

    fn invalidate() -> Change {
        Change::Invalidate { issued: issued(), grave: None, instead: Some(Arc::from("clear:bars")) }
    }

    fn keys(pending: &Pending) -> Vec<String> {
        pending.oldest(usize::MAX).iter().map(|(_, key, change)| format!("{key} {change:?}")).collect()
    }

    #[test]
    fn the_last_change_of_a_key_is_the_one_that_counts() {
        let pending = Pending::default();
        pending.push("a", invalidate());
        pending.push("b", invalidate());
        let (number, key, _) = pending.oldest(1).remove(0);
        let value: Sealing = Arc::new(|_| Bytes::new());
        pending.push(
            "a",
            Change::Set { issued: issued(), size: 0, value, ttl: Duration::from_secs(1), instead: None },
        );
        assert_eq!(keys(&pending), ["b Invalidate", "a Set"]);
        pending.done(number, &key);
        assert_eq!(pending.len(), 2, "a later change of the same key is not done");
        assert!(pending.concerns("a") && !pending.concerns("c"));
        for (number, key, _) in pending.oldest(9) {
            pending.done(number, &key);
        }
        assert!(pending.is_empty() && pending.close_if_empty(|| ()));
    }

    #[test]
    fn what_is_too_much_clears_its_cache_instead() {
        let pending = Pending::default();
        for key in 0..MOST + 5 {
            pending.push(&format!("key:{key}"), invalidate());
        }
        assert_eq!(pending.len(), MOST + 1);
        assert!(pending.concerns("clear:bars"), "the mark stands for what was dropped");
        assert!(!pending.concerns("key:0") && pending.concerns(&format!("key:{}", MOST + 4)));
        assert_eq!(pending.dropped(), 5);
    }
}
