//! The typed read-through cache.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use mystocks_keys::Keyspace;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::field::Empty;
use tracing::{Instrument, debug_span, instrument};

use crate::builder::CacheBuilder;
use crate::change::Done;
use crate::early;
use crate::error::Error;
use crate::fetch::{self, Ask};
use crate::inner::{Inner, Look};
use crate::key::CacheKey;
use crate::l1::Slot;
use crate::load_ctx::{LoadCtx, Loaded};
use crate::outcome::{GetOrCompute, Outcome, Tier};
use crate::stats::CacheStats;

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
/// - L1 serves an entry no longer than L2 holds it, by the store's clock (see [`Store::now_ms`](crate::Store::now_ms)).
pub struct Cache<K, V> {
    pub(crate) inner: Arc<Inner<K, V>>,
}

impl<K, V> Cache<K, V>
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// Starts a cache called `name` that is of no hub: alone, or with a store of its own.
    ///
    /// The name is part of every key in L2, so two caches of one name share entries. For leases, tags and a link to the
    /// other processes, make it with [`CacheHub::cache`](crate::CacheHub::cache).
    pub fn builder(name: &str, keyspace: &Keyspace) -> CacheBuilder<K, V> {
        CacheBuilder::alone(name, keyspace)
    }

    /// Returns the value of `key` from L1 or L2, or runs `load` and stores what it returns.
    ///
    /// When the future is ready, L2 has been offered the value.
    ///
    /// # Concurrent calls on the same key
    /// One caller's `load` runs, as a task of the cache and under [`Policy::load_deadline`](crate::Policy::load_deadline); the others wait and get the
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
        F: FnOnce(LoadCtx<V>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<V, E>> + Send + 'static,
        E: StdError + Send + Sync + 'static,
    {
        let inner = &*self.inner;
        inner.hot.read(key);
        match inner.l1.get(key) {
            Some(Slot { value: Some(value), stamp, side: None, since, bucket, .. })
                if inner.holds(since, bucket) =>
            {
                inner.counters.l1_hits();
                GetOrCompute::hit(value, inner.born(stamp))
            }
            slot => self.get_closer(key, slot, load),
        }
    }

    /// Returns the value of `key` like [`get_or_compute`](Self::get_or_compute), where `load` may also answer that there is
    /// no such thing, or that the value at hand still holds.
    ///
    /// # Errors
    /// As [`get_or_compute`](Self::get_or_compute).
    ///
    /// # Cancel safety
    /// As [`get_or_compute`](Self::get_or_compute).
    #[instrument(name = "cache.get_or_load", level = "debug", skip_all, fields(namespace = self.inner.name))]
    pub async fn get_or_load<F, Fut, E>(&self, key: &K, load: F) -> Result<Option<Outcome<V>>, Error>
    where
        F: FnOnce(LoadCtx<V>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Loaded<V>, E>> + Send + 'static,
        E: StdError + Send + Sync + 'static,
    {
        let inner = &self.inner;
        inner.hot.read(key);
        let look = inner.l1.get(key).map_or(Look::Nothing, |slot| inner.weigh_for_reader(slot));
        let spare = match look {
            Look::Fresh(slot) => {
                let found = inner.found(&slot, Tier::L1);
                inner.count(&found, false);
                return Ok(found.outcome());
            }
            Look::Early(slot) => return self.hit_and_refresh(key, slot, load).detail().await.map(Some),
            Look::Spare(spare) => Some(spare),
            Look::Nothing => None,
        };
        let ask = Ask::new(Arc::clone(inner), key.clone(), spare, true, load);
        Ok(Box::pin(fetch::fetch(ask)).await?.outcome())
    }

    /// Returns the keys that were read most in the last half to whole hour, the most read one first; at most 512, and none
    /// unless [`Policy::track_hottest`](crate::Policy::track_hottest) is on.
    pub fn hottest(&self, most: usize) -> Vec<K> {
        self.inner.hot.hottest(most)
    }

    /// Returns the value of `key` if L1 holds it and would serve it; counts nothing and asks nobody.
    pub fn peek(&self, key: &K) -> Option<Arc<V>> {
        match self.inner.look(key) {
            Look::Fresh(slot) | Look::Early(slot) => slot.value,
            Look::Spare(_) | Look::Nothing => None,
        }
    }

    /// Returns what L1 holds of `key` and would serve, counted as a hit; what it does not hold is not counted, and nobody is asked.
    pub fn get_from_l1(&self, key: &K) -> Option<Outcome<V>> {
        let (Look::Fresh(slot) | Look::Early(slot)) = self.inner.look(key) else { return None };
        let outcome = self.inner.found(&slot, Tier::L1).outcome()?;
        self.inner.hot.read(key);
        self.inner.counters.l1_hits();
        Some(outcome)
    }

    /// Removes `key` from L1 and L2, takes the lease from whoever is loading it, and tells the other processes.
    ///
    /// After it returned, no fetch in this process that begins gets an older value, and no load that began before fills L1 or
    /// L2. Other processes learn of it within their link's delay.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a key that cannot be spelled in L2. When L2 cannot be told
    /// it is [`Done::Queued`] and no error.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open whether L2 still holds the entry.
    #[instrument(name = "cache.invalidate", level = "debug", skip_all, fields(namespace = self.inner.name))]
    pub async fn invalidate(&self, key: &K) -> Result<Done, Error> {
        self.inner.invalidate(key).await
    }

    /// Ends every entry of the cache, in every process; one request, however many they are.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a cache on a bare store or with shared entries.
    ///
    /// # Cancel safety
    /// As [`invalidate`](Self::invalidate).
    #[instrument(name = "cache.clear", level = "debug", skip_all, fields(namespace = self.inner.name))]
    pub async fn clear(&self) -> Result<Done, Error> {
        self.inner.clear().await
    }

    /// Removes the entries whose segments match `glob` (Redis syntax, over the segments joined by colons) from L2, has every
    /// process compare its L1 with L2 before it serves any of it, and returns how many were removed.
    ///
    /// It walks over all keys of the store: for many entries, [`tags`](LoadCtx::tag) are the better way.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a malformed pattern; what the store answers when it cannot be
    /// walked: L1 is empty then, and L2 may hold a part.
    ///
    /// # Cancel safety
    /// Dropping the future leaves a part of the entries in L2.
    #[instrument(name = "cache.invalidate_pattern", level = "debug", skip_all, fields(namespace = self.inner.name))]
    pub async fn invalidate_pattern(&self, glob: &str) -> Result<u64, Error> {
        self.inner.invalidate_pattern(glob).await
    }

    /// Sets the value of `key` in L1 and L2, whatever is there and whoever is loading it, and tells the other processes.
    ///
    /// Of two that set one key at the same time, the later one counts, by the order of the store.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument), [`Codec`](crate::ErrorKind::Codec) and
    /// [`TooLarge`](crate::ErrorKind::TooLarge): nothing was changed. When L2 cannot be told it is [`Done::Queued`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open whether the value was set.
    #[instrument(name = "cache.set", level = "debug", skip_all, fields(namespace = self.inner.name))]
    pub async fn set(&self, key: &K, value: V) -> Result<Done, Error> {
        self.inner.set(key, value).await
    }

    /// Writes `entries` to L2, for the other processes, with a few round trips for all of them; returns how many were written.
    ///
    /// Only for values that follow from their keys alone, such as results under the version of what they were computed from: no lease is held, so of a
    /// value that is invalidated by its key at the same moment nobody knows whether it stays. What is cleared meanwhile is ended. L1
    /// is not filled, and nobody is told. What is too large is not written; while L2 is away, nothing is.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a key that cannot be spelled in L2; then nothing is written.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open which were written.
    #[instrument(name = "cache.fill", level = "debug", skip_all, fields(namespace = self.inner.name))]
    pub async fn fill(&self, entries: &[(K, V)]) -> Result<u64, Error> {
        self.inner.fill(entries).await
    }

    /// Drops all of L1; L2 keeps its entries.
    pub fn drop_l1(&self) {
        self.inner.l1.clear();
    }

    /// Returns what the cache counted so far, and publishes it as metrics: ask as often as those are to be new.
    pub fn stats(&self) -> CacheStats {
        let (l1_entries, l1_bytes) = self.inner.l1.size();
        let in_flight = self.inner.flights.len() as u64;
        let stats = CacheStats { l1_entries, l1_bytes, in_flight, ..self.inner.counters.snapshot() };
        stats.publish(&self.inner.name);
        stats
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
        if self.inner.owns_hub {
            self.inner.shared.shutdown().await;
        }
    }

    /// Goes on where L1 has nothing, or nothing that is plainly fresh.
    #[cold]
    #[inline(never)]
    fn get_closer<F, Fut, E>(&self, key: &K, slot: Option<Slot<V>>, load: F) -> GetOrCompute<V>
    where
        F: FnOnce(LoadCtx<V>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<V, E>> + Send + 'static,
        E: StdError + Send + Sync + 'static,
    {
        let inner = &self.inner;
        let load = |cx| async { load(cx).await.map(Loaded::Value) };
        let spare = match slot.map_or(Look::Nothing, |slot| inner.weigh_for_reader(slot)) {
            Look::Fresh(slot) if slot.value.is_some() => {
                let found = inner.found(&slot, Tier::L1);
                inner.count(&found, false);
                return GetOrCompute::found(found);
            }
            Look::Early(slot) => return self.hit_and_refresh(key, slot, load),
            Look::Spare(spare) => Some(spare),
            Look::Fresh(_) | Look::Nothing => None,
        };
        let span = debug_span!("cache.get_or_compute", namespace = inner.name, tier = Empty, outcome = Empty);
        let fetching = fetch::fetch(Ask::new(Arc::clone(inner), key.clone(), spare, false, load));
        if span.is_disabled() {
            return GetOrCompute::pending(fetching);
        }
        GetOrCompute::pending(fetching.instrument(span))
    }

    fn hit_and_refresh<F, Fut, E>(&self, key: &K, slot: Slot<V>, load: F) -> GetOrCompute<V>
    where
        F: FnOnce(LoadCtx<V>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Loaded<V>, E>> + Send + 'static,
        E: StdError + Send + Sync + 'static,
    {
        let inner = &self.inner;
        let found = inner.found(&slot, Tier::L1);
        inner.count(&found, false);
        if let Ok(named) = inner.named(key) {
            early::refresh(inner, key.clone(), named, slot, load);
        }
        GetOrCompute::found(found)
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
