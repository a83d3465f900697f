//! One cache, and what it makes of what its L1 holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use mystocks_keys::Key;
use rapidhash::quality::RandomState;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::Span;

use std::hash::BuildHasher;

use crate::backplane::digest;
use crate::error::Error;
use crate::flight::Flights;
use crate::found::{Found, Spare, SpareKind};
use crate::hot::Hot;
use crate::key::CacheKey;
use crate::l1::{L1, Side, Slot, Weight, weight};
use crate::l2::{L2, Stored};
use crate::metric;
use crate::order::{bucket, lower};
use crate::outcome::{Born, Staleness, Tier, uptime_us};
use crate::policy::Policy;
use crate::shared::{Away, Member, Shared};
use crate::stats::Counters;

pub(crate) struct Inner<K, V> {
    pub(crate) name: String,
    pub(crate) policy: Policy,
    pub(crate) l1: L1<K, V>,
    pub(crate) l1_keeps: Duration,
    pub(crate) l2: Option<L2>,
    pub(crate) shared: Arc<Shared>,
    /// Stops the tasks of the hub with the last of its caches and handles.
    pub(crate) _hub: Arc<DropGuard>,
    /// Whether the hub is nobody else's.
    pub(crate) owns_hub: bool,
    pub(crate) flights: Arc<Flights<K, V>>,
    pub(crate) loads: Arc<Semaphore>,
    pub(crate) counters: Counters,
    pub(crate) hot: Hot<K>,
    pub(crate) tracker: TaskTracker,
    pub(crate) closed: CancellationToken,
    /// The whole key of the mark that ends all of the cache.
    pub(crate) mark: String,
    /// The stamp of that mark as it was at the version `compared` of the marks.
    pub(crate) cleared_at: AtomicU64,
    pub(crate) compared: AtomicU64,
    /// What is from before this step is gone.
    pub(crate) cleared: AtomicU64,
    /// What is from before this step is to be compared with L2.
    pub(crate) recheck: AtomicU64,
    /// What is from before this step may be among what was invalidated without being named: see [`Inner::stands`].
    pub(crate) suspect: AtomicU64,
    /// The same, but not all of it at once: the link was lost then.
    pub(crate) doubted: AtomicU64,
    pub(crate) hasher: RandomState,
    /// The store's time at this process's beginning, in microseconds since the Unix epoch.
    pub(crate) base_us: AtomicI64,
}

/// A key as L2 and the other processes know it.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) key: Option<Key>,
    pub(crate) digest: u64,
}

/// What L1 has for a key.
pub(crate) enum Look<V> {
    Fresh(Slot<V>),
    /// Fresh, and it is time to see to its successor.
    Early(Slot<V>),
    Spare(Spare<V>),
    Nothing,
}

/// By so many microseconds: the store's time is read in milliseconds.
const TIME_IS_OFF: u64 = 1_000;

impl<K: CacheKey, V: Send + Sync + 'static> Inner<K, V> {
    pub(crate) fn named(&self, key: &K) -> Result<Named, Error> {
        let Some(l2) = &self.l2 else {
            return Ok(Named { key: None, digest: self.hasher.hash_one(key) });
        };
        let key = l2.spell(key)?;
        let digest = digest(key.as_str());
        Ok(Named { key: Some(key), digest })
    }

    /// Returns whether an entry without a [`Side`] still holds: nothing at all was invalidated since, or nothing of it.
    #[inline]
    pub(crate) fn holds(&self, since: u32, bucket: u16) -> bool {
        since == lower(self.shared.order.now()) || self.still_holds(since, bucket)
    }

    #[inline(never)]
    fn still_holds(&self, since: u32, bucket: u16) -> bool {
        let since = self.shared.order.restore(since);
        self.cleared.load(Ordering::Acquire) <= since
            && self.recheck.load(Ordering::Acquire) <= since
            && self.doubted.load(Ordering::Acquire) <= since
            && !self.shared.order.is_outdated(bucket, since)
    }

    /// Looks closely at what L1 has for a key.
    pub(crate) fn look(&self, key: &K) -> Look<V> {
        self.l1.get(key).map_or(Look::Nothing, |slot| self.weigh(slot))
    }

    pub(crate) fn weigh(&self, slot: Slot<V>) -> Look<V> {
        let since = self.shared.order.restore(slot.since);
        if self.is_gone(&slot, since) {
            return Look::Nothing;
        }
        let recheck = self.is_unconfirmed(&slot, since);
        let Some(side) = &slot.side else {
            return if recheck { unconfirmed(slot) } else { Look::Fresh(slot) };
        };
        let now = Instant::now();
        if now >= side.fresh_until {
            let kind = if recheck { SpareKind::Doubtful } else { SpareKind::Over };
            return Look::Spare(Spare { slot, tier: Tier::L1, kind });
        }
        if recheck {
            return unconfirmed(slot);
        }
        Look::Fresh(slot)
    }

    /// The same for a reader who can see to the entry's successor: that one's turn is only drawn where it is taken.
    pub(crate) fn weigh_for_reader(&self, slot: Slot<V>) -> Look<V> {
        match self.weigh(slot) {
            Look::Fresh(slot) if slot.is_early() => Look::Early(slot),
            look => look,
        }
    }

    /// Returns whether L2 is to be asked if the entry, read at `since`, still holds.
    pub(crate) fn is_unconfirmed(&self, slot: &Slot<V>, since: u64) -> bool {
        // While nobody can be asked, asking costs every reader the way to it.
        let unasked = slot.side.as_ref().is_some_and(|side| side.unasked.load(Ordering::Acquire));
        unasked && self.shared.reads.is_well()
            || self.recheck.load(Ordering::Acquire) > since
            || self.doubted.load(Ordering::Acquire) > since && !self.shared.link.grants(slot.bucket)
    }

    /// Takes in that L2 was asked and has nothing: no reason to give up what it was never told of.
    pub(crate) fn settle(&self, slot: &Slot<V>) {
        let since = self.shared.order.restore(slot.since);
        let doubted = self.doubted.load(Ordering::Acquire).max(self.recheck.load(Ordering::Acquire));
        if let Some(side) = slot.side.as_ref().filter(|_| doubted <= since && !self.shared.link.is_deaf()) {
            side.unasked.store(false, Ordering::Release);
        }
    }

    /// Returns whether an entry whose time is up may be served before L2 was asked, or although L2 has nothing.
    pub(crate) fn is_confirmed(&self, slot: &Slot<V>) -> bool {
        !self.shared.link.is_deaf() && !self.is_unconfirmed(slot, self.shared.order.restore(slot.since))
    }

    /// Returns whether the entry was invalidated, in whatever way, after `since`.
    pub(crate) fn is_gone(&self, slot: &Slot<V>, since: u64) -> bool {
        let shared = &self.shared;
        if self.cleared.load(Ordering::Acquire) > since || shared.order.is_outdated(slot.bucket, since) {
            return true;
        }
        let Some(side) = slot.side.as_ref().filter(|side| !side.marks.is_empty()) else {
            return false;
        };
        let version = shared.marks.version();
        if side.compared.load(Ordering::Acquire) == version {
            return false;
        }
        let gone = shared.marks.is_outdated(&side.marks, since);
        if !gone {
            side.compared.store(version, Ordering::Release);
        }
        gone
    }

    /// Makes a slot of what stands in L2; `since` is from before it was read.
    pub(crate) fn slot(&self, stored: &Stored<V>, since: u64, digest: u64, l2_is_there: bool) -> Slot<V> {
        self.slot_as(stored, since, digest, l2_is_there, false)
    }

    /// The same of what was loaded when L2 could not be asked, where others may have put something there.
    pub(crate) fn slot_unasked(&self, stored: &Stored<V>, since: u64, digest: u64) -> Slot<V> {
        let unasked = self.l2.is_some() && self.shared.leases.is_some();
        self.slot_as(stored, since, digest, false, unasked)
    }

    fn slot_as(
        &self,
        stored: &Stored<V>,
        since: u64,
        digest: u64,
        l2_is_there: bool,
        unasked: bool,
    ) -> Slot<V> {
        self.note_time(stored);
        let short = if l2_is_there { self.shared.link.short() } else { None };
        let fresh_for = self.policy.l1_ttl.min(stored.fresh_for).min(short.unwrap_or(Duration::MAX));
        let stale_for = stored.stale_for.min(stored.fresh_for.saturating_add(self.policy.stale_if_error));
        let early = self.early(stored, stored.as_of, fresh_for);
        let notes = &stored.notes;
        // From when it was read: what is plain lives from when it is put into L1.
        let plain = fresh_for >= self.l1_keeps
            && stored.fresh_for >= self.l1_keeps.saturating_add(stored.as_of.elapsed())
            && early.is_none()
            && notes.tags.is_empty()
            && notes.etag.is_none()
            && !unasked;
        let side = (!plain).then(|| {
            let keyspace = &self.shared.keyspace;
            let marks = notes.tags.iter().filter_map(|tag| keyspace.cache_tag(tag).ok());
            Arc::new(Side {
                fresh_until: stored.as_of + fresh_for,
                stale_until: stored.as_of + stale_for,
                stale: None,
                early,
                marks: marks.map(|mark| Arc::from(mark.as_str())).collect(),
                compared: AtomicU64::new(u64::MAX),
                etag: notes.etag.as_deref().map(Box::from),
                unasked: AtomicBool::new(unasked),
            })
        });
        Slot {
            value: stored.value.clone(),
            stamp: stored.stamp,
            side,
            since: lower(since),
            bucket: bucket(digest),
            weight: self.weight(stored.encoded),
        }
    }

    /// Learns the store's time, which the ages of what is read are counted by.
    fn note_time(&self, stored: &Stored<V>) {
        let us = i64::try_from(stored.read_us).unwrap_or(i64::MAX);
        let base = us.saturating_sub(uptime_us(stored.as_of));
        // Written only when it is off: every reader reads it.
        if self.base_us.load(Ordering::Relaxed).abs_diff(base) > TIME_IS_OFF {
            self.base_us.store(base, Ordering::Relaxed);
        }
    }

    fn weight(&self, encoded: usize) -> Weight {
        weight::<K>(encoded)
    }

    /// Puts a slot into L1 unless a newer one is there, for who holds the lock of the flights.
    pub(crate) fn insert(&self, key: &K, slot: Slot<V>, others_may_have: bool) {
        if others_may_have
            && let Look::Fresh(held) = self.look(key)
            && held.stamp > slot.stamp
        {
            return;
        }
        self.l1.insert(key, slot);
    }

    #[inline]
    pub(crate) fn born(&self, stamp: u64) -> Born {
        Born(stamp.cast_signed().saturating_sub(self.base_us.load(Ordering::Relaxed)))
    }

    pub(crate) fn found(&self, slot: &Slot<V>, tier: Tier) -> Found<V> {
        let stale = slot.side.as_ref().and_then(|side| side.stale);
        Found { value: slot.value.clone(), tier, age: self.born(slot.stamp).age(), stale }
    }

    /// Counts an answered request by where its answer came from; `joined` when another request fetched it.
    pub(crate) fn count(&self, found: &Found<V>, joined: bool) {
        let counters = &self.counters;
        let outcome = match (found.stale, &found.value) {
            (Some(_), _) => "stale",
            (None, Some(_)) => "value",
            (None, None) => "absent",
        };
        Span::current().record("tier", found.tier.name()).record("outcome", outcome);
        match (found.stale, &found.value, found.tier) {
            (Some(why), ..) => {
                counters.stale();
                let reason = match why {
                    Staleness::LoadFailed => "load_failed",
                    Staleness::LoadSlow => "load_slow",
                };
                metrics::counter!(metric::STALE, "cache" => self.name.clone(), "reason" => reason)
                    .increment(1);
            }
            (None, None, _) => counters.negative(),
            (None, Some(_), _) if joined => counters.joined(),
            (None, Some(_), Tier::L1) => counters.l1_hits(),
            (None, Some(_), Tier::L2) => counters.l2_hits(),
            (None, Some(_), Tier::L3) => counters.loaded(),
        }
    }

    pub(crate) fn meter(&self, name: &'static str) {
        metrics::counter!(name, "cache" => self.name.clone()).increment(1);
    }

    pub(crate) fn note(&self, away: &Away) {
        if let Away::Failed(error) = away {
            self.counters.store_errors();
            self.meter(metric::STORE_ERRORS);
            tracing::debug!(cache = self.name, %error, "going on without L2");
        }
    }

    /// Ends what this process knows of a key, and what it is fetching.
    pub(crate) fn forget(&self, key: &K, digest: u64) {
        self.shared.order.invalidate(digest);
        self.flights.void(digest);
        self.l1.remove(key);
    }
}

fn unconfirmed<V>(slot: Slot<V>) -> Look<V> {
    Look::Spare(Spare { slot, tier: Tier::L1, kind: SpareKind::Unconfirmed })
}

impl<K: CacheKey, V: Send + Sync + 'static> Member for Inner<K, V> {
    fn void(&self, digest: u64) {
        self.flights.void(digest);
    }

    fn void_all(&self) {
        self.flights.void_all();
    }

    fn recheck(&self, step: u64) {
        self.recheck.fetch_max(step, Ordering::AcqRel);
    }

    fn suspect(&self, step: u64) {
        self.suspect.fetch_max(step, Ordering::AcqRel);
        self.recheck(step);
    }

    fn doubt(&self, step: u64) {
        self.doubted.fetch_max(step, Ordering::AcqRel);
    }

    fn cleared(&self, mark: &str, step: u64) -> bool {
        let is_its = self.mark == mark;
        if is_its {
            self.cleared.fetch_max(step, Ordering::AcqRel);
        }
        is_its
    }

    fn count_heard(&self) {
        self.counters.heard();
    }
}
