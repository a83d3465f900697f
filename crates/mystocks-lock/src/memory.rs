//! The locks in memory.

mod spot;
mod state;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::backend::{
    Acquire, Acquired, Hear, Keep, Kept, Listening, LockBackend, Release, Spot, Standing, State,
};
use crate::error::Error;
use crate::memory::spot::Now;

/// Keeps locks in memory, for every task of this process; values made by [`MemoryLocks::process`] stand for processes that share
/// them.
///
/// Times are tokio's, so tests may pause them.
#[derive(Debug)]
pub struct MemoryLocks {
    node: u64,
    world: Arc<World>,
}

#[derive(Debug)]
struct World {
    state: Mutex<state::Locks>,
    nodes: AtomicU64,
    started: (Instant, SystemTime),
}

impl MemoryLocks {
    /// Makes locks of which nobody else knows.
    pub fn new() -> Self {
        let world = World {
            state: Mutex::default(),
            nodes: AtomicU64::new(0),
            started: (Instant::now(), SystemTime::now()),
        };
        Self { node: 0, world: Arc::new(world) }
    }

    /// Makes the locks of one more process that shares these.
    #[must_use]
    pub fn process(&self) -> Self {
        let node = self.world.nodes.fetch_add(1, Ordering::Relaxed) + 1;
        Self { node, world: Arc::clone(&self.world) }
    }

    fn state(&self) -> MutexGuard<'_, state::Locks> {
        self.world.state()
    }

    fn now(&self) -> Now {
        let (started, wall) = self.world.started;
        let at = Instant::now();
        let wall = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() + (at - started);
        Now { at, wall }
    }
}

impl Default for MemoryLocks {
    fn default() -> Self {
        Self::new()
    }
}

/// Where somebody listens.
struct Seat {
    world: Arc<World>,
    listener: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.world.state().leave(self.listener);
    }
}

impl World {
    fn state(&self) -> MutexGuard<'_, state::Locks> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl LockBackend for MemoryLocks {
    async fn acquire(&self, want: &Acquire<'_>) -> Result<Acquired, Error> {
        Ok(self.state().acquire(self.node, want, self.now()))
    }

    async fn keep(&self, leases: &[Keep<'_>]) -> Result<Vec<Kept>, Error> {
        let (mut state, now) = (self.state(), self.now());
        Ok(leases.iter().map(|lease| state.keep(self.node, lease, now)).collect())
    }

    async fn release(&self, releases: &[Release<'_>]) -> Result<Vec<Standing>, Error> {
        let (mut state, now) = (self.state(), self.now());
        Ok(releases.iter().map(|release| state.release(self.node, release, now)).collect())
    }

    async fn inspect(&self, spots: &[Spot<'_>]) -> Result<Vec<State>, Error> {
        let (mut state, now) = (self.state(), self.now());
        Ok(spots.iter().map(|spot| state.inspect(*spot, now)).collect())
    }

    async fn scan(&self, beginning: &str, _: Option<u64>) -> Result<(Vec<String>, Option<u64>), Error> {
        Ok((self.state().held_under(beginning, self.now()), None))
    }

    fn listen(&self, hear: Hear) -> Listening {
        let listener = self.state().listen(self.node, hear);
        Listening::until_dropped(Seat { world: Arc::clone(&self.world), listener })
    }
}
