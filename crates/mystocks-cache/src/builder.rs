//! How a typed cache is put together.

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, Weak};

use mystocks_keys::Keyspace;
use rapidhash::quality::RandomState;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::cache::Cache;
use crate::error::{Error, ErrorKind};
use crate::flight::Flights;
use crate::hot::Hot;
use crate::inner::Inner;
use crate::key::CacheKey;
use crate::l1::L1;
use crate::l2::{Format, L2};
use crate::link::Link;
use crate::outcome::uptime_us;
use crate::policy::Policy;
use crate::shared::{Member, Ports, Shared};
use crate::stats::Counters;
use crate::store::Store;

/// As many as a cache of its own needs; a hub has more.
const BUCKETS: usize = 1 << 12;

/// Puts a [`Cache`] together; made by [`CacheHub::cache`](crate::CacheHub::cache) or [`Cache::builder`].
pub struct CacheBuilder<K, V> {
    name: String,
    policy: Policy,
    format: Format,
    home: Home,
    types: PhantomData<fn(K) -> V>,
}

enum Home {
    Hub(Arc<Shared>, Arc<DropGuard>),
    Alone(Keyspace, Option<Arc<dyn Store>>),
}

impl<K, V> CacheBuilder<K, V>
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    pub(crate) fn alone(name: &str, keyspace: &Keyspace) -> Self {
        Self::new(name, Home::Alone(keyspace.clone(), None))
    }

    pub(crate) fn of_hub(name: &str, shared: Arc<Shared>, guard: Arc<DropGuard>) -> Self {
        Self::new(name, Home::Hub(shared, guard))
    }

    fn new(name: &str, home: Home) -> Self {
        let policy = Policy::default();
        Self { name: name.to_owned(), policy, format: Format::Own, home, types: PhantomData }
    }

    /// Sets how entries are treated. Default: [`Policy::default`].
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// Gives the cache an L2 of its own, without leases and without a link to other processes; on the builder of a hub it
    /// has no effect. Default: none, the cache is L1 and the loader.
    #[must_use]
    pub fn store(self, store: impl Store) -> Self {
        let home = match self.home {
            Home::Alone(keyspace, _) => Home::Alone(keyspace, Some(Arc::new(store))),
            hub @ Home::Hub(..) => hub,
        };
        Self { home, ..self }
    }

    /// Keeps the entries as the Python side does: JSON text under the plain key `{cache}{segments}[:{digest of params}]`.
    ///
    /// Such an entry has no envelope: no tags, no entity tag, no stale value in L2, no schema, and what is not there is
    /// remembered in L1 only. What others write is seen when L1's time is up, or at once with tracking.
    #[must_use]
    pub fn shared_format(self) -> Self {
        Self { format: Format::Shared, ..self }
    }

    /// Makes the cache.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when the policy cannot be kept, the name is no segment of a key, or the hub has a
    /// cache of this name.
    pub fn build(self) -> Result<Cache<K, V>, Error> {
        let Self { name, policy, format, home, .. } = self;
        policy.validate(&name)?;
        let owns_hub = matches!(home, Home::Alone(..));
        let (shared, guard) = match home {
            Home::Hub(shared, guard) => (shared, guard),
            Home::Alone(keyspace, store) => {
                let ports = Ports { store, ..Ports::default() };
                let shared = Arc::new(Shared::new(keyspace, ports, Link::new(false), BUCKETS));
                let guard = Arc::new(shared.closed.clone().drop_guard());
                (shared, guard)
            }
        };
        let keyspace = &shared.keyspace;
        let mark = keyspace.own(&name, &["name"], None).and_then(|_| keyspace.cache_cleared(&name));
        let mark = mark.map_err(|error| {
            Error::new(ErrorKind::InvalidArgument, "build cache", name.as_str()).with_source(error)
        })?;
        let l2 = shared.store.as_ref().map(|store| L2 {
            store: Arc::clone(store),
            keyspace: shared.keyspace.clone(),
            cache: name.clone(),
            format,
            schema: policy.schema,
            max_entry: policy.max_entry,
            compress_from: policy.compress_from,
        });
        let base_us = i64::try_from(shared.now_us())
            .unwrap_or(i64::MAX)
            .saturating_sub(uptime_us(tokio::time::Instant::now()));
        let inner = Arc::new(Inner {
            l1: L1::new(policy.l1_capacity, policy.l1_keeps()),
            l1_keeps: policy.l1_keeps(),
            l2,
            _hub: guard,
            owns_hub,
            flights: Arc::new(Flights::new()),
            loads: Arc::new(Semaphore::new(policy.max_loads)),
            counters: Counters::default(),
            hot: Hot::new(policy.track_hottest),
            tracker: TaskTracker::new(),
            closed: CancellationToken::new(),
            mark: mark.into(),
            cleared_at: AtomicU64::new(0),
            compared: AtomicU64::new(u64::MAX),
            cleared: AtomicU64::new(0),
            recheck: AtomicU64::new(0),
            suspect: AtomicU64::new(0),
            doubted: AtomicU64::new(0),
            hasher: RandomState::default(),
            base_us: AtomicI64::new(base_us),
            shared: Arc::clone(&shared),
            name,
            policy,
        });
        let member = Arc::downgrade(&inner);
        let member: Weak<dyn Member> = member;
        shared.enter(&inner.name, member)?;
        Ok(Cache { inner })
    }
}

impl<K, V> fmt::Debug for CacheBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder")
            .field("name", &self.name)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
