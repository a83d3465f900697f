//! Who is fetching what: one flight per key, and what an invalidation does to it.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use hashbrown::HashTable;
use hashbrown::hash_table::{Entry, OccupiedEntry};
use tokio::sync::Notify;

use crate::error::{Error, ErrorKind};
use crate::found::{Found, Spare};
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
    /// What can be served meanwhile.
    spare: OnceLock<Spare<V>>,
}

impl<V> Default for Flight<V> {
    fn default() -> Self {
        Self { landed: Mutex::default(), notify: Notify::new(), spare: OnceLock::new() }
    }
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

    /// Lets those who wait have `spare` when they do not want to wait any longer.
    pub(crate) fn offer(&self, spare: Spare<V>) {
        // Only the leader offers, and once.
        let _ = self.spare.set(spare);
    }

    pub(crate) fn spare(&self) -> Option<&Spare<V>> {
        self.spare.get()
    }
}

/// The flights of one cache, by the digests of their keys.
///
/// The shard's lock also orders those who fill L1 for one key, so that none replaces a newer entry by an older.
#[derive(Debug)]
pub(crate) struct Flights<K, V> {
    shards: [Mutex<Shard<K, V>>; SHARDS],
}

#[derive(Debug)]
struct Shard<K, V> {
    flying: HashTable<Flying<K, V>>,
    /// The id that was given last.
    last: u64,
    /// Counts the fills that have no flight.
    strays: u64,
    /// Counts those of them that are by the caller's own hand.
    sets: u64,
}

#[derive(Debug)]
struct Flying<K, V> {
    digest: u64,
    key: K,
    /// Tells it from those of the same key that it overtook.
    id: u64,
    /// Nobody joins it any more.
    is_void: bool,
    /// Made for the first who waits: most end with nobody waiting.
    flight: Option<Arc<Flight<V>>>,
}

/// What a caller is told when it comes with a key.
pub(crate) enum Boarded<K: CacheKey, V, P: Deref<Target = Flights<K, V>> = Arc<Flights<K, V>>> {
    /// Nobody is fetching it: the caller leads.
    Leader(Lead<K, V, P>),
    /// Somebody is: wait for this flight.
    Waiter(Arc<Flight<V>>),
}

impl<K: CacheKey, V> Flights<K, V> {
    pub(crate) fn new() -> Self {
        let shard = || Mutex::new(Shard { flying: HashTable::new(), last: 0, strays: 0, sets: 0 });
        Self { shards: std::array::from_fn(|_| shard()) }
    }

    /// Joins the flight of `key`, or starts one with the caller as its leader.
    ///
    /// A leader that only borrows the flights spares two processors the quarrel over their count.
    pub(crate) fn board<P: Deref<Target = Self>>(flights: P, digest: u64, key: &K) -> Boarded<K, V, P> {
        let mut shard = flights.shard(digest);
        let strays = shard.strays;
        shard.last += 1;
        let id = shard.last;
        let is_its = |flying: &Flying<K, V>| !flying.is_void && flying.key == *key;
        match shard.flying.entry(digest, is_its, |flying| flying.digest) {
            Entry::Occupied(mut flying) => Boarded::Waiter(flying.get_mut().flight()),
            Entry::Vacant(vacant) => {
                vacant.insert(Flying { digest, key: key.clone(), id, is_void: false, flight: None });
                drop(shard);
                let if_dropped = Some(Landed::Abandoned);
                Boarded::Leader(Lead { flights, digest, id, strays, if_dropped })
            }
        }
    }

    /// Makes those who come from now on fetch anew what has this digest.
    pub(crate) fn void(&self, digest: u64) {
        void(&mut self.shard(digest), digest);
    }

    /// Makes those who come from now on fetch anew, whatever it is.
    pub(crate) fn void_all(&self) {
        for shard in &self.shards {
            lock(shard).flying.iter_mut().for_each(|flying| flying.is_void = true);
        }
    }

    /// Returns a number for [`Flights::fill`] that is to be taken before L2 is read.
    pub(crate) fn sets(&self, digest: u64) -> u64 {
        self.shard(digest).sets
    }

    /// Runs `insert` alone among those who fill L1 with what has this digest, unless a value was set since `sets` was taken.
    pub(crate) fn fill(&self, digest: u64, sets: u64, insert: impl FnOnce()) {
        let mut shard = self.shard(digest);
        if shard.sets == sets {
            shard.strays += 1;
            insert();
        }
    }

    /// Runs `insert` in the same way for a value that was set: who is fetching it may have read the one before.
    pub(crate) fn set(&self, digest: u64, insert: impl FnOnce()) {
        let mut shard = self.shard(digest);
        shard.strays += 1;
        shard.sets += 1;
        void(&mut shard, digest);
        insert();
    }

    /// Returns how many flights are in the air.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).flying.len()).sum()
    }

    fn shard(&self, digest: u64) -> MutexGuard<'_, Shard<K, V>> {
        // The table uses the low bits and the topmost; these are between.
        let index = usize::try_from((digest >> 32) % SHARDS as u64).unwrap_or(0);
        lock(&self.shards[index])
    }
}

/// The leadership of one flight. Dropped without landing, it lands as [`Landed::Abandoned`], or as failed once it loads.
pub(crate) struct Lead<K: CacheKey, V, P: Deref<Target = Flights<K, V>> = Arc<Flights<K, V>>> {
    flights: P,
    digest: u64,
    id: u64,
    strays: u64,
    if_dropped: Option<Landed<V>>,
}

impl<K: CacheKey, V> Lead<K, V, &Flights<K, V>> {
    /// Makes it independent of who leads; `flights` are those it is of.
    pub(crate) fn own(mut self, flights: Arc<Flights<K, V>>) -> Lead<K, V> {
        Lead {
            flights,
            digest: self.digest,
            id: self.id,
            strays: self.strays,
            if_dropped: self.if_dropped.take(),
        }
    }
}

impl<K: CacheKey, V> Lead<K, V> {
    pub(crate) fn flight(&self) -> Arc<Flight<V>> {
        let mut shard = self.flights.shard(self.digest);
        match find(&mut shard, self.digest, self.id) {
            Some(mut flying) => flying.get_mut().flight(),
            // Not before it has landed.
            None => Arc::default(),
        }
    }

    /// Returns whether no invalidation has voided this flight.
    pub(crate) fn is_current(&self) -> bool {
        let mut shard = self.flights.shard(self.digest);
        find(&mut shard, self.digest, self.id).is_some_and(|flying| !flying.get().is_void)
    }

    /// Has the waiters get an error on `subject` if the load's task dies; nobody is to take over and load again.
    pub(crate) fn begin_load(&mut self, subject: &str) {
        let died = Error::new(ErrorKind::Panicked, "load", subject);
        let died = died.with_detail("the task of the load ended without an answer");
        self.if_dropped = Some(Landed::Failed(died));
    }
}

impl<K: CacheKey, V, P: Deref<Target = Flights<K, V>>> Lead<K, V, P> {
    /// Ends the flight and wakes who waits for it.
    pub(crate) fn land(self, landed: Landed<V>) {
        self.land_filling(landed, |_| ());
    }

    /// Runs `insert` unless an invalidation has voided this flight, ends it and wakes who waits for it.
    ///
    /// `insert` is told whether others filled L1 since the flight began.
    pub(crate) fn land_filling(mut self, landed: Landed<V>, insert: impl FnOnce(bool)) {
        self.end(landed, insert);
    }

    fn end(&mut self, landed: Landed<V>, insert: impl FnOnce(bool)) {
        self.if_dropped = None;
        let mut shard = self.flights.shard(self.digest);
        let strayed = shard.strays != self.strays;
        let Some(flying) = find(&mut shard, self.digest, self.id) else { return };
        if !flying.get().is_void {
            insert(strayed);
        }
        let (Flying { flight, .. }, _) = flying.remove();
        drop(shard);
        if let Some(flight) = flight {
            *lock(&flight.landed) = Some(landed);
            flight.notify.notify_waiters();
        }
    }
}

impl<K: CacheKey, V, P: Deref<Target = Flights<K, V>>> Drop for Lead<K, V, P> {
    fn drop(&mut self) {
        if let Some(landed) = self.if_dropped.take() {
            self.end(landed, |_| ());
        }
    }
}

impl<K, V> Flying<K, V> {
    fn flight(&mut self) -> Arc<Flight<V>> {
        Arc::clone(self.flight.get_or_insert_default())
    }
}

fn find<K, V>(shard: &mut Shard<K, V>, digest: u64, id: u64) -> Option<OccupiedEntry<'_, Flying<K, V>>> {
    shard.flying.find_entry(digest, |flying| flying.id == id).ok()
}

fn void<K, V>(shard: &mut Shard<K, V>, digest: u64) {
    let of_digest = shard.flying.iter_hash_mut(digest).filter(|flying| flying.digest == digest);
    of_digest.for_each(|flying| flying.is_void = true);
}

/// Takes a lock whose data is never left half changed, so that a panic elsewhere does not spread.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
