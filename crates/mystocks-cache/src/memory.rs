//! The store that lives in this process.

mod backplane;
mod book;
mod leases;
mod node;
mod plane;
mod shelf;
mod state;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use mystocks_keys::glob_matches;
use tokio::time::Instant;

use crate::error::Error;
use crate::store::{Cursor, Lifetime, Page, Put, Store};
use crate::ttl::whole_millis;
use node::Node;
use state::State;

pub use backplane::MemoryBackplane;
pub use leases::MemoryLeases;

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
    state: Mutex<State>,
    started: Instant,
    /// The wall time at `started`, since the Unix epoch.
    wall: Duration,
}

impl MemoryStore {
    /// Makes an empty store.
    pub fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            shared: Arc::new(Shared {
                state: Mutex::default(),
                started: Instant::now(),
                wall: since_epoch.unwrap_or_default(),
            }),
        }
    }

    /// Returns the number of entries that hold memory, expired ones not yet given back included.
    pub fn len(&self) -> usize {
        self.state().shelf.len()
    }

    /// Returns whether no entry holds memory.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes the leases and the backplane of one more process on this store: two calls are two processes that hear each
    /// other and not themselves.
    pub fn process(&self) -> (MemoryLeases, MemoryBackplane) {
        let node = Node::join(self);
        (MemoryLeases::of(Arc::clone(&node)), MemoryBackplane::of(node))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No operation leaves the state half changed, so one that panicked leaves nothing to fear.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the time since the Unix epoch, carried on by tokio's clock.
    fn now(&self) -> Duration {
        self.shared.wall.saturating_add(self.shared.started.elapsed())
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
        let shelf = &mut self.state().shelf;
        Ok(keys.iter().map(|key| shelf.value(key, now)).collect())
    }

    async fn put(&self, entries: &[Put<'_>]) -> Result<(), Error> {
        let lives = entries
            .iter()
            .map(|entry| whole_millis("put", entry.key, entry.ttl))
            .collect::<Result<Vec<_>, _>>()?;
        let now = Instant::now();
        let shelf = &mut self.state().shelf;
        for (entry, millis) in entries.iter().zip(lives) {
            shelf.insert(entry.key, entry.value.clone(), deadline(now, millis));
            shelf.evict_some(now);
        }
        Ok(())
    }

    async fn remove(&self, keys: &[&str]) -> Result<u64, Error> {
        let now = Instant::now();
        let state = &mut *self.state();
        let removed =
            keys.iter().filter(|key| state.shelf.remove(key, now) || state.book.strike(key, now)).count();
        Ok(removed as u64)
    }

    async fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<Lifetime, Error> {
        let millis = ttl.map(|ttl| whole_millis("touch", key, ttl)).transpose()?;
        let now = Instant::now();
        let shelf = &mut self.state().shelf;
        if let Some(millis) = millis {
            shelf.set_deadline(key, deadline(now, millis), now);
        }
        Ok(match shelf.deadline(key, now) {
            Some(at) => Lifetime::Expires(at - now),
            None => Lifetime::Absent,
        })
    }

    async fn scan(&self, pattern: &str, cursor: Cursor) -> Result<Page, Error> {
        let matches = |key: &str| glob_matches(pattern.as_bytes(), key.as_bytes());
        let now = Instant::now();
        let state = self.state();
        let mut page = state.shelf.page(cursor, now, matches);
        if page.next.is_none() {
            page.keys.extend(state.book.names(now).filter(|name| matches(name)));
        }
        Ok(page)
    }

    fn now_ms(&self) -> u64 {
        saturating_millis(self.now())
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
