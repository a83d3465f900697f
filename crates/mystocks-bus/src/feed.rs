//! What waits for one subscriber.

pub(crate) mod queue;

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use futures::task::AtomicWaker;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::gap::Gap;
use crate::log::Id;
use crate::transport::{Ear, Signal};
use queue::Queue;

/// How many messages may wait for a subscriber, and what happens to more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// So many messages; at least one. Default: 1,024.
    pub messages: usize,
    /// So many bytes of payload; one message may be larger, and the last may reach beyond where [publishers wait](Overflow::Wait). Default: 8 MiB.
    pub bytes: usize,
    /// What happens when there is no room.
    pub overflow: Overflow,
}

impl Default for Backlog {
    fn default() -> Self {
        Self { messages: 1024, bytes: 8 << 20, overflow: Overflow::DropOldest }
    }
}

/// What happens to a message for which a subscriber has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// The oldest one that waits is given up, which a [`Gap`] tells.
    #[default]
    DropOldest,
    /// Of each [key](crate::Event::key) only the latest waits, at the place of the one that it replaces; none replaces what waits on the other
    /// side of a [`Gap`]. When there is no room the oldest is given up.
    Conflate,
    /// The subscription ends, when what waits has been taken, with one [`Gap`].
    Disconnect,
    /// The publisher waits. Redis cannot, and refuses such a subscription. A handler that publishes to its own topic waits for
    /// itself, forever when its queue is full.
    Wait,
}

/// What became of the messages of one subscription.
///
/// `received` is always the sum of `delivered`, `skipped`, `undecodable`, `dropped`, `conflated` and `waiting`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Came from the transport.
    pub received: u64,
    /// Were handed over.
    pub delivered: u64,
    /// Were events of another type, or of a version to come.
    pub skipped: u64,
    /// Could not be read.
    pub undecodable: u64,
    /// Were given up because there was no room.
    pub dropped: u64,
    /// Were replaced by a later one of the same key.
    pub conflated: u64,
    /// Wait, or are being read.
    pub waiting: u64,
    /// Gaps that were told.
    pub gaps: u64,
}

/// Returns what a payload is about.
pub(crate) type KeyOf = fn(&[u8]) -> Option<String>;

/// A message that waited.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) channel: Arc<str>,
    pub(crate) payload: Bytes,
    /// When it came.
    pub(crate) at: Instant,
    pub(crate) key: Option<Arc<str>>,
    pub(crate) id: Option<Id>,
}

/// What is next.
#[derive(Debug)]
pub(crate) enum Next {
    Message(Message),
    Gap(Gap),
}

/// A bounded queue between the transport and one subscriber.
pub(crate) struct Feed {
    queue: Mutex<Queue>,
    key_of: Option<KeyOf>,
    /// Locked before the queue where both are.
    live: watch::Sender<bool>,
    reader: AtomicWaker,
    /// Tells who waits for room; all of them, since one that was told may wait for another subscriber then.
    taken: Notify,
}

impl Feed {
    pub(crate) fn new(backlog: Backlog, key_of: KeyOf) -> Self {
        Self {
            queue: Mutex::new(Queue::new(backlog)),
            key_of: (backlog.overflow == Overflow::Conflate).then_some(key_of),
            live: watch::Sender::new(false),
            reader: AtomicWaker::new(),
            taken: Notify::new(),
        }
    }

    /// Takes what is next; `None` when nothing comes any more.
    pub(crate) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<Next>> {
        self.reader.register(context.waker());
        let (next, ended) = {
            let mut queue = self.queue();
            (queue.pop(), queue.has_ended())
        };
        match next {
            Some(next) => {
                self.taken.notify_waiters();
                Poll::Ready(Some(next))
            }
            None if ended => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// Takes in what became of a message that was taken.
    pub(crate) fn count(&self, change: impl FnOnce(&mut Counts)) {
        self.queue().count(change);
    }

    pub(crate) fn counts(&self) -> Counts {
        self.queue().counts()
    }

    /// Watches whether messages come.
    pub(crate) fn live(&self) -> watch::Receiver<bool> {
        self.live.subscribe()
    }

    /// Has what may be missed since `since`, before messages come for the first time, told as a gap.
    pub(crate) fn owe(&self, since: Instant) {
        self.queue().owe(since);
    }

    /// Ends it: what waits can still be taken.
    pub(crate) fn close(&self) {
        self.turn(|queue| queue.close(Instant::now()));
        self.reader.wake();
        self.taken.notify_waiters();
    }

    /// Returns whether all that is published from now on will come, or nothing any more.
    pub(crate) fn is_settled(&self) -> bool {
        let queue = self.queue();
        queue.serves() || queue.has_ended()
    }

    /// Makes a change after which messages may come or not, and tells those who watch that.
    fn turn(&self, change: impl FnOnce(&mut Queue)) {
        self.live.send_if_modified(|live| {
            let mut queue = self.queue();
            change(&mut queue);
            // Who waits for the first message wants to know also that it will come late, or that none will.
            mem::replace(live, queue.is_up()) != *live || queue.serves() || queue.has_ended()
        });
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Ear for Feed {
    fn hear(&self, signal: Signal) {
        match signal {
            Signal::Up => self.turn(|queue| queue.up(Instant::now())),
            Signal::Late { since } => self.turn(|queue| queue.late(since, Instant::now())),
            Signal::Lost { since, until } => self.queue().miss(since, until),
            Signal::Down { since } => self.turn(|queue| queue.down(since)),
            Signal::Message { channel, payload, id } => {
                let key = self.key_of.and_then(|key_of| key_of(&payload)).map(Arc::from);
                let ended = {
                    let mut queue = self.queue();
                    queue.push(Message { channel, payload, at: Instant::now(), key, id });
                    queue.has_ended()
                };
                if ended {
                    self.live.send_if_modified(mem::take);
                }
            }
            Signal::Closed => return self.close(),
        }
        self.reader.wake();
    }

    async fn room(&self, bytes: usize) {
        loop {
            // From here on a change is noticed.
            let taken = self.taken.notified();
            if self.queue().has_room(bytes) {
                return;
            }
            taken.await;
        }
    }
}
