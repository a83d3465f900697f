//! Who is subscribed to what, and what the server has confirmed of it.

use std::collections::HashMap;
use std::mem;
use std::str;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::Notify;

/// A message and its channel.
pub(crate) type Message = (Arc<str>, Bytes);

/// Where the board puts what a subscription is to know. It is called under the board's lock, and must neither wait nor come back.
pub(crate) trait Inbox: Send + Sync {
    /// From here on nothing is missing.
    fn up(&self);
    /// From here on something may be missing.
    fn down(&self);
    fn deliver(&self, message: Message);
    /// Nothing comes any more.
    fn close(&self);
}

/// The subscriptions of one manager.
#[derive(Default)]
pub(crate) struct Board {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    channels: HashMap<Arc<str>, Channel>,
    members: HashMap<u64, Member>,
    /// Channels that may need an order; what they need is decided when the order is given.
    unsettled: Vec<Arc<str>>,
    last_member: u64,
    /// Of the connection that counts: what an older one still says does not.
    generation: u64,
    unreachable: bool,
    closed: bool,
}

struct Member {
    inbox: Arc<dyn Inbox>,
    channels: Vec<Arc<str>>,
    unconfirmed: usize,
}

#[derive(Default)]
struct Channel {
    stand: Stand,
    members: Vec<(u64, Arc<dyn Inbox>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stand {
    #[default]
    Wanted,
    Asked,
    Confirmed,
    Refused,
}

/// What to tell the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Subscribe(Arc<str>),
    Unsubscribe(Arc<str>),
}

/// Orders given together at most.
const BATCH: usize = 1000;

impl Board {
    /// Adds a subscription to all of `channels`.
    pub(crate) fn join(&self, channels: &[&str], inbox: Arc<dyn Inbox>) -> u64 {
        let mut guard = self.inner();
        let inner = &mut *guard;
        inner.last_member += 1;
        let id = inner.last_member;
        let mut joined: Vec<Arc<str>> = Vec::with_capacity(channels.len());
        let (mut unconfirmed, mut down) = (0, inner.unreachable);
        for name in channels {
            let name = match inner.channels.get_key_value(*name) {
                Some((name, _)) => Arc::clone(name),
                None => Arc::from(*name),
            };
            let channel = inner.channels.entry(Arc::clone(&name)).or_default();
            if channel.members.last().is_some_and(|(member, _)| *member == id) {
                continue;
            }
            channel.members.push((id, Arc::clone(&inbox)));
            unconfirmed += usize::from(channel.stand != Stand::Confirmed);
            down |= channel.stand == Stand::Refused;
            inner.unsettled.push(Arc::clone(&name));
            joined.push(name);
        }
        if inner.closed {
            inbox.close();
        } else if down {
            inbox.down();
        } else if unconfirmed == 0 && !joined.is_empty() {
            inbox.up();
        }
        inner.members.insert(id, Member { inbox, channels: joined, unconfirmed });
        drop(guard);
        self.changed.notify_one();
        id
    }

    /// Removes a subscription.
    pub(crate) fn leave(&self, id: u64) {
        let mut guard = self.inner();
        let inner = &mut *guard;
        for name in inner.members.remove(&id).map(|member| member.channels).unwrap_or_default() {
            if let Some(channel) = inner.channels.get_mut(&name) {
                channel.members.retain(|(member, _)| *member != id);
                if channel.members.is_empty() {
                    inner.unsettled.push(name);
                }
            }
        }
        drop(guard);
        self.changed.notify_one();
    }

    /// Waits until somebody is subscribed.
    pub(crate) async fn wanted(&self) {
        loop {
            {
                let mut inner = self.inner();
                if !inner.members.is_empty() {
                    return;
                }
                // Nobody has tried since: the next subscription is not told about a failure of long ago.
                inner.unreachable = false;
            }
            self.changed().await;
        }
    }

    /// Waits until somebody has come or gone.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Returns the generation of a connection about to be made.
    pub(crate) fn begin(&self) -> u64 {
        let mut inner = self.inner();
        inner.generation += 1;
        inner.generation
    }

    /// Takes in that there is a connection.
    pub(crate) fn reached(&self) {
        self.inner().unreachable = false;
    }

    /// Takes in that there is no connection: nothing is confirmed any more.
    pub(crate) fn lost(&self) {
        let mut guard = self.inner();
        let inner = &mut *guard;
        inner.generation += 1;
        inner.unreachable = true;
        inner.channels.retain(|_, channel| !channel.members.is_empty());
        inner.unsettled = inner.channels.keys().cloned().collect();
        for channel in inner.channels.values_mut() {
            channel.stand = Stand::Wanted;
        }
        for member in inner.members.values_mut() {
            member.unconfirmed = member.channels.len();
            member.inbox.down();
        }
    }

    /// Returns what is to be told next; the answers must be in before the next call.
    pub(crate) fn orders(&self) -> Vec<Order> {
        let mut guard = self.inner();
        let inner = &mut *guard;
        let mut orders = Vec::new();
        while orders.len() < BATCH
            && let Some(name) = inner.unsettled.pop()
        {
            let Some(channel) = inner.channels.get_mut(&name) else {
                continue;
            };
            match (channel.members.is_empty(), channel.stand) {
                (false, Stand::Wanted) => {
                    channel.stand = Stand::Asked;
                    orders.push(Order::Subscribe(name));
                }
                (false, _) => {}
                (true, stand) => {
                    inner.channels.remove(&name);
                    if stand == Stand::Confirmed {
                        orders.push(Order::Unsubscribe(name));
                    }
                }
            }
        }
        orders
    }

    /// Takes in that the server does not let this user subscribe to `name`.
    pub(crate) fn refused(&self, name: &str) {
        if let Some(channel) = self.inner().channels.get_mut(name) {
            channel.stand = Stand::Refused;
            for (_, inbox) in &channel.members {
                inbox.down();
            }
        }
    }

    /// Has the refused channels asked for again.
    pub(crate) fn retry_refused(&self) {
        let mut guard = self.inner();
        let inner = &mut *guard;
        for (name, channel) in &mut inner.channels {
            if channel.stand == Stand::Refused {
                channel.stand = Stand::Wanted;
                inner.unsettled.push(Arc::clone(name));
            }
        }
    }

    /// Takes in what the connection of `generation` received unasked, and confirmations.
    pub(crate) fn hear(&self, generation: u64, push: PushInfo) {
        let mut guard = self.inner();
        let inner = &mut *guard;
        if inner.generation != generation {
            return;
        }
        let mut data = push.data.into_iter();
        let Some(Value::BulkString(name)) = data.next() else {
            return;
        };
        let Ok(name) = str::from_utf8(&name) else {
            return;
        };
        match push.kind {
            PushKind::Message => {
                if let (Some((name, channel)), Some(Value::BulkString(payload))) =
                    (inner.channels.get_key_value(name), data.next())
                {
                    let payload = Bytes::from(payload);
                    for (_, inbox) in &channel.members {
                        inbox.deliver((Arc::clone(name), payload.clone()));
                    }
                }
            }
            PushKind::Subscribe => inner.confirm(name),
            _ => {}
        }
    }

    /// Ends every subscription, also those to come.
    pub(crate) fn close(&self) {
        let mut inner = self.inner();
        inner.closed = true;
        for member in mem::take(&mut inner.members).into_values() {
            member.inbox.close();
        }
        inner.channels.clear();
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn confirm(&mut self, name: &str) {
        let Some(channel) = self.channels.get_mut(name) else {
            return;
        };
        if mem::replace(&mut channel.stand, Stand::Confirmed) == Stand::Confirmed {
            return;
        }
        for (id, inbox) in &channel.members {
            if let Some(member) = self.members.get_mut(id) {
                member.unconfirmed = member.unconfirmed.saturating_sub(1);
                if member.unconfirmed == 0 {
                    inbox.up();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::mailbox::{Mailbox, Notice};

    fn join(board: &Board) -> (u64, Arc<Mailbox<Message>>) {
        let mailbox = Arc::new(Mailbox::new("test", 1));
        (board.join(&["a"], Arc::clone(&mailbox) as Arc<dyn Inbox>), mailbox)
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_under_way_is_told_at_once_and_one_of_long_ago_is_not() {
        let board = Board::default();
        let (first, _) = join(&board);
        board.lost();
        let started = Instant::now();
        let (second, mailbox) = join(&board);
        assert_eq!(mailbox.next().await, Some(Notice::Down));
        assert_eq!(started.elapsed().as_millis(), 0);
        board.leave(first);
        board.leave(second);
        let waiting = timeout(Duration::from_millis(1), board.wanted());
        assert!(waiting.await.is_err());
        let (_, mailbox) = join(&board);
        assert_eq!(mailbox.next().await, Some(Notice::Down));
        assert!(started.elapsed().as_millis() >= 1500);
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_older_connection_still_says_does_not_count() {
        let board = Board::default();
        let (_, mailbox) = join(&board);
        let confirmation =
            || PushInfo { kind: PushKind::Subscribe, data: vec![Value::BulkString(b"a".to_vec())] };
        let old = board.begin();
        assert_eq!(board.orders(), [Order::Subscribe("a".into())]);
        board.lost();
        let new = board.begin();
        assert_eq!(board.orders(), [Order::Subscribe("a".into())]);
        assert_eq!(mailbox.next().await, Some(Notice::Down));
        board.hear(old, confirmation());
        assert!(timeout(Duration::from_millis(1), mailbox.next()).await.is_err());
        board.hear(new, PushInfo { kind: PushKind::Message, data: Vec::new() });
        board.hear(new, confirmation());
        board.close();
        assert_eq!(mailbox.next().await, Some(Notice::Up));
        assert_eq!(mailbox.next().await, None);
    }
}
