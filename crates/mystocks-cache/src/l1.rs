//! L1: decoded values in the process, bounded in bytes.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache as Moka;
use rapidhash::quality::RandomState;
use tokio::time::Instant;

use crate::key::CacheKey;

/// What moka and the slot itself cost beside the value.
const OVERHEAD: usize = 160;

/// moka refuses to count further than a thousand years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// One entry of L1.
#[derive(Debug)]
pub(crate) struct Slot<V> {
    /// `None` says that there is no such thing.
    pub(crate) value: Option<Arc<V>>,
    pub(crate) born: Instant,
    /// After how many milliseconds since `born` the entry ends, when that is before L1's own time; else `u32::MAX`.
    ///
    /// Not an `Instant`: moka copies the slot on every hit, and at 32 bytes its entry fits one cache line.
    ends_after_ms: u32,
    weight: u32,
}

impl<V> Slot<V> {
    /// Returns how old the value is.
    pub(crate) fn age(&self) -> Duration {
        self.born.elapsed()
    }
}

impl<V> Clone for Slot<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), ..*self }
    }
}

/// A plain map with a byte budget and one time to live: moka without its loaders.
///
/// A hit reads no clock of ours: a second reading beside moka's makes it a quarter dearer, as does moka's own expiry per
/// entry. Only an entry that must go before L1's time to live is up carries a deadline that is checked on reading.
pub(crate) struct L1<K, V> {
    /// `None` when L1 is switched off.
    slots: Option<Moka<K, Slot<V>, RandomState>>,
    ttl: Duration,
}

impl<K: CacheKey, V: Send + Sync + 'static> L1<K, V> {
    pub(crate) fn new(capacity: u64, ttl: Duration) -> Self {
        let ttl = ttl.min(LONGEST);
        let slots = Moka::builder()
            .max_capacity(capacity)
            .time_to_live(ttl)
            .weigher(|_: &K, slot: &Slot<V>| {
                slot.weight.saturating_add(u32::try_from(size_of::<K>()).unwrap_or(u32::MAX))
            })
            .build_with_hasher(RandomState::default());
        Self { slots: (capacity > 0).then_some(slots), ttl }
    }

    /// Returns the slot of `key` if it is not past its deadline.
    #[inline]
    pub(crate) fn get(&self, key: &K) -> Option<Slot<V>> {
        let slot = self.slots.as_ref()?.get(key)?;
        let ends = slot.ends_after_ms;
        (ends == u32::MAX || slot.age() < Duration::from_millis(ends.into())).then_some(slot)
    }

    /// Makes a slot for something `age` old that may be served for `lives` from now.
    pub(crate) fn slot(
        &self,
        value: Option<Arc<V>>,
        age: Duration,
        lives: Duration,
        encoded: usize,
    ) -> Slot<V> {
        let now = Instant::now();
        let ends_after_ms = match lives < self.ttl {
            true => u32::try_from(age.saturating_add(lives).as_millis()).unwrap_or(u32::MAX - 1),
            false => u32::MAX,
        };
        let weight = u32::try_from(encoded.saturating_add(OVERHEAD)).unwrap_or(u32::MAX);
        Slot { value, born: now.checked_sub(age).unwrap_or(now), ends_after_ms, weight }
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
