//! Messages within one process.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Error;
use crate::transport::{Ear, Interest, Listening, Outgoing, Signal, Source, Transport};

/// Carries messages in memory, for every task of this process that has a clone of it.
///
/// Publishers can wait for listeners here: what is published to one that [waits](crate::Overflow::Wait) returns when it has room.
#[derive(Debug, Clone, Default)]
pub struct MemoryTransport {
    room: Arc<Room>,
}

#[derive(Default)]
struct Room {
    listeners: Mutex<BTreeMap<u64, Listener>>,
    /// Held while a message goes round, so that everybody hears all messages in the same order.
    order: tokio::sync::Mutex<()>,
    last: AtomicU64,
}

#[derive(Clone)]
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
    fn listeners(&self) -> MutexGuard<'_, BTreeMap<u64, Listener>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Transport for MemoryTransport {
    async fn publish(&self, messages: &[Outgoing<'_>]) -> Result<Vec<u64>, Error> {
        let _in_order = self.room.order.lock().await;
        let mut receivers = Vec::with_capacity(messages.len());
        for message in messages {
            let (channel, payload) = (message.channel.as_str(), Bytes::copy_from_slice(message.payload));
            let name: Arc<str> = Arc::from(channel);
            let listeners = self.room.listeners().clone();
            let wanting = listeners.into_iter().filter(|(_, listener)| listener.source.matches(channel));
            let mut count = 0;
            for (id, Listener { waits, ear, .. }) in wanting {
                if waits {
                    ear.room().await;
                }
                // Who went away while another was waited for hears nothing.
                let listeners = self.room.listeners();
                if listeners.contains_key(&id) {
                    ear.hear(Signal::Message { channel: Arc::clone(&name), payload: payload.clone() });
                    count += 1;
                }
            }
            receivers.push(count);
        }
        Ok(receivers)
    }

    fn listen(&self, interest: &Interest, ear: Arc<dyn Ear>) -> Result<Listening, Error> {
        let mut listeners = self.room.listeners();
        let id = self.room.last.fetch_add(1, Ordering::Relaxed);
        let listener =
            Listener { source: interest.source.clone(), waits: interest.waits, ear: Arc::clone(&ear) };
        listeners.insert(id, listener);
        ear.hear(Signal::Up);
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
