//! How one key is read from L2, and what is made of it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::found::{Spare, SpareKind};
use crate::inner::{Inner, Look, Named};
use crate::key::CacheKey;
use crate::l1::Slot;
use crate::l2::{Entry, Sight, Stored};
use crate::metric;
use crate::shared::Away;

/// What L2 had for a key.
pub(crate) enum Read<V> {
    Fresh(Stored<V>, Bytes),
    /// Its time is up, but not that in which it is better than nothing.
    Stale(Stored<V>, Bytes),
    /// Nothing that can be used; this is what stands there.
    Nothing(Bytes),
    Away,
}

impl<K: CacheKey, V: DeserializeOwned + Send + Sync + 'static> Inner<K, V> {
    /// Reads one key from L2. A failing store is away, and never an error.
    pub(crate) async fn read_l2(&self, named: &Named, spare: Option<&Spare<V>>, within: Duration) -> Read<V> {
        let (Some(l2), Some(key)) = (&self.l2, &named.key) else {
            return Read::Nothing(Bytes::new());
        };
        if self.shared.pending.concerns(key.as_str()) {
            return Read::Away;
        }
        if !self.shared.reads.admits() {
            return Read::Away;
        }
        let known = spare.map(|spare| &spare.slot);
        let asking = {
            // As `Shared::read` does, without room for the request beside that of its timer.
            let answer = timeout(within, l2.get(key, known)).await;
            match self.shared.read_answered(within, answer).map(|sight| self.sort(sight)) {
                Ok(Ok(read)) => return read,
                Ok(Err(unjudged)) => Box::pin(self.ask_and_sort(unjudged)),
                Err(away) => {
                    self.note(&away);
                    return Read::Away;
                }
            }
        };
        asking.await
    }

    /// Returns what L1 has for a key after L2 had nothing: between the caller's look into L1 and its boarding another flight
    /// may have landed; and while L2 cannot be asked, what waits for its confirmation is as good as it was.
    pub(crate) fn held(&self, key: &K, l2_is_there: bool) -> Option<Slot<V>> {
        match self.look(key) {
            Look::Fresh(slot) | Look::Early(slot) => Some(slot),
            Look::Spare(Spare { slot, kind: SpareKind::Unconfirmed, .. }) if !l2_is_there => {
                Some(slot).filter(|slot| self.stands(slot))
            }
            Look::Spare(_) | Look::Nothing => None,
        }
    }

    /// Judges what was read by the marks it is subject to.
    pub(crate) async fn admit(&self, sight: Sight<V>) -> Read<V> {
        match self.sort(sight) {
            Ok(read) => read,
            Err(unjudged) => Box::pin(self.ask_and_sort(unjudged)).await,
        }
    }

    /// The same by what is known without asking.
    fn sort(&self, sight: Sight<V>) -> Result<Read<V>, Box<Unjudged<V>>> {
        let Sight { entry, seen } = sight;
        let stored = match entry {
            Entry::Absent => return Ok(Read::Nothing(seen)),
            Entry::Unreadable => {
                self.counters.unreadable();
                self.meter(metric::UNREADABLE);
                return Ok(Read::Nothing(seen));
            }
            Entry::Present(stored) => stored,
        };
        match self.judge(&stored) {
            Ok(is_over) => Ok(self.judged(stored, seen, is_over)),
            Err(unknown) => Err(Box::new(Unjudged { stored, seen, unknown })),
        }
    }

    /// The same by asking the store for the marks that have to be asked for.
    async fn ask_and_sort(&self, unjudged: Box<Unjudged<V>>) -> Read<V> {
        let Unjudged { stored, seen, unknown } = *unjudged;
        match self.learn(&unknown).await {
            Ok(stamps) => {
                let is_over = stamps.into_iter().any(|stamp| stored.stamp <= stamp);
                self.judged(stored, seen, is_over)
            }
            Err(away) => {
                self.note(&away);
                Read::Away
            }
        }
    }

    fn judged(&self, stored: Stored<V>, seen: Bytes, is_over: bool) -> Read<V> {
        if is_over {
            return Read::Nothing(self.sign(&seen));
        }
        if stored.fresh_for.is_zero() { Read::Stale(stored, seen) } else { Read::Fresh(stored, seen) }
    }

    /// Returns whether a mark that the entry is subject to is not older than the entry; else the marks to be asked for.
    pub(crate) fn judge(&self, stored: &Stored<V>) -> Result<bool, Vec<String>> {
        let Some(l2) = self.l2.as_ref().filter(|_| self.shared.backplane.is_some()) else {
            return Ok(false);
        };
        if l2.format == crate::l2::Format::Shared {
            return Ok(false);
        }
        let (marks, trust) = (&self.shared.marks, self.shared.link.trust());
        let is_over = |mark: &str| {
            // One that the store was not told of is later than anything in it.
            if self.shared.pending.concerns(mark) {
                return Some(true);
            }
            marks.stamp(mark, trust).map(|stamp| stored.stamp <= stamp)
        };
        let mut unknown: Vec<String> = Vec::new();
        let own = match self.shared.pending.concerns(&self.mark) {
            true => Some(true),
            false => self.cleared_at(trust).map(|stamp| stored.stamp <= stamp),
        };
        match own {
            Some(true) => return Ok(true),
            Some(false) => {}
            None => unknown.push(self.mark.clone()),
        }
        for tag in &stored.notes.tags {
            let Ok(mark) = self.shared.keyspace.cache_tag(tag) else { continue };
            match is_over(mark.as_str()) {
                Some(true) => return Ok(true),
                Some(false) => {}
                None => unknown.push(mark.into()),
            }
        }
        if unknown.is_empty() { Ok(false) } else { Err(unknown) }
    }

    /// Returns the stamp of the cache's own mark if it is known: as every reader of L2 asks, mostly without a look at the table.
    fn cleared_at(&self, trust: Option<Duration>) -> Option<u64> {
        let marks = &self.shared.marks;
        // From before the table is read: a mark that changes meanwhile has another version.
        let version = marks.version();
        if trust.is_none() && self.compared.load(Ordering::Acquire) == version {
            return Some(self.cleared_at.load(Ordering::Relaxed));
        }
        let stamp = marks.stamp(&self.mark, trust)?;
        if trust.is_none() && stamp < u64::MAX {
            self.cleared_at.fetch_max(stamp, Ordering::Relaxed);
            self.compared.store(version, Ordering::Release);
        }
        Some(stamp)
    }

    /// Asks the store for the stamps of marks.
    pub(crate) async fn learn(&self, unknown: &[String]) -> Result<Vec<u64>, Away> {
        let Some(backplane) = &self.shared.backplane else { return Ok(vec![0; unknown.len()]) };
        let marks = &self.shared.marks;
        let generation = marks.generation();
        let names: Vec<&str> = unknown.iter().map(String::as_str).collect();
        let stamps = self.shared.read(self.policy.l2_timeout, backplane.marks(&names)).await?;
        for (mark, stamp) in names.iter().zip(&stamps) {
            marks.learn(mark, *stamp, generation);
        }
        Ok(stamps)
    }
}

/// What was read, and the marks that nobody here knows.
struct Unjudged<V> {
    stored: Stored<V>,
    seen: Bytes,
    unknown: Vec<String>,
}
