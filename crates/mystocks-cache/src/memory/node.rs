//! One process among those that share a memory store.

use std::fmt;
use std::sync::{Arc, MutexGuard};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::MemoryStore;
use super::state::{Now, State};

pub(super) struct Node {
    pub(super) id: u64,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
    store: MemoryStore,
}

impl Node {
    pub(super) fn join(store: &MemoryStore) -> Arc<Self> {
        let id = store.state().plane.join();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        Arc::new(Self { id, stop, tasks, store: store.clone() })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.store.state()
    }

    pub(super) fn now(&self) -> Now {
        Now { at: Instant::now(), wall: self.store.now() }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.cancel();
        self.state().plane.leave(self.id);
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("id", &self.id).field("store", &self.store).finish_non_exhaustive()
    }
}
