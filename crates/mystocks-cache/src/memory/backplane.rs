//! The backplane of a memory store.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::MemoryStore;
use super::node::Node;
use crate::backplane::{Backplane, Invalidation, Signal};
use crate::error::Error;
use crate::relay::relay;

/// Invalidates entries of a [`MemoryStore`] on behalf of one process, and tells it what the others invalidated.
///
/// A clone stands for the same process. Listening needs a tokio runtime; what listens ends with
/// [`MemoryBackplane::shutdown`], or when the process has neither backplane nor leases any more.
#[derive(Debug, Clone)]
pub struct MemoryBackplane {
    node: Arc<Node>,
}

impl MemoryBackplane {
    /// Makes the backplane of a process that has no leases; see [`MemoryStore::process`] for both.
    pub fn new(store: &MemoryStore) -> Self {
        Self::of(Node::join(store))
    }

    /// Cuts this process' link for tests: its listeners are told `Down`, and what the others invalidate is lost to it.
    pub fn cut(&self) {
        self.node.state().plane.set_cut(self.node.id, true);
    }

    /// Heals this process' link: its listeners are told `Up`.
    pub fn heal(&self) {
        self.node.state().plane.set_cut(self.node.id, false);
    }

    /// Ends what listens and waits until it has ended.
    pub async fn shutdown(&self) {
        self.node.stop.cancel();
        self.node.tasks.close();
        self.node.tasks.wait().await;
    }

    pub(super) fn of(node: Arc<Node>) -> Self {
        Self { node }
    }
}

#[async_trait]
impl Backplane for MemoryBackplane {
    async fn invalidate(&self, what: Invalidation<'_>) -> Result<u64, Error> {
        let now = self.node.now();
        Ok(self.node.state().invalidate(self.node.id, what, now))
    }

    async fn marks(&self, marks: &[&str]) -> Result<Vec<u64>, Error> {
        let now = Instant::now();
        let mut state = self.node.state();
        Ok(marks.iter().map(|mark| state.mark(mark, now)).collect())
    }

    fn listen(&self) -> mpsc::Receiver<Signal> {
        let signals = self.node.state().plane.listen(self.node.id);
        let signals = stream::unfold(signals, async |mut from| Some((from.recv().await?, from)));
        relay(signals, &self.node.tasks, self.node.stop.clone())
    }
}
