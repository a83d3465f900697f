//! A fleet over one store in memory whose answers can be taken away, and that counts what it is asked.

use std::convert::Infallible;
use std::future::pending;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mystocks_cache::{
    Backplane, Cache, CacheHub, Coherence, Cursor, Error, ErrorKind, Held, Invalidation, Keyspace, Leases,
    Lifetime, MemoryBackplane, MemoryLeases, MemoryStore, Outcome, Page, Policy, Put, Signal, Store, Take,
    Want, Write,
};
use tokio::sync::mpsc;
use tokio::time::sleep;

/// What the store does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Answer,
    /// The connection is gone.
    Fail,
    /// It is accepted and never answered.
    Hang,
    /// Full, or a replica: what changes something is refused.
    RefuseWrites,
    /// Answered after so long.
    Slow(Duration),
    /// Only what changes something is never answered.
    HangWrites,
    /// The same, and what is read is answered as it was so long ago.
    LateReads(Duration),
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) reads: AtomicUsize,
    pub(crate) marks: AtomicUsize,
    pub(crate) takes: AtomicUsize,
    pub(crate) commits: AtomicUsize,
    pub(crate) invalidations: AtomicUsize,
    pub(crate) others: AtomicUsize,
    /// Not answered, or answered with an error.
    pub(crate) failed: AtomicUsize,
}

impl Counts {
    pub(crate) fn all(&self) -> usize {
        [&self.reads, &self.marks, &self.takes, &self.commits, &self.invalidations, &self.others]
            .map(|count| count.load(Ordering::SeqCst))
            .iter()
            .sum()
    }
}

/// One process's ways to the store.
#[derive(Debug, Clone)]
pub(crate) struct Faulty {
    store: MemoryStore,
    leases: MemoryLeases,
    backplane: MemoryBackplane,
    mode: Arc<Mutex<Mode>>,
    skew_ms: Arc<AtomicI64>,
    lifetime: Arc<Mutex<Option<Lifetime>>>,
    pub(crate) counts: Arc<Counts>,
}

impl Faulty {
    async fn ask(&self, counter: &AtomicUsize, writes: bool, what: &'static str) -> Result<(), Error> {
        counter.fetch_add(1, Ordering::SeqCst);
        let mode = *self.mode.lock().unwrap();
        let fails = || self.counts.failed.fetch_add(1, Ordering::SeqCst);
        match mode {
            Mode::Fail => {
                fails();
                Err(Error::new(ErrorKind::Unavailable, what, "the faulty store"))
            }
            Mode::Hang => {
                fails();
                pending().await
            }
            Mode::HangWrites | Mode::LateReads(_) if writes => {
                fails();
                pending().await
            }
            Mode::RefuseWrites if writes => {
                fails();
                Err(Error::new(ErrorKind::Store, what, "the faulty store"))
            }
            Mode::Slow(delay) => {
                sleep(delay).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Store for Faulty {
    async fn get(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, Error> {
        self.ask(&self.counts.reads, false, "get").await?;
        let values = self.store.get(keys).await;
        let mode = *self.mode.lock().unwrap();
        if let Mode::LateReads(late) = mode {
            sleep(late).await;
        }
        values
    }
    async fn put(&self, entries: &[Put<'_>]) -> Result<(), Error> {
        self.ask(&self.counts.others, true, "put").await?;
        self.store.put(entries).await
    }
    async fn remove(&self, keys: &[&str]) -> Result<u64, Error> {
        self.ask(&self.counts.others, true, "remove").await?;
        self.store.remove(keys).await
    }
    async fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<Lifetime, Error> {
        self.ask(&self.counts.others, ttl.is_some(), "touch").await?;
        let lifetime = *self.lifetime.lock().unwrap();
        match lifetime {
            Some(lifetime) => Ok(lifetime),
            None => self.store.touch(key, ttl).await,
        }
    }
    async fn scan(&self, pattern: &str, cursor: Cursor) -> Result<Page, Error> {
        self.ask(&self.counts.others, false, "scan").await?;
        self.store.scan(pattern, cursor).await
    }
    fn now_ms(&self) -> u64 {
        self.store.now_ms().saturating_add_signed(self.skew_ms.load(Ordering::SeqCst))
    }
}

#[async_trait]
impl Leases for Faulty {
    async fn take(&self, wanted: &[Want<'_>], ttl: Duration) -> Result<Vec<Take>, Error> {
        self.ask(&self.counts.takes, true, "take").await?;
        self.leases.take(wanted, ttl).await
    }
    async fn wait(&self, key: &str, at_most: Duration) -> Result<(), Error> {
        self.ask(&self.counts.others, false, "wait").await?;
        self.leases.wait(key, at_most).await
    }
    async fn renew(&self, held: &[Held<'_>], ttl: Duration) -> Result<Vec<bool>, Error> {
        self.ask(&self.counts.others, true, "renew").await?;
        self.leases.renew(held, ttl).await
    }
    async fn commit(&self, writes: &[Write<'_>]) -> Result<Vec<bool>, Error> {
        self.ask(&self.counts.commits, true, "commit").await?;
        self.leases.commit(writes).await
    }
    async fn release(&self, held: &[Held<'_>]) -> Result<(), Error> {
        self.ask(&self.counts.others, true, "release").await?;
        self.leases.release(held).await
    }
}

#[async_trait]
impl Backplane for Faulty {
    async fn invalidate(&self, what: Invalidation<'_>) -> Result<u64, Error> {
        self.ask(&self.counts.invalidations, true, "invalidate").await?;
        self.backplane.invalidate(what).await
    }
    async fn marks(&self, marks: &[&str]) -> Result<Vec<u64>, Error> {
        self.ask(&self.counts.marks, false, "marks").await?;
        self.backplane.marks(marks).await
    }
    fn listen(&self) -> mpsc::Receiver<Signal> {
        self.backplane.listen()
    }
}

/// Several processes on one store.
pub(crate) struct Fleet {
    pub(crate) store: MemoryStore,
    mode: Arc<Mutex<Mode>>,
}

impl Fleet {
    pub(crate) fn new() -> Self {
        Self { store: MemoryStore::new(), mode: Arc::new(Mutex::new(Mode::Answer)) }
    }

    /// Starts one more process.
    pub(crate) fn node(&self, policy: Policy) -> Node {
        let (leases, backplane) = self.store.process();
        let ports = Faulty {
            store: self.store.clone(),
            leases,
            backplane: backplane.clone(),
            mode: Arc::clone(&self.mode),
            skew_ms: Arc::default(),
            lifetime: Arc::default(),
            counts: Arc::default(),
        };
        let (counts, skew_ms) = (Arc::clone(&ports.counts), Arc::clone(&ports.skew_ms));
        let lifetime = Arc::clone(&ports.lifetime);
        let keyspace = Keyspace::default();
        let hub = CacheHub::new(&keyspace, ports.clone(), ports.clone(), ports, Coherence::Backplane);
        let cache = hub.cache("bars").policy(policy).build().unwrap();
        Node { hub, cache, link: backplane, counts, skew_ms, lifetime }
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    /// The store does `mode` from now on; its link to the nodes is lost where it would be.
    pub(crate) fn out(&self, mode: Mode, nodes: &[Node]) {
        nodes.iter().for_each(|node| self.out_one(mode, node));
    }

    /// The same with one node.
    pub(crate) fn out_one(&self, mode: Mode, node: &Node) {
        self.set(mode);
        if matches!(mode, Mode::Fail | Mode::Hang) {
            node.link.cut();
        }
    }

    pub(crate) fn back(&self, nodes: &[Node]) {
        self.set(Mode::Answer);
        nodes.iter().for_each(|node| node.link.heal());
    }
}

/// One process.
pub(crate) struct Node {
    pub(crate) hub: CacheHub,
    pub(crate) cache: Cache<String, u64>,
    pub(crate) link: MemoryBackplane,
    pub(crate) counts: Arc<Counts>,
    /// How far its reading of the store's clock is off.
    pub(crate) skew_ms: Arc<AtomicI64>,
    /// What the store says of every key's time to live.
    pub(crate) lifetime: Arc<Mutex<Option<Lifetime>>>,
}

impl Node {
    pub(crate) async fn read(&self, key: &str, value: u64) -> Outcome<u64> {
        let load = move |_| async move { Ok::<_, Infallible>(value) };
        self.cache.get_or_compute(&key.to_owned(), load).detail().await.unwrap()
    }

    /// Reads with a loader that fails.
    pub(crate) async fn read_failing(&self, key: &str) -> Result<Outcome<u64>, Error> {
        let load = |_| async { Err::<u64, _>(std::fmt::Error) };
        self.cache.get_or_compute(&key.to_owned(), load).detail().await
    }
}

/// Short requests, no jitter and no early refresh, so that a test knows every time.
pub(crate) fn plain() -> Policy {
    Policy { jitter: 0.0, early_refresh: 0.0, l2_timeout: Duration::from_millis(20), ..Policy::default() }
}

/// The ledger: every finished request is in exactly one column.
pub(crate) fn assert_ledger(cache: &Cache<String, u64>, finished: u64) {
    let stats = cache.stats();
    let sum = stats.l1_hits
        + stats.l2_hits
        + stats.loaded
        + stats.joined
        + stats.stale
        + stats.negative
        + stats.errors;
    assert_eq!(sum, finished, "{stats:?}");
    assert_eq!(stats.in_flight, 0, "{stats:?}");
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
