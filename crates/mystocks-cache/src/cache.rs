//! The typed read-through cache.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use mystocks_keys::Keyspace;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::builder::CacheBuilder;
use crate::error::Error;
use crate::fetch::{self, Loaded};
use crate::flight::Flights;
use crate::key::CacheKey;
use crate::l1::{L1, Slot};
use crate::l2::L2;
use crate::outcome::{GetOrCompute, Outcome, Tier};
use crate::policy::Policy;
use crate::stats::{CacheStats, Counters};
use crate::store::Store;

/// A read-through cache of `V` under `K`: this process's memory, then the shared store, then the caller's loader.
///
/// Cheap to clone; the clones are one cache.
///
/// # Guarantees
/// - However many callers ask for one key in this process, at most one loader runs for it at a time; an
///   invalidation frees the key, so a load that it voided may end beside the next.
/// - A load belongs to the cache: a caller that goes away ends neither the load nor the others' waiting.
/// - A failing store is never a caller's error on a read: the loader answers.
/// - What L2 holds damaged, under a wrong key or in an unknown format is a counted miss.
/// - L1 serves an entry no longer than L2 holds it, by the store's clock (see [`Store::now_ms`]).
pub struct Cache<K, V> {
    pub(crate) inner: Arc<Inner<K, V>>,
}

pub(crate) struct Inner<K, V> {
    pub(crate) name: String,
    pub(crate) policy: Policy,
    pub(crate) l1: L1<K, V>,
    pub(crate) l2: Option<L2>,
    pub(crate) flights: Arc<Flights<K, V>>,
    pub(crate) counters: Counters,
    pub(crate) tracker: TaskTracker,
    pub(crate) closed: CancellationToken,
}

/// A value, or the knowledge that there is none, and where it came from.
#[derive(Debug)]
pub(crate) struct Found<V> {
    pub(crate) value: Option<Arc<V>>,
    pub(crate) tier: Tier,
    pub(crate) age: Duration,
}

impl<V> Clone for Found<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), ..*self }
    }
}

impl<V> Found<V> {
    pub(crate) fn outcome(self) -> Option<Outcome<V>> {
        let Self { value, tier, age } = self;
        value.map(|value| Outcome { value, tier, age })
    }
}

impl<K, V> Cache<K, V>
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// Starts a cache called `name`; the name is part of every key in L2, so two caches of one name share entries.
    pub fn builder(name: &str, keyspace: &Keyspace) -> CacheBuilder<K, V> {
        CacheBuilder::new(name, keyspace)
    }

    pub(crate) fn assemble(
        name: String,
        keyspace: Keyspace,
        policy: Policy,
        store: Option<Arc<dyn Store>>,
    ) -> Self {
        let l2 = store.map(|store| L2::new(store, keyspace, name.clone(), policy.schema, policy.max_entry));
        let inner = Inner {
            l1: L1::new(policy.l1_capacity, policy.l1_ttl),
            l2,
            name,
            policy,
            flights: Arc::new(Flights::new()),
            counters: Counters::default(),
            tracker: TaskTracker::new(),
            closed: CancellationToken::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Returns the value of `key` from L1 or L2, or runs `load` and stores what it returns.
    ///
    /// When the future is ready, L2 has been offered the value.
    ///
    /// # Concurrent calls on the same key
    /// One caller's `load` runs, as a task of the cache and under [`Policy::load_deadline`]; the others wait and get the
    /// same `Arc`, or the same error. A load that fails is not remembered: the next call tries again.
    ///
    /// # Errors
    /// [`Load`](crate::ErrorKind::Load) with the loader's own error (see [`Error::load_error`]),
    /// [`Panicked`](crate::ErrorKind::Panicked), [`Timeout`](crate::ErrorKind::Timeout), and
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a key that cannot be spelled in L2.
    ///
    /// # Cancel safety
    /// Dropping the future only takes this caller away. `load` goes on if it was started.
    ///
    /// # Panics
    /// Never by itself; awaiting a miss outside a tokio runtime panics in tokio.
    #[inline]
    pub fn get_or_compute<F, Fut, E>(&self, key: &K, load: F) -> GetOrCompute<V>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<V, E>> + Send + 'static,
        E: StdError + Send + Sync + 'static,
    {
        if let Some(Slot { value: Some(value), born, .. }) = self.inner.l1.get(key) {
            self.inner.counters.l1_hits();
            return GetOrCompute::hit(value, born);
        }
        let (inner, key) = (Arc::clone(&self.inner), key.clone());
        GetOrCompute::pending(async move {
            let load = || async { load().await.map(|value| Loaded::from(Some(value))) };
            match fetch::fetch(inner, key, false, load).await?.outcome() {
                Some(outcome) => Ok(outcome),
                None => Err(fetch::absent_in_spite_of_a_value()),
            }
        })
    }

    /// Returns the value of `key` like [`get_or_compute`](Self::get_or_compute), where `load` may answer that there is no
    /// such thing; that is remembered in both tiers for [`Policy::negative_ttl`].
    ///
    /// # Errors
    /// As [`get_or_compute`](Self::get_or_compute).
    ///
    /// # Cancel safety
    /// As [`get_or_compute`](Self::get_or_compute).
    pub async fn get_or_compute_optional<F, Fut, E>(&self, key: &K, load: F) -> Result<Option<Arc<V>>, Error>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<V>, E>> + Send + 'static,
        E: StdError + Send + Sync + 'static,
    {
        if let Some(slot) = self.inner.l1.get(key) {
            if slot.value.is_some() {
                self.inner.counters.l1_hits();
            } else {
                self.inner.counters.negative();
            }
            return Ok(slot.value);
        }
        let load = || async { load().await.map(Loaded::from) };
        Ok(fetch::fetch(Arc::clone(&self.inner), key.clone(), true, load).await?.value)
    }

    /// Reads `keys` from L1 and, for those that are not there, from L2 with one request; loads nothing.
    ///
    /// The answer is as long as `keys`. A failing store answers `None`.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a key that cannot be spelled in L2.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect but that L1 may not be filled.
    pub async fn get_many(&self, keys: &[K]) -> Result<Vec<Option<Outcome<V>>>, Error> {
        fetch::get_many(&self.inner, keys).await
    }

    /// Returns the value of `key` if L1 holds it; counts nothing and asks nobody.
    pub fn peek(&self, key: &K) -> Option<Arc<V>> {
        self.inner.l1.get(key)?.value
    }

    /// Removes `key` from L1 and L2 and keeps fetches of it that have begun from filling this process's L1.
    ///
    /// # Errors
    /// When L2 could not be told; L1 is rid of the entry all the same.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open whether L2 still holds the entry.
    pub async fn invalidate(&self, key: &K) -> Result<(), Error> {
        let inner = &self.inner;
        let forget = || inner.flights.void(key, || inner.l1.remove(key));
        forget();
        let removed = match &inner.l2 {
            Some(l2) => l2.remove(key).await,
            None => Ok(()),
        };
        // What read L2 between the two steps may hold the entry that was just removed.
        forget();
        removed
    }

    /// Drops all of L1; L2 keeps its entries.
    pub fn drop_l1(&self) {
        self.inner.l1.clear();
    }

    /// Returns what the cache counted so far.
    pub fn stats(&self) -> CacheStats {
        let (l1_entries, l1_bytes) = self.inner.l1.size();
        let in_flight = self.inner.flights.len() as u64;
        CacheStats { l1_entries, l1_bytes, in_flight, ..self.inner.counters.snapshot() }
    }

    /// Returns the name of the cache.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Ends the loads under way (their waiters get an error) and waits until every task of the cache is gone.
    ///
    /// Afterwards L1 and L2 still answer; what would need a load is [`Unavailable`](crate::ErrorKind::Unavailable).
    ///
    /// # Cancel safety
    /// Call it again to go on waiting.
    pub async fn shutdown(&self) {
        self.inner.closed.cancel();
        self.inner.tracker.close();
        self.inner.tracker.wait().await;
    }
}

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.inner.name)
            .field("policy", &self.inner.policy)
            .field("l2", &self.inner.l2)
            .finish_non_exhaustive()
    }
}
