//! The caches of one process over one store.

use std::fmt;
use std::sync::Arc;

use mystocks_keys::Keyspace;
#[cfg(feature = "redis")]
use mystocks_redis_core::{RedisManager, Tracking};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::DropGuard;
use tracing::instrument;

use crate::backplane::Backplane;
use crate::builder::CacheBuilder;
use crate::change::{Done, set_mark};
use crate::error::{Error, ErrorKind};
use crate::key::CacheKey;
use crate::lease::Leases;
use crate::link::Link;
use crate::listening;
use crate::memory::MemoryStore;
use crate::order::BUCKETS;
#[cfg(feature = "redis")]
use crate::redis::RedisStore;
use crate::shared::{Ports, Shared};
use crate::store::Store;

/// Makes named caches that share a store, its leases and one link to the other processes.
///
/// Cheap to clone. Its tasks end with [`shutdown`](Self::shutdown), or with the last clone and the last of its caches.
///
/// # Examples
/// ```
/// use std::convert::Infallible;
/// use mystocks_cache::{Cache, CacheHub, Keyspace, MemoryStore, Policy};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = CacheHub::memory(&MemoryStore::new(), &Keyspace::default());
/// let names: Cache<String, String> = hub.cache("names").policy(Policy::default()).build()?;
/// let name = names
///     .get_or_compute(&"600519".to_owned(), |cx| async move {
///         cx.tag("market:sh");
///         Ok::<_, Infallible>("Kweichow Moutai".to_owned())
///     })
///     .await?;
/// assert_eq!(*name, "Kweichow Moutai");
/// let _done = hub.invalidate_tag("market:sh").await?;
/// assert_eq!(names.peek(&"600519".to_owned()), None);
/// hub.shutdown().await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct CacheHub {
    shared: Arc<Shared>,
    guard: Arc<DropGuard>,
}

/// How a process's L1 follows what other processes change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Coherence {
    /// By the backplane: invalidations of others reach L1 at once, and a lost link makes L1 ask L2.
    #[default]
    Backplane,
    /// Not at all: [`Policy::l1_ttl`](crate::Policy::l1_ttl) bounds how stale L1 is. Own invalidations are still told to others.
    Off,
}

impl CacheHub {
    /// Makes a hub of its parts; the listening begins at once.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(
        keyspace: &Keyspace,
        store: impl Store,
        leases: impl Leases,
        backplane: impl Backplane,
        coherence: Coherence,
    ) -> Self {
        let listens = coherence == Coherence::Backplane;
        let ports = Ports {
            store: Some(Arc::new(store)),
            leases: Some(Arc::new(leases)),
            backplane: Some(Arc::new(backplane)),
        };
        let shared = Arc::new(Shared::new(keyspace.clone(), ports, Link::new(listens), BUCKETS));
        if let Some(backplane) = shared.backplane.as_ref().filter(|_| listens) {
            listening::start(&shared, backplane.listen());
        }
        let guard = Arc::new(shared.closed.clone().drop_guard());
        Self { shared, guard }
    }

    /// Makes the hub of one process on a store in memory; hubs on clones of one store are processes that hear each other
    /// from the first moment.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn memory(store: &MemoryStore, keyspace: &Keyspace) -> Self {
        let (leases, backplane) = store.process();
        Self::new(keyspace, store.clone(), leases, backplane, Coherence::Backplane)
    }

    /// Makes the hub of this process on a store in Redis.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when a prefix of `keyspace` is too long for the names under it.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[cfg(feature = "redis")]
    pub fn redis(store: &RedisStore, keyspace: &Keyspace) -> Result<Self, Error> {
        let (leases, backplane) = store.process(keyspace)?;
        Ok(Self::new(keyspace, store.clone(), leases, backplane, Coherence::Backplane))
    }

    /// Makes a hub whose L1 also follows what other programs write or remove in Redis: the server watches every key that is
    /// read (RESP3, server-assisted tracking).
    ///
    /// `manager` and `tracking` are of [`RedisManager::start_tracked`].
    ///
    /// # Errors
    /// As [`redis`](Self::redis).
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[cfg(feature = "redis")]
    pub fn tracked(manager: RedisManager, tracking: Tracking, keyspace: &Keyspace) -> Result<Self, Error> {
        let store = RedisStore::tracked(manager);
        let (leases, backplane) = store.process(keyspace)?;
        Ok(Self::new(keyspace, store, leases, backplane.with_tracking(tracking), Coherence::Backplane))
    }

    /// Starts a cache called `name`; the name is part of every key in L2, so caches of one name in several processes share
    /// their entries.
    pub fn cache<K, V>(&self, name: &str) -> CacheBuilder<K, V>
    where
        K: CacheKey,
        V: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        CacheBuilder::of_hub(name, Arc::clone(&self.shared), Arc::clone(&self.guard))
    }

    /// Ends every entry of every cache that has `tag`, in every process; one request, however many they are.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a text that cannot be a tag.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open whether L2 was told; this process knows.
    #[instrument(name = "cache.invalidate_tag", level = "debug", skip_all)]
    pub async fn invalidate_tag(&self, tag: &str) -> Result<Done, Error> {
        let mark = self.shared.keyspace.cache_tag(tag).map_err(|error| {
            let subject: String = tag.chars().take(128).collect();
            Error::new(ErrorKind::InvalidArgument, "invalidate tag", subject).with_source(error)
        })?;
        Ok(set_mark(&self.shared, mark.as_str()).await)
    }

    /// Returns how the hub stands to L2 and to the other processes.
    pub fn state(&self) -> HubState {
        HubState {
            reads: self.shared.reads.admits(),
            writes: self.shared.writes.admits(),
            hears_others: self.shared.link.is_up(),
            queued: self.shared.pending.len() as u64,
            dropped: self.shared.pending.dropped(),
        }
    }

    /// Stops listening and waits until every task of the hub is gone; queued changes are lost.
    ///
    /// The caches have a `shutdown` of their own, for their loads.
    ///
    /// # Cancel safety
    /// Call it again to go on waiting.
    pub async fn shutdown(&self) {
        self.shared.shutdown().await;
    }
}

/// How a hub stands to L2 and to the other processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubState {
    /// Whether L2 is asked; if not, its breaker is open.
    pub reads: bool,
    /// Whether L2 is written to.
    pub writes: bool,
    /// Whether invalidations of others are heard.
    pub hears_others: bool,
    /// Changes that wait until L2 is back.
    pub queued: u64,
    /// Changes that were too many to wait one by one; their caches are cleared instead.
    pub dropped: u64,
}

impl fmt::Debug for CacheHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheHub")
            .field("store", &self.shared.store)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
