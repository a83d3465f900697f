//! What the caches of one hub share: the ways to L2 and to the other processes, and what is known of both.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mystocks_keys::Keyspace;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backplane::Backplane;
use crate::breaker::Breaker;
use crate::error::{Error, ErrorKind};
use crate::lease::Leases;
use crate::link::Link;
use crate::marks::Marks;
use crate::order::Order;
use crate::pending::{Change, Pending};
use crate::recovery;
use crate::store::Store;

pub(crate) struct Shared {
    pub(crate) keyspace: Keyspace,
    pub(crate) store: Option<Arc<dyn Store>>,
    pub(crate) leases: Option<Arc<dyn Leases>>,
    pub(crate) backplane: Option<Arc<dyn Backplane>>,
    pub(crate) order: Order,
    pub(crate) marks: Marks,
    pub(crate) link: Link,
    pub(crate) reads: Breaker,
    pub(crate) writes: Breaker,
    pub(crate) pending: Pending,
    pub(crate) recovering: AtomicBool,
    /// When the last recovery ended.
    pub(crate) recovered: Mutex<Option<Instant>>,
    pub(crate) tracker: TaskTracker,
    pub(crate) closed: CancellationToken,
    caches: Mutex<HashMap<String, Weak<dyn Member>>>,
    started: Instant,
    started_us: u64,
}

/// The ways out of this process; without any, the caches are L1 and their loaders.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    pub(crate) store: Option<Arc<dyn Store>>,
    pub(crate) leases: Option<Arc<dyn Leases>>,
    pub(crate) backplane: Option<Arc<dyn Backplane>>,
}

/// A cache as its hub knows it.
pub(crate) trait Member: Send + Sync {
    /// Makes those who come from now on fetch anew what has this digest.
    fn void(&self, digest: u64);
    /// The same for whatever is being fetched.
    fn void_all(&self);
    /// Has everything from before `step` compared with L2 before it is served again.
    fn recheck(&self, step: u64);
    /// The same, and serves none of it unless L2 confirms it: something of it was invalidated.
    fn suspect(&self, step: u64);
    /// Has it compared too, spread over the moments after the link was lost.
    fn doubt(&self, step: u64);
    /// Ends everything from before `step` if `mark` is the one of this cache.
    fn cleared(&self, mark: &str, step: u64) -> bool;
    fn count_heard(&self);
}

/// Why L2 gave no answer.
#[derive(Debug)]
pub(crate) enum Away {
    /// It was not asked: it is known to be away.
    Known,
    /// It failed this request.
    Failed(Error),
}

impl Shared {
    pub(crate) fn new(keyspace: Keyspace, ports: Ports, link: Link, buckets: usize) -> Self {
        let Ports { store, leases, backplane } = ports;
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            keyspace,
            store,
            leases,
            backplane,
            order: Order::new(buckets),
            marks: Marks::default(),
            link,
            reads: Breaker::default(),
            writes: Breaker::default(),
            pending: Pending::default(),
            recovering: AtomicBool::new(false),
            recovered: Mutex::default(),
            tracker: TaskTracker::new(),
            closed: CancellationToken::new(),
            caches: Mutex::default(),
            started: Instant::now(),
            started_us: u64::try_from(since_epoch.as_micros()).unwrap_or(0),
        }
    }

    /// Enters a cache under its name; two of one name would not hear each other's invalidations.
    pub(crate) fn enter(&self, name: &str, cache: Weak<dyn Member>) -> Result<(), Error> {
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        if caches.get(name).is_some_and(|held| held.strong_count() > 0) {
            return Err(Error::new(ErrorKind::InvalidArgument, "build cache", name)
                .with_detail("the hub has a cache of this name; clone that one, or choose another name"));
        }
        caches.insert(name.to_owned(), cache);
        Ok(())
    }

    pub(crate) fn members(&self) -> Vec<Arc<dyn Member>> {
        let caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        caches.values().filter_map(Weak::upgrade).collect()
    }

    pub(crate) fn member(&self, name: &str) -> Option<Arc<dyn Member>> {
        self.caches.lock().unwrap_or_else(PoisonError::into_inner).get(name)?.upgrade()
    }

    /// Returns microseconds since the Unix epoch on the store's clock.
    pub(crate) fn now_us(&self) -> u64 {
        match &self.store {
            Some(store) => store.as_ref().now_ms().saturating_mul(1000),
            None => {
                let since = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(0);
                self.started_us.saturating_add(since)
            }
        }
    }

    /// Asks L2 to read something, if it is there, for at most `within`.
    pub(crate) async fn read<T>(
        self: &Arc<Self>,
        within: Duration,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Away> {
        if !self.reads.admits() {
            return Err(Away::Known);
        }
        self.read_answered(within, timeout(within, request).await)
    }

    /// Takes in what came of a request to read something within `within`.
    pub(crate) fn read_answered<T>(
        self: &Arc<Self>,
        within: Duration,
        answer: Result<Result<T, Error>, Elapsed>,
    ) -> Result<T, Away> {
        let answer = answer.unwrap_or_else(|_| Err(slow("read", within)));
        self.judge(&self.reads, within, answer, |error| error.kind() == ErrorKind::Unavailable)
    }

    /// Asks L2 to change something, if it takes changes, for at most `within`.
    pub(crate) async fn write<T>(
        self: &Arc<Self>,
        within: Duration,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Away> {
        if !self.writes.admits() {
            return Err(Away::Known);
        }
        let answer = timeout(within, request).await.unwrap_or_else(|_| Err(slow("write", within)));
        // A server that is full or read-only answers, and takes nothing all the same.
        self.judge(&self.writes, within, answer, |error| error.kind() != ErrorKind::InvalidArgument)
    }

    fn judge<T>(
        self: &Arc<Self>,
        breaker: &Breaker,
        within: Duration,
        answer: Result<T, Error>,
        fails: impl FnOnce(&Error) -> bool,
    ) -> Result<T, Away> {
        match answer {
            Ok(answer) => {
                breaker.succeeded();
                Ok(answer)
            }
            Err(error) => {
                if !fails(&error) {
                    breaker.succeeded();
                } else if breaker.failed(within) {
                    tracing::warn!(%error, "going on without L2");
                    recovery::start(self);
                }
                Err(Away::Failed(error))
            }
        }
    }

    /// Remembers a change that L2 could not be told.
    pub(crate) fn postpone(self: &Arc<Self>, key: &str, change: Change) {
        self.pending.push(key, change);
        recovery::start(self);
    }

    pub(crate) async fn shutdown(&self) {
        self.closed.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }

    pub(crate) fn may_recover(&self) -> bool {
        !self.recovering.swap(true, Ordering::AcqRel)
    }
}

fn slow(operation: &'static str, within: Duration) -> Error {
    Error::new(ErrorKind::Unavailable, operation, "L2").with_detail(format!("no answer within {within:?}"))
}
