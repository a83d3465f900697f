//! The backplane in Redis.

use std::sync::{Arc, Mutex, PoisonError};

use ::redis::cmd;
use async_trait::async_trait;
use mystocks_redis_core::{Call, Tracking};
use tokio::sync::mpsc;

use super::listening::signals;
use super::names::Names;
use super::node::{CAPACITY, Node};
use super::{message, script, store_error, unexpected};
use crate::backplane::{Backplane, Invalidation, Signal};
use crate::error::Error;
use crate::relay::relay;

/// Invalidates entries of a [`RedisStore`](crate::RedisStore) on behalf of one process, and tells it what the others
/// invalidated; see [`RedisStore::process`](crate::RedisStore::process).
///
/// A clone stands for the same process. No request is repeated after a lost connection. Listening needs a tokio runtime;
/// what listens ends with [`RedisBackplane::shutdown`], or when the process has neither backplane nor leases any more.
#[derive(Debug, Clone)]
pub struct RedisBackplane {
    node: Arc<Node>,
    /// Until the first listener takes it.
    tracking: Arc<Mutex<Option<Tracking>>>,
}

impl RedisBackplane {
    /// Has the first listener told also of the keys that others touched, whatever program they are, by `tracking` of the
    /// manager that the store was made of by [`RedisStore::tracked`](crate::RedisStore::tracked).
    ///
    /// Such signals have the stamp 0. The link is up only while the server watches.
    #[must_use]
    pub fn with_tracking(self, tracking: Tracking) -> Self {
        Self { tracking: Arc::new(Mutex::new(Some(tracking))), ..self }
    }

    /// Ends what listens, for the leases of this process too, and waits until it has ended.
    pub async fn shutdown(&self) {
        self.node.shutdown().await;
    }

    pub(super) fn of(node: Arc<Node>) -> Self {
        Self { node, tracking: Arc::default() }
    }

    async fn invalidate_keys(&self, keys: &[&str]) -> Result<u64, Error> {
        let node = &self.node;
        let names: Vec<Names<'_>> = keys.iter().map(|key| Names::of(key)).collect();
        let of_each = names.iter().flat_map(|of| [of.entry, of.lease.as_str(), of.queue.as_str()]);
        let all: Vec<&str> = std::iter::once(node.clock.as_str()).chain(of_each).collect();
        let (head, seen) = (message::head(&node.id), node.last_seen());
        let common = [node.invalidated.as_str(), &head, &seen];
        let digests = names.iter().map(|of| of.digest.as_str());
        let args: Vec<&[u8]> = common.into_iter().chain(digests).map(str::as_bytes).collect();
        let stamp = node.manager.script(&script::INVALIDATE, &all, &args, Call::once()).await;
        self.stamp(keys, stamp)
    }

    async fn announce(
        &self,
        subject: &str,
        script: &script::Script,
        keys: &[&str],
        tail: &str,
    ) -> Result<u64, Error> {
        let node = &self.node;
        let (head, seen) = (message::head(&node.id), node.last_seen());
        let args = [node.invalidated.as_str(), &head, &seen, tail].map(str::as_bytes);
        self.stamp(&[subject], node.manager.script(script, keys, &args, Call::once()).await)
    }

    fn stamp(
        &self,
        subjects: &[&str],
        answer: Result<Vec<u8>, mystocks_redis_core::Error>,
    ) -> Result<u64, Error> {
        const OPERATION: &str = "invalidate";
        let text = answer.map_err(|cause| store_error(OPERATION, subjects, cause))?;
        self.node.drawn(&text).ok_or_else(|| unexpected(OPERATION, subjects))
    }
}

#[async_trait]
impl Backplane for RedisBackplane {
    async fn invalidate(&self, what: Invalidation<'_>) -> Result<u64, Error> {
        let clock = self.node.clock.as_str();
        match what {
            Invalidation::Keys(keys) => self.invalidate_keys(keys).await,
            Invalidation::Mark(mark) => {
                let tail = message::tail("mark", mark);
                self.announce(mark, &script::MARK, &[mark, clock], &tail).await
            }
            Invalidation::Recheck(cache) => {
                let tail = message::tail("recheck", cache);
                self.announce(cache, &script::RECHECK, &[clock], &tail).await
            }
        }
    }

    async fn marks(&self, marks: &[&str]) -> Result<Vec<u64>, Error> {
        if marks.is_empty() {
            return Ok(Vec::new());
        }
        let stamps: Result<Vec<Option<Vec<u8>>>, _> =
            self.node.manager.query(cmd("MGET").arg(marks), Call::repeatable()).await;
        let stamps = stamps.map_err(|cause| store_error("read marks", marks, cause))?;
        let stamp = |text: Vec<u8>| std::str::from_utf8(&text).ok()?.parse().ok();
        Ok(stamps.into_iter().map(|text| text.and_then(stamp).unwrap_or(0)).collect())
    }

    fn listen(&self) -> mpsc::Receiver<Signal> {
        let node = &self.node;
        let events = node.manager.subscribe(&[node.invalidated.as_str()], CAPACITY);
        let tracking = self.tracking.lock().unwrap_or_else(PoisonError::into_inner).take();
        let signals = signals(node.id.clone(), events, tracking);
        relay(signals, &node.tasks, node.stop.clone())
    }
}
