//! The leases of a memory store.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, timeout_at};

use super::node::Node;
use super::{MemoryStore, deadline};
use crate::error::Error;
use crate::lease::{Held, Leases, Take, Want, Write};
use crate::ttl::{LONGEST_MS, whole_millis};

/// Lends out the right to load the keys of a [`MemoryStore`] on behalf of one process.
///
/// A clone stands for the same process. Time is tokio's clock.
#[derive(Debug, Clone)]
pub struct MemoryLeases {
    node: Arc<Node>,
}

impl MemoryLeases {
    /// Makes the leases of a process that has no backplane; see [`MemoryStore::process`] for both.
    pub fn new(store: &MemoryStore) -> Self {
        Self::of(Node::join(store))
    }

    pub(super) fn of(node: Arc<Node>) -> Self {
        Self { node }
    }
}

#[async_trait]
impl Leases for MemoryLeases {
    async fn take(&self, wanted: &[Want<'_>], ttl: Duration) -> Result<Vec<Take>, Error> {
        let Some(first) = wanted.first() else { return Ok(Vec::new()) };
        let millis = whole_millis("take the lease of", first.key, ttl)?;
        let now = self.node.now();
        let mut state = self.node.state();
        Ok(wanted.iter().map(|want| state.take(want, millis, now)).collect())
    }

    async fn wait(&self, key: &str, at_most: Duration) -> Result<(), Error> {
        let now = Instant::now();
        let end = self.node.state().book.end_of(key, now);
        if let Some((over, ends)) = end {
            let limit = now + at_most.min(Duration::from_millis(LONGEST_MS));
            // Passing the limit and the lease's end are both answers.
            let _ = timeout_at(limit.min(ends), over.cancelled()).await;
        }
        Ok(())
    }

    async fn renew(&self, held: &[Held<'_>], ttl: Duration) -> Result<Vec<bool>, Error> {
        let Some(first) = held.first() else { return Ok(Vec::new()) };
        let millis = whole_millis("renew the lease of", first.key, ttl)?;
        let now = Instant::now();
        let mut state = self.node.state();
        Ok(held.iter().map(|held| state.book.renew(held, deadline(now, millis), now)).collect())
    }

    async fn commit(&self, writes: &[Write<'_>]) -> Result<Vec<bool>, Error> {
        let lives = writes
            .iter()
            .map(|write| whole_millis("write", write.held.key, write.ttl))
            .collect::<Result<Vec<_>, _>>()?;
        let now = self.node.now();
        let mut state = self.node.state();
        let writes = writes.iter().zip(lives);
        Ok(writes.map(|(write, millis)| state.commit(self.node.id, write, millis, now)).collect())
    }

    async fn release(&self, held: &[Held<'_>]) -> Result<(), Error> {
        let now = Instant::now();
        let mut state = self.node.state();
        for held in held {
            state.book.give_back(held, now);
        }
        Ok(())
    }
}
