//! L1: decoded values in the process, bounded in bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use moka::sync::Cache as Moka;
use rapidhash::quality::RandomState;
use tokio::time::Instant;

use crate::key::CacheKey;
use crate::outcome::Staleness;

/// What moka, the slot and what hangs on it cost beside the value.
const OVERHEAD: usize = 208;

/// One entry of L1: 32 bytes, which moka copies on every hit, so that moka's own entry fits one cache line.
#[derive(Debug)]
pub(crate) struct Slot<V> {
    /// `None` says that there is no such thing.
    pub(crate) value: Option<Arc<V>>,
    /// The stamp of the entry in L2; microseconds since the Unix epoch on the store's clock.
    pub(crate) stamp: u64,
    /// What only some entries have, and what makes a hit dearer.
    pub(crate) side: Option<Arc<Side>>,
    /// The lower half of the [`Order`](crate::order::Order)'s number from before the entry was read or loaded.
    pub(crate) since: u32,
    /// The bucket of the key's digest.
    pub(crate) bucket: u16,
    pub(crate) weight: Weight,
}

/// What has to be looked at before an entry is served.
#[derive(Debug)]
pub(crate) struct Side {
    /// Until when it is served without asking L2.
    pub(crate) fresh_until: Instant,
    /// Until when it is served in want of a better one.
    pub(crate) stale_until: Instant,
    /// Why it is served although it is stale.
    pub(crate) stale: Option<Staleness>,
    pub(crate) early: Option<Early>,
    /// The whole keys of the marks it is subject to.
    pub(crate) marks: Box<[Arc<str>]>,
    /// The version of the marks it was last compared with.
    pub(crate) compared: AtomicU64,
    pub(crate) etag: Option<Box<str>>,
    /// Made while L2 could not be asked: L2 may hold another.
    pub(crate) unasked: AtomicBool,
}

impl Side {
    /// Returns the same, to be served for a failed load's sake until `fresh_until`.
    pub(crate) fn for_retry(&self, fresh_until: Instant) -> Self {
        Self {
            fresh_until,
            stale_until: self.stale_until,
            stale: Some(Staleness::LoadFailed),
            early: None,
            marks: self.marks.clone(),
            compared: AtomicU64::new(u64::MAX),
            etag: self.etag.clone(),
            unasked: AtomicBool::new(self.unasked.load(Ordering::Acquire)),
        }
    }
}

/// When and how an entry is refreshed before its end.
#[derive(Debug)]
pub(crate) struct Early {
    /// Before that it is not worth a thought.
    pub(crate) from: Instant,
    pub(crate) expires: Instant,
    /// The time the load took, times the policy's eagerness.
    pub(crate) reach: Duration,
    /// Milliseconds after `from` at which somebody may try (again).
    pub(crate) next_ms: AtomicU64,
}

impl<V> Clone for Slot<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), side: self.side.clone(), ..*self }
    }
}

/// A number of bytes in 16 bits, rounded up by at most a thousandth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weight(u16);

impl Weight {
    const MANTISSA: u32 = 11;

    pub(crate) fn of(bytes: usize) -> Self {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let shift = (u32::BITS - bytes.leading_zeros()).saturating_sub(Self::MANTISSA);
        let kept = bytes.div_ceil(1 << shift);
        // Rounding up may need one bit more.
        let (shift, kept) = if kept >> Self::MANTISSA > 0 { (shift + 1, kept >> 1) } else { (shift, kept) };
        Self(u16::try_from(shift << Self::MANTISSA | kept).unwrap_or(u16::MAX))
    }

    pub(crate) fn bytes(self) -> u32 {
        let shift = u32::from(self.0 >> Self::MANTISSA);
        let kept = u32::from(self.0) & ((1 << Self::MANTISSA) - 1);
        u32::try_from(u64::from(kept) << shift).unwrap_or(u32::MAX)
    }
}

/// A plain map with a byte budget and one time to live: moka without its loaders.
///
/// A hit reads no clock of ours: a second reading beside moka's makes it a quarter dearer, as does moka's own expiry per
/// entry. Only an entry with a [`Side`] is looked at more closely.
pub(crate) struct L1<K, V> {
    /// `None` when L1 is switched off.
    slots: Option<Moka<K, Slot<V>, RandomState>>,
}

impl<K: CacheKey, V: Send + Sync + 'static> L1<K, V> {
    pub(crate) fn new(capacity: u64, keeps: Duration) -> Self {
        let slots = Moka::builder()
            .max_capacity(capacity)
            .time_to_live(keeps)
            .weigher(|_: &K, slot: &Slot<V>| slot.weight.bytes())
            .build_with_hasher(RandomState::default());
        Self { slots: (capacity > 0).then_some(slots) }
    }

    #[inline]
    pub(crate) fn get(&self, key: &K) -> Option<Slot<V>> {
        self.slots.as_ref()?.get(key)
    }

    /// Holds `slot` under a copy of `key`: made now, it lies in memory beside what moka allocates for it, and the next hit
    /// touches fewer cache lines than with a key that was made before its value.
    pub(crate) fn insert(&self, key: &K, slot: Slot<V>) {
        if let Some(slots) = &self.slots {
            slots.insert(key.clone(), slot);
        }
    }

    pub(crate) fn remove(&self, key: &K) {
        if let Some(slots) = &self.slots {
            slots.invalidate(key);
        }
    }

    pub(crate) fn clear(&self) {
        if let Some(slots) = &self.slots {
            slots.invalidate_all();
        }
    }

    /// Returns the number of entries and their weight in bytes, after moka has done its pending work.
    pub(crate) fn size(&self) -> (u64, u64) {
        self.slots.as_ref().map_or((0, 0), |slots| {
            slots.run_pending_tasks();
            (slots.entry_count(), slots.weighted_size())
        })
    }
}

/// Returns what an entry of `encoded` bytes weighs under a key of type `K`.
pub(crate) fn weight<K>(encoded: usize) -> Weight {
    Weight::of(encoded.saturating_add(OVERHEAD + size_of::<K>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_fits_half_a_cache_line() {
        assert_eq!(size_of::<Slot<String>>(), 32);
    }

    #[test]
    fn a_weight_is_never_less_and_hardly_more() {
        let mut random = fastrand::Rng::with_seed(7);
        let powers = (0..32).flat_map(|bits| [(1_usize << bits) - 1, 1 << bits, (1 << bits) + 1]);
        let sizes: Vec<usize> = powers.chain((0..10_000).map(|_| random.usize(..1 << 31))).collect();
        for bytes in sizes {
            let weight = Weight::of(bytes).bytes() as usize;
            assert!(weight >= bytes && weight <= bytes + bytes / 1000 + 1, "{bytes} weighs {weight}");
        }
        assert_eq!(Weight::of(usize::MAX).bytes(), u32::MAX);
    }
}
