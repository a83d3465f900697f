//! L1: decoded values in the process, bounded in bytes.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache as Moka;
use tokio::time::Instant;

use crate::key::CacheKey;

/// What moka and the slot itself cost beside the value.
const OVERHEAD: usize = 160;

/// One entry of L1.
#[derive(Debug)]
pub(crate) struct Slot<V> {
    /// `None` says that there is no such thing.
    pub(crate) value: Option<Arc<V>>,
    pub(crate) born: Instant,
    pub(crate) deadline: Instant,
    pub(crate) weight: u32,
}

impl<V> Slot<V> {
    /// Makes a slot for something `age` old that is served for `lives` from now.
    pub(crate) fn new(value: Option<Arc<V>>, age: Duration, lives: Duration, encoded: usize) -> Self {
        let now = Instant::now();
        Self {
            value,
            born: now.checked_sub(age).unwrap_or(now),
            deadline: now.checked_add(lives).unwrap_or(now),
            weight: u32::try_from(encoded.saturating_add(OVERHEAD)).unwrap_or(u32::MAX),
        }
    }
}

impl<V> Clone for Slot<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), born: self.born, deadline: self.deadline, weight: self.weight }
    }
}

/// A plain map with a byte budget: moka without its loaders and without its timers.
///
/// An entry's end is a deadline checked on reading: moka's own per-entry expiry makes a hit a quarter dearer.
pub(crate) struct L1<K, V> {
    slots: Moka<K, Slot<V>>,
}

impl<K: CacheKey, V: Send + Sync + 'static> L1<K, V> {
    pub(crate) fn new(capacity: u64) -> Self {
        let slots = Moka::builder()
            .max_capacity(capacity)
            .weigher(|_: &K, slot: &Slot<V>| {
                slot.weight.saturating_add(u32::try_from(size_of::<K>()).unwrap_or(u32::MAX))
            })
            .build();
        Self { slots }
    }

    /// Returns the slot of `key` and how old its value is, if it is not past its deadline.
    pub(crate) fn get(&self, key: &K) -> Option<(Slot<V>, Duration)> {
        let slot = self.slots.get(key)?;
        let now = Instant::now();
        (now < slot.deadline).then(|| {
            let age = now.saturating_duration_since(slot.born);
            (slot, age)
        })
    }

    pub(crate) fn insert(&self, key: K, slot: Slot<V>) {
        self.slots.insert(key, slot);
    }

    pub(crate) fn remove(&self, key: &K) {
        self.slots.invalidate(key);
    }

    pub(crate) fn clear(&self) {
        self.slots.invalidate_all();
    }

    /// Returns the number of entries and their weight in bytes, after moka has done its pending work.
    pub(crate) fn size(&self) -> (u64, u64) {
        self.slots.run_pending_tasks();
        (self.slots.entry_count(), self.slots.weighted_size())
    }
}
