//! The store that lives in this process.

mod glob;
mod shelf;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::Instant;

use crate::error::Error;
use crate::store::{Cursor, Lifetime, Page, Put, Store};
use crate::ttl::whole_millis;
use shelf::Shelf;

/// Holds entries in this process, with their times to live: for tests, and for running without Redis.
///
/// A clone is a handle to the same entries. Time is tokio's clock, so a test that pauses it decides when an entry
/// expires. Expired entries are never answered; their memory is given back when they are asked for and, a few per
/// write, whenever something is written. There is no limit on the number of entries.
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

struct Shared {
    /// Held for map operations only, never across an await.
    shelf: Mutex<Shelf>,
    started: Instant,
    started_ms: u64,
}

impl MemoryStore {
    /// Makes an empty store.
    pub fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            shared: Arc::new(Shared {
                shelf: Mutex::default(),
                started: Instant::now(),
                started_ms: since_epoch.map_or(0, saturating_millis),
            }),
        }
    }

    /// Returns the number of entries that hold memory, expired ones not yet given back included.
    pub fn len(&self) -> usize {
        self.shelf().len()
    }

    /// Returns whether no entry holds memory.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // No operation leaves the shelf half changed, so one that panicked leaves nothing to fear.
        self.shared.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("entries", &self.len()).finish()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, Error> {
        let now = Instant::now();
        let mut shelf = self.shelf();
        Ok(keys.iter().map(|key| shelf.value(key, now)).collect())
    }

    async fn put(&self, entries: &[Put<'_>]) -> Result<(), Error> {
        let lives = entries
            .iter()
            .map(|entry| whole_millis("put", entry.key, entry.ttl))
            .collect::<Result<Vec<_>, _>>()?;
        let now = Instant::now();
        let mut shelf = self.shelf();
        for (entry, millis) in entries.iter().zip(lives) {
            shelf.insert(entry.key, entry.value.clone(), deadline(now, millis));
            shelf.evict_some(now);
        }
        Ok(())
    }

    async fn remove(&self, keys: &[&str]) -> Result<u64, Error> {
        let now = Instant::now();
        let mut shelf = self.shelf();
        let removed = keys.iter().filter(|key| shelf.remove(key, now)).count();
        Ok(removed as u64)
    }

    async fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<Lifetime, Error> {
        let millis = ttl.map(|ttl| whole_millis("touch", key, ttl)).transpose()?;
        let now = Instant::now();
        let mut shelf = self.shelf();
        if let Some(millis) = millis {
            shelf.set_deadline(key, deadline(now, millis), now);
        }
        Ok(match shelf.deadline(key, now) {
            Some(at) => Lifetime::Expires(at - now),
            None => Lifetime::Absent,
        })
    }

    async fn scan(&self, pattern: &str, cursor: Cursor) -> Result<Page, Error> {
        let matches = |key: &str| glob::matches(pattern.as_bytes(), key.as_bytes());
        Ok(self.shelf().page(cursor, Instant::now(), matches))
    }

    fn now_ms(&self) -> u64 {
        self.shared.started_ms.saturating_add(saturating_millis(self.shared.started.elapsed()))
    }
}

fn deadline(now: Instant, millis: u64) -> Instant {
    // A century always fits where tokio's clock runs; if one day it does not, the entry is simply not kept.
    now.checked_add(Duration::from_millis(millis)).unwrap_or(now)
}

fn saturating_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
