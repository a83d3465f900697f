//! A memory store that counts its requests and can be held, broken and set to another time.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mystocks_cache::{Cursor, Error, ErrorKind, Lifetime, MemoryStore, Page, Put, Store};
use tokio::sync::{Notify, Semaphore};

#[derive(Debug)]
pub(crate) struct ScriptedStore {
    pub(crate) memory: MemoryStore,
    /// Told of every read as it begins.
    pub(crate) reading: Notify,
    /// Every read, once answered, takes a permit before it returns.
    pub(crate) gate: Semaphore,
    /// Told of every write as it begins; while there is one, a write takes a permit before it happens.
    pub(crate) writing: Notify,
    pub(crate) write_gate: Option<Semaphore>,
    /// The same for removals.
    pub(crate) removing: Notify,
    pub(crate) remove_gate: Option<Semaphore>,
    pub(crate) broken: AtomicBool,
    pub(crate) gets: AtomicUsize,
    pub(crate) puts: AtomicUsize,
    pub(crate) skew_ms: AtomicI64,
}

impl ScriptedStore {
    pub(crate) fn new() -> Self {
        let store = Self::holding_reads();
        store.gate.add_permits(Semaphore::MAX_PERMITS);
        store
    }

    pub(crate) fn holding_reads() -> Self {
        Self {
            memory: MemoryStore::new(),
            reading: Notify::new(),
            gate: Semaphore::new(0),
            writing: Notify::new(),
            write_gate: None,
            removing: Notify::new(),
            remove_gate: None,
            broken: AtomicBool::new(false),
            gets: AtomicUsize::new(0),
            puts: AtomicUsize::new(0),
            skew_ms: AtomicI64::new(0),
        }
    }

    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.gets.load(Ordering::SeqCst), self.puts.load(Ordering::SeqCst))
    }

    fn fail_if_broken(&self, operation: &'static str) -> Result<(), Error> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, operation, "the scripted store"));
        }
        Ok(())
    }
}

#[async_trait]
impl Store for ScriptedStore {
    async fn get(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, Error> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        self.reading.notify_one();
        self.fail_if_broken("get")?;
        let values = self.memory.get(keys).await;
        self.gate.acquire().await.unwrap().forget();
        values
    }
    async fn put(&self, entries: &[Put<'_>]) -> Result<(), Error> {
        self.puts.fetch_add(1, Ordering::SeqCst);
        self.fail_if_broken("put")?;
        self.writing.notify_one();
        if let Some(gate) = &self.write_gate {
            gate.acquire().await.unwrap().forget();
        }
        self.memory.put(entries).await
    }
    async fn remove(&self, keys: &[&str]) -> Result<u64, Error> {
        self.fail_if_broken("remove")?;
        self.removing.notify_one();
        if let Some(gate) = &self.remove_gate {
            gate.acquire().await.unwrap().forget();
        }
        self.memory.remove(keys).await
    }
    async fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<Lifetime, Error> {
        self.memory.touch(key, ttl).await
    }
    async fn scan(&self, pattern: &str, cursor: Cursor) -> Result<Page, Error> {
        self.memory.scan(pattern, cursor).await
    }
    fn now_ms(&self) -> u64 {
        self.memory.now_ms().saturating_add_signed(self.skew_ms.load(Ordering::SeqCst))
    }
}
