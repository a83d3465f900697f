//! Messages within one process.

mod log;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use tokio::time::Instant;

use crate::error::Error;
use crate::transport::{Ear, Interest, Listening, Outgoing, Signal, Source, Transport};

pub use log::MemoryLog;

/// Carries messages in memory, for every task of this process that has a clone of it.
///
/// Publishers can wait for listeners here: what is published to one that [waits](crate::Overflow::Wait) goes to everybody when it has room.
#[derive(Debug, Clone, Default)]
pub struct MemoryTransport {
    room: Arc<Room>,
}

#[derive(Default)]
struct Room {
    /// Locked while a message goes round, so that everybody hears all messages in the same order.
    listeners: Mutex<BTreeMap<u64, Listener>>,
    last: AtomicU64,
}

struct Listener {
    source: Source,
    waits: bool,
    ear: Arc<dyn Ear>,
}

impl MemoryTransport {
    /// Makes a transport of which nobody else knows.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Room {
    /// Has everybody who wants it hear a message, and returns how many that were; or one who has no room for it, and nobody heard it.
    fn tell(&self, channel: &Arc<str>, payload: &Bytes) -> Result<u64, Arc<dyn Ear>> {
        let listeners = self.listeners();
        let wanting = || listeners.values().filter(|listener| listener.source.matches(channel));
        if let Some(full) = wanting().find(|listener| !listener.has_room(payload.len())) {
            return Err(Arc::clone(&full.ear));
        }
        let mut count = 0;
        for Listener { ear, .. } in wanting() {
            ear.hear(Signal::Message { channel: Arc::clone(channel), payload: payload.clone(), id: None });
            count += 1;
        }
        Ok(count)
    }

    fn listeners(&self) -> MutexGuard<'_, BTreeMap<u64, Listener>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    fn has_room(&self, bytes: usize) -> bool {
        !self.waits || self.ear.room(bytes).now_or_never().is_some()
    }
}

#[async_trait]
impl Transport for MemoryTransport {
    async fn publish(&self, messages: &[Outgoing<'_>]) -> Result<Vec<u64>, Error> {
        let mut receivers = Vec::with_capacity(messages.len());
        for message in messages {
            let (channel, payload) =
                (Arc::from(message.channel.as_str()), Bytes::copy_from_slice(message.payload));
            // Nothing is locked while somebody is waited for: what others publish elsewhere goes on.
            receivers.push(loop {
                match self.room.tell(&channel, &payload) {
                    Ok(count) => break count,
                    Err(full) => full.room(payload.len()).await,
                }
            });
        }
        Ok(receivers)
    }

    fn listen(&self, interest: &Interest, ear: Arc<dyn Ear>) -> Result<Listening, Error> {
        let forgotten = interest.forgotten()?;
        let mut listeners = self.room.listeners();
        let id = self.room.last.fetch_add(1, Ordering::Relaxed);
        let listener =
            Listener { source: interest.source.clone(), waits: interest.waits, ear: Arc::clone(&ear) };
        listeners.insert(id, listener);
        ear.hear(Signal::Up);
        if let Some(since) = forgotten {
            ear.hear(Signal::Lost { since, until: Instant::now() });
        }
        drop(listeners);
        Ok(Listening::new(Leaves { id, room: Arc::clone(&self.room) }))
    }
}

struct Leaves {
    id: u64,
    room: Arc<Room>,
}

impl Drop for Leaves {
    fn drop(&mut self) {
        let listener = self.room.listeners().remove(&self.id);
        // Dropped when the lock is free again: an ear may own what leaves, too.
        drop(listener);
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("listeners", &self.listeners().len()).finish_non_exhaustive()
    }
}
