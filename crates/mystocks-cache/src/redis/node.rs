//! One process among those that share a Redis.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};

use mystocks_keys::{Channel, ChannelName, InvalidKey, Key, Keyspace};
use mystocks_redis_core::{Event, RedisManager};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::backplane::RedisBackplane;
use super::doorbell::Doorbell;
use super::leases::RedisLeases;
use super::{RedisStore, message};
use crate::error::{Error, ErrorKind};

/// How many messages of a channel wait here before the subscription calls itself interrupted.
pub(super) const CAPACITY: usize = 4_096;

pub(super) struct Node {
    pub(super) manager: RedisManager,
    pub(super) id: String,
    /// Whether what is read has to be watched.
    pub(super) is_tracked: bool,
    pub(super) clock: Key,
    pub(super) invalidated: Channel,
    /// Where this process is told of the leases it waits for.
    pub(super) freed: Channel,
    pub(super) doorbell: Arc<Doorbell>,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
    /// The last stamp this process has drawn: the next is greater also when the server has lost its data.
    seen: AtomicU64,
    answers_the_door: Once,
}

impl RedisStore {
    /// Makes the leases and the backplane of one more process on this store: two calls are two processes that hear each
    /// other and not themselves.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when a prefix of `keyspace` is so long that names under it pass the limit.
    pub fn process(&self, keyspace: &Keyspace) -> Result<(RedisLeases, RedisBackplane), Error> {
        let node = Node::join(self, keyspace).map_err(|cause| {
            Error::new(ErrorKind::InvalidArgument, "join", "the processes of a store").with_source(cause)
        })?;
        Ok((RedisLeases::of(Arc::clone(&node)), RedisBackplane::of(node)))
    }
}

impl Node {
    fn join(store: &RedisStore, keyspace: &Keyspace) -> Result<Arc<Self>, InvalidKey> {
        let id = format!("{:016x}", fastrand::u64(..));
        Ok(Arc::new(Self {
            manager: store.manager.clone(),
            is_tracked: store.is_tracked,
            clock: keyspace.cache_clock()?,
            invalidated: keyspace.channel(ChannelName::CacheInvalidated)?,
            freed: keyspace.channel(ChannelName::CacheFreed(&id))?,
            id,
            doorbell: Arc::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            seen: AtomicU64::new(0),
            answers_the_door: Once::new(),
        }))
    }

    pub(super) fn last_seen(&self) -> String {
        self.seen.load(Ordering::Relaxed).to_string()
    }

    /// Reads a stamp that was drawn; `None` when it is none.
    pub(super) fn drawn(&self, text: &[u8]) -> Option<u64> {
        let stamp = std::str::from_utf8(text).ok()?.parse().ok()?;
        self.seen.fetch_max(stamp, Ordering::Relaxed);
        Some(stamp)
    }

    /// Listens from now on for the leases that this process waits for.
    pub(super) fn answer_the_door(&self) {
        self.answers_the_door.call_once(|| {
            let mut events = self.manager.subscribe(&[self.freed.as_str()], CAPACITY);
            let (doorbell, stop) = (Arc::clone(&self.doorbell), self.stop.clone());
            self.tasks.spawn(async move {
                let listening = async {
                    while let Some(event) = events.next().await {
                        match event {
                            Event::Up => doorbell.set_up(true),
                            Event::Down { .. } | Event::Closed => doorbell.set_up(false),
                            Event::Message { payload, .. } => {
                                message::read_freed(&payload).into_iter().for_each(|key| doorbell.ring(key));
                            }
                        }
                    }
                };
                stop.run_until_cancelled(listening).await;
                doorbell.set_up(false);
            });
        });
    }

    pub(super) async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("id", &self.id).field("manager", &self.manager).finish_non_exhaustive()
    }
}
