//! Who is subscribed to what, and what the server has confirmed of it.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::topic::Topic;

/// A message and its channel.
pub(crate) type Message = (Arc<str>, Bytes);

/// Where the board puts what a subscription is to know. It is called under the board's lock, and must neither wait nor come back.
pub(crate) trait Inbox: Send + Sync {
    /// From here on nothing is missing.
    fn up(&self);
    /// From here on something may be missing, of what was published after `since`.
    fn down(&self, since: Instant);
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
    channels: Names,
    patterns: Names,
    members: HashMap<u64, Member>,
    /// What may need an order; which is decided when the order is given.
    unsettled: Vec<Topic>,
    last_member: u64,
    /// Of the connection that counts: what an older one still says does not.
    generation: u64,
    unreachable: bool,
    closed: bool,
}

type Names = HashMap<Arc<str>, Channel>;

struct Member {
    inbox: Arc<dyn Inbox>,
    topics: Vec<Topic>,
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
    Subscribe(Topic),
    Unsubscribe(Topic),
}

/// Orders given together at most.
const BATCH: usize = 1000;

impl Board {
    /// Adds a subscription to all of `topics`.
    pub(crate) fn join(&self, topics: impl IntoIterator<Item = Topic>, inbox: Arc<dyn Inbox>) -> u64 {
        let mut guard = self.inner();
        let inner = &mut *guard;
        inner.last_member += 1;
        let id = inner.last_member;
        let mut joined = Vec::new();
        let (mut unconfirmed, mut down) = (0, inner.unreachable);
        for topic in topics {
            let channel = inner.names(&topic).entry(Arc::clone(topic.name())).or_default();
            if channel.members.last().is_some_and(|(member, _)| *member == id) {
                continue;
            }
            channel.members.push((id, Arc::clone(&inbox)));
            unconfirmed += usize::from(channel.stand != Stand::Confirmed);
            down |= channel.stand == Stand::Refused;
            inner.unsettled.push(topic.clone());
            joined.push(topic);
        }
        if inner.closed {
            inbox.close();
        } else if down {
            inbox.down(Instant::now());
        } else if unconfirmed == 0 && !joined.is_empty() {
            inbox.up();
        }
        inner.members.insert(id, Member { inbox, topics: joined, unconfirmed });
        drop(guard);
        self.changed.notify_one();
        id
    }

    /// Removes a subscription.
    pub(crate) fn leave(&self, id: u64) {
        let mut guard = self.inner();
        let inner = &mut *guard;
        for topic in inner.members.remove(&id).map(|member| member.topics).unwrap_or_default() {
            if let Some(channel) = inner.names(&topic).get_mut(topic.name()) {
                channel.members.retain(|(member, _)| *member != id);
                if channel.members.is_empty() {
                    inner.unsettled.push(topic);
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

    /// Takes in that there is no connection, and that all has come through that was published before `since`: nothing is confirmed any more.
    pub(crate) fn lost(&self, since: Instant) {
        let mut guard = self.inner();
        let inner = &mut *guard;
        inner.generation += 1;
        inner.unreachable = true;
        for names in [&mut inner.channels, &mut inner.patterns] {
            names.retain(|_, channel| !channel.members.is_empty());
            names.values_mut().for_each(|channel| channel.stand = Stand::Wanted);
        }
        let channels = inner.channels.keys().cloned().map(Topic::Channel);
        inner.unsettled = channels.chain(inner.patterns.keys().cloned().map(Topic::Pattern)).collect();
        for member in inner.members.values_mut() {
            member.unconfirmed = member.topics.len();
            member.inbox.down(since);
        }
    }

    /// Returns what is to be told next; the answers must be in before the next call.
    pub(crate) fn orders(&self) -> Vec<Order> {
        let mut guard = self.inner();
        let inner = &mut *guard;
        let mut orders = Vec::new();
        while orders.len() < BATCH
            && let Some(topic) = inner.unsettled.pop()
        {
            let names = inner.names(&topic);
            let Some(channel) = names.get_mut(topic.name()) else {
                continue;
            };
            match (channel.members.is_empty(), channel.stand) {
                (false, Stand::Wanted) => {
                    channel.stand = Stand::Asked;
                    orders.push(Order::Subscribe(topic));
                }
                (false, _) => {}
                (true, stand) => {
                    names.remove(topic.name());
                    if stand == Stand::Confirmed {
                        orders.push(Order::Unsubscribe(topic));
                    }
                }
            }
        }
        orders
    }

    /// Takes in that the server does not let this user subscribe to `topic`.
    pub(crate) fn refused(&self, topic: &Topic) {
        if let Some(channel) = self.inner().names(topic).get_mut(topic.name()) {
            channel.stand = Stand::Refused;
            for (_, inbox) in &channel.members {
                inbox.down(Instant::now());
            }
        }
    }

    /// Has what was refused asked for again.
    pub(crate) fn retry_refused(&self) {
        let mut guard = self.inner();
        let inner = &mut *guard;
        let channels = want_refused(&mut inner.channels);
        inner.unsettled.extend(channels.into_iter().map(Topic::Channel));
        let patterns = want_refused(&mut inner.patterns);
        inner.unsettled.extend(patterns.into_iter().map(Topic::Pattern));
    }

    /// Takes in what the connection of `generation` received unasked, and confirmations.
    pub(crate) fn hear(&self, generation: u64, push: PushInfo) {
        let mut guard = self.inner();
        let inner = &mut *guard;
        if inner.generation != generation {
            return;
        }
        let mut data = push.data.into_iter();
        let Some(name) = text(data.next()) else {
            return;
        };
        match push.kind {
            PushKind::Message => {
                if let (Some((name, channel)), Some(Value::BulkString(payload))) =
                    (inner.channels.get_key_value(name.as_str()), data.next())
                {
                    channel.deliver(name, payload);
                }
            }
            PushKind::PMessage => {
                if let (Some(pattern), Some(name), Some(Value::BulkString(payload))) =
                    (inner.patterns.get(name.as_str()), text(data.next()), data.next())
                {
                    pattern.deliver(&Arc::from(name), payload);
                }
            }
            PushKind::Subscribe => inner.confirm(&Topic::Channel(name.into())),
            PushKind::PSubscribe => inner.confirm(&Topic::Pattern(name.into())),
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
        inner.patterns.clear();
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn names(&mut self, topic: &Topic) -> &mut Names {
        match topic {
            Topic::Channel(_) => &mut self.channels,
            Topic::Pattern(_) => &mut self.patterns,
        }
    }

    fn confirm(&mut self, topic: &Topic) {
        let Self { channels, patterns, members, .. } = self;
        let names = if matches!(topic, Topic::Channel(_)) { channels } else { patterns };
        let Some(channel) = names.get_mut(topic.name()) else {
            return;
        };
        if mem::replace(&mut channel.stand, Stand::Confirmed) == Stand::Confirmed {
            return;
        }
        for (id, inbox) in &channel.members {
            if let Some(member) = members.get_mut(id) {
                member.unconfirmed = member.unconfirmed.saturating_sub(1);
                if member.unconfirmed == 0 {
                    inbox.up();
                }
            }
        }
    }
}

impl Channel {
    fn deliver(&self, name: &Arc<str>, payload: Vec<u8>) {
        let payload = Bytes::from(payload);
        for (_, inbox) in &self.members {
            inbox.deliver((Arc::clone(name), payload.clone()));
        }
    }
}

fn want_refused(names: &mut Names) -> Vec<Arc<str>> {
    let refused = names.iter_mut().filter(|(_, channel)| channel.stand == Stand::Refused);
    let wanted = refused.map(|(name, channel)| {
        channel.stand = Stand::Wanted;
        Arc::clone(name)
    });
    wanted.collect()
}

fn text(value: Option<Value>) -> Option<String> {
    match value {
        Some(Value::BulkString(bytes)) => String::from_utf8(bytes).ok(),
        _ => None,
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
        (board.join(Topic::channels(&["a"]), Arc::clone(&mailbox) as Arc<dyn Inbox>), mailbox)
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_under_way_is_told_at_once_and_one_of_long_ago_is_not() {
        let board = Board::default();
        let (first, _) = join(&board);
        board.lost(Instant::now());
        let started = Instant::now();
        let (second, mailbox) = join(&board);
        assert!(matches!(mailbox.next().await, Some(Notice::Down(_))));
        assert_eq!(started.elapsed().as_millis(), 0);
        board.leave(first);
        board.leave(second);
        let waiting = timeout(Duration::from_millis(1), board.wanted());
        assert!(waiting.await.is_err());
        let (_, mailbox) = join(&board);
        assert!(matches!(mailbox.next().await, Some(Notice::Down(_))));
        assert!(started.elapsed().as_millis() >= 1500);
    }

    #[tokio::test(start_paused = true)]
    async fn what_an_older_connection_still_says_does_not_count() {
        let board = Board::default();
        let (_, mailbox) = join(&board);
        let confirmation =
            || PushInfo { kind: PushKind::Subscribe, data: vec![Value::BulkString(b"a".to_vec())] };
        let old = board.begin();
        assert_eq!(board.orders(), [Order::Subscribe(Topic::Channel("a".into()))]);
        board.lost(Instant::now());
        let new = board.begin();
        assert_eq!(board.orders(), [Order::Subscribe(Topic::Channel("a".into()))]);
        assert!(matches!(mailbox.next().await, Some(Notice::Down(_))));
        board.hear(old, confirmation());
        assert!(timeout(Duration::from_millis(1), mailbox.next()).await.is_err());
        board.hear(new, PushInfo { kind: PushKind::Message, data: Vec::new() });
        board.hear(new, confirmation());
        board.close();
        assert_eq!(mailbox.next().await, Some(Notice::Up));
        assert_eq!(mailbox.next().await, None);
    }
}
