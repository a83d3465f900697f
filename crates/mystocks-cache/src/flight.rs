//! Who is fetching what: one flight per key, and what an invalidation does to it.

use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashTable;
use hashbrown::hash_table::{Entry, OccupiedEntry};

use rapidhash::quality::RandomState;
use tokio::sync::Notify;

use crate::cache::Found;
use crate::error::Error;
use crate::key::CacheKey;

/// So many that two threads rarely meet in one: filling L1 under the lock takes a microsecond.
const SHARDS: usize = 128;

/// How a flight ended.
#[derive(Debug)]
pub(crate) enum Landed<V> {
    /// With a value, or with the knowledge that there is none.
    Found(Found<V>),
    /// With an error that all waiters share.
    Failed(Error),
    /// The caller that led it went away before a load was started; another takes over.
    Abandoned,
}

impl<V> Clone for Landed<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Found(found) => Self::Found(found.clone()),
            Self::Failed(error) => Self::Failed(error.clone()),
            Self::Abandoned => Self::Abandoned,
        }
    }
}

/// One fetch that any number of callers wait for.
#[derive(Debug)]
pub(crate) struct Flight<V> {
    landed: Mutex<Option<Landed<V>>>,
    notify: Notify,
}

impl<V> Flight<V> {
    /// Waits until the flight has landed. Cancel safe.
    pub(crate) async fn wait(&self) -> Landed<V> {
        loop {
            let notified = self.notify.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if let Some(landed) = lock(&self.landed).as_ref() {
                return landed.clone();
            }
            notified.await;
        }
    }
}

/// The flights of one cache.
///
/// The shard's lock also orders what fills L1 against what invalidates: a fill that began before an invalidation never
/// comes after it.
#[derive(Debug)]
pub(crate) struct Flights<K, V> {
    shards: [Mutex<Shard<K, V>>; SHARDS],
    hasher: RandomState,
}

#[derive(Debug)]
struct Shard<K, V> {
    flying: HashTable<Flying<K, V>>,
    /// Counts the invalidations, for fills that have no flight.
    epoch: u64,
}

#[derive(Debug)]
struct Flying<K, V> {
    hash: u64,
    key: K,
    flight: Arc<Flight<V>>,
}

/// What a caller is told when it comes with a key.
pub(crate) enum Boarded<K: CacheKey, V> {
    /// Nobody is fetching it: the caller leads.
    Leader(Lead<K, V>),
    /// Somebody is: wait for this flight.
    Waiter(Arc<Flight<V>>),
}

impl<K: CacheKey, V> Flights<K, V> {
    pub(crate) fn new() -> Self {
        let shard = || Mutex::new(Shard { flying: HashTable::new(), epoch: 0 });
        Self { shards: std::array::from_fn(|_| shard()), hasher: RandomState::default() }
    }

    /// Joins the flight of `key`, or starts one with the caller as its leader.
    pub(crate) fn board(self: &Arc<Self>, key: &K) -> Boarded<K, V> {
        let hash = self.hasher.hash_one(key);
        let mut shard = self.shard(hash);
        match shard.flying.entry(hash, |flying| flying.key == *key, |flying| flying.hash) {
            Entry::Occupied(flying) => Boarded::Waiter(Arc::clone(&flying.get().flight)),
            Entry::Vacant(vacant) => {
                let flight = Arc::new(Flight { landed: Mutex::new(None), notify: Notify::new() });
                vacant.insert(Flying { hash, key: key.clone(), flight: Arc::clone(&flight) });
                drop(shard);
                Boarded::Leader(Lead {
                    flights: Arc::clone(self),
                    hash,
                    flight,
                    if_dropped: Some(Landed::Abandoned),
                })
            }
        }
    }

    /// Makes every fetch of `key` that has begun unable to fill L1, and runs `remove` in the same step.
    pub(crate) fn void(&self, key: &K, remove: impl FnOnce()) {
        let hash = self.hasher.hash_one(key);
        let mut shard = self.shard(hash);
        if let Ok(flying) = shard.flying.find_entry(hash, |flying| flying.key == *key) {
            flying.remove();
        }
        shard.epoch += 1;
        remove();
    }

    /// Returns the mark that [`Flights::fill`] compares.
    pub(crate) fn epoch(&self, key: &K) -> u64 {
        self.shard(self.hasher.hash_one(key)).epoch
    }

    /// Runs `insert` unless something near `key` was invalidated since `epoch`.
    pub(crate) fn fill(&self, key: &K, epoch: u64, insert: impl FnOnce()) {
        let shard = self.shard(self.hasher.hash_one(key));
        if shard.epoch == epoch {
            insert();
        }
    }

    /// Returns how many flights are in the air.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).flying.len()).sum()
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard<K, V>> {
        // The table uses the low bits and the topmost; these are between.
        let index = usize::try_from((hash >> 32) % SHARDS as u64).unwrap_or(0);
        lock(&self.shards[index])
    }
}

/// The leadership of one flight. Dropped without landing, it lands as [`Landed::Abandoned`], or as failed once it loads.
pub(crate) struct Lead<K: CacheKey, V> {
    flights: Arc<Flights<K, V>>,
    hash: u64,
    flight: Arc<Flight<V>>,
    if_dropped: Option<Landed<V>>,
}

impl<K: CacheKey, V> Lead<K, V> {
    pub(crate) fn flight(&self) -> Arc<Flight<V>> {
        Arc::clone(&self.flight)
    }

    /// Returns whether no invalidation has voided this flight.
    pub(crate) fn is_current(&self) -> bool {
        self.found(&mut self.flights.shard(self.hash)).is_some()
    }

    /// Runs `insert` unless an invalidation has voided this flight.
    pub(crate) fn fill(&self, insert: impl FnOnce()) {
        let mut shard = self.flights.shard(self.hash);
        if self.found(&mut shard).is_some() {
            insert();
        }
    }

    /// Makes `error` what the waiters get if the load's task dies; nobody is to take over and load again.
    pub(crate) fn begin_load(&mut self, error: Error) {
        self.if_dropped = Some(Landed::Failed(error));
    }

    /// Ends the flight and wakes who waits for it.
    pub(crate) fn land(self, landed: Landed<V>) {
        self.land_filling(landed, || ());
    }

    /// Runs `insert` unless an invalidation has voided this flight, ends it and wakes who waits for it.
    pub(crate) fn land_filling(mut self, landed: Landed<V>, insert: impl FnOnce()) {
        self.end(landed, insert);
    }

    fn found<'s>(&self, shard: &'s mut Shard<K, V>) -> Option<OccupiedEntry<'s, Flying<K, V>>> {
        shard.flying.find_entry(self.hash, |flying| Arc::ptr_eq(&flying.flight, &self.flight)).ok()
    }

    fn end(&mut self, landed: Landed<V>, insert: impl FnOnce()) {
        self.if_dropped = None;
        let mut shard = self.flights.shard(self.hash);
        if let Some(flying) = self.found(&mut shard) {
            insert();
            flying.remove();
        }
        drop(shard);
        *lock(&self.flight.landed) = Some(landed);
        self.flight.notify.notify_waiters();
    }
}

impl<K: CacheKey, V> Drop for Lead<K, V> {
    fn drop(&mut self) {
        if let Some(landed) = self.if_dropped.take() {
            self.end(landed, || ());
        }
    }
}

/// Takes a lock whose data is never left half changed, so that a panic elsewhere does not spread.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
