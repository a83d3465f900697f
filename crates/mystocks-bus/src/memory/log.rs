//! Durable topics within one process.

mod append;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, ErrorKind};
use crate::log::{
    Append, Appended, Consumer, Death, Entry, GroupState, Id, Log, Part, Room, Settle, Settled, Shelf, Start,
    Tend, Tended, Verdict,
};

/// Keeps durable topics in memory, for every task of this process that has a clone of it.
///
/// Times are tokio's, so tests may pause them; what it keeps ends with the last clone.
#[derive(Debug, Clone)]
pub struct MemoryLog {
    topics: Arc<Topics>,
}

struct Topics {
    inner: Mutex<HashMap<String, Topic>>,
    appended: Notify,
    started: (Instant, Duration),
}

#[derive(Default)]
struct Topic {
    entries: BTreeMap<Id, Stored>,
    last: Option<Id>,
    /// How many were ever appended.
    count: u64,
    once: HashMap<String, (Id, Instant)>,
    groups: HashMap<String, Group>,
}

struct Stored {
    number: u64,
    payload: Bytes,
    only: Option<String>,
}

#[derive(Default)]
struct Group {
    /// The last one that somebody was given.
    delivered: Option<Id>,
    pending: BTreeMap<Id, Pending>,
    leases: HashMap<String, Instant>,
    dead: Vec<Entry>,
    /// The sequence of the next dead letter.
    next: u64,
    /// Were trimmed before anybody was given them.
    trimmed: u64,
}

struct Pending {
    holder: Holder,
    deliveries: u64,
}

impl Pending {
    /// Returns whether its next delivery is to be alone.
    fn is_suspect(&self, alone: u64) -> bool {
        matches!(self.holder, Holder::Waits { orphaned: true, .. }) && self.deliveries + 1 >= alone
    }
}

enum Holder {
    Consumer(String),
    Waits { due: Instant, orphaned: bool },
}

impl MemoryLog {
    /// Makes a log of which nobody else knows.
    pub fn new() -> Self {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let topics =
            Topics { inner: Mutex::default(), appended: Notify::new(), started: (Instant::now(), epoch) };
        Self { topics: Arc::new(topics) }
    }

    fn inner(&self) -> MutexGuard<'_, HashMap<String, Topic>> {
        self.topics.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the entries of a shelf.
    fn on<T>(
        &self,
        shelf: Shelf<'_>,
        read: impl FnOnce(&mut dyn DoubleEndedIterator<Item = Entry>) -> T,
    ) -> T {
        let inner = self.inner();
        match shelf {
            Shelf::Topic(topic) => {
                let entries = inner.get(topic).into_iter().flat_map(|topic| &topic.entries);
                read(&mut entries.map(|(id, stored)| stored.entry(*id, 0)))
            }
            Shelf::Dead { topic, group } => {
                let group = inner.get(topic).and_then(|topic| topic.groups.get(group));
                read(&mut group.into_iter().flat_map(|group| group.dead.iter().cloned()))
            }
        }
    }

    /// Returns the time in milliseconds since the epoch.
    fn millis(&self) -> u64 {
        let (started, epoch) = self.topics.started;
        u64::try_from((epoch + started.elapsed()).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl Stored {
    fn entry(&self, id: Id, deliveries: u64) -> Entry {
        let (payload, only) = (self.payload.clone(), self.only.clone());
        Entry { id, number: self.number, payload, only, deliveries, orphaned: false, death: None }
    }
}

impl Group {
    fn bury(&mut self, id: Id, payload: Bytes, deliveries: u64, reason: &str, at: u64) {
        self.pending.remove(&id);
        let death = Some(Death { id, reason: reason.to_owned(), at });
        let id = Id { millis: at, sequence: self.next };
        self.next += 1;
        let letter = Entry { id, number: 0, payload, only: None, deliveries, orphaned: false, death };
        self.dead.push(letter);
    }

    fn held_by<'a>(&'a self, consumer: &'a str) -> impl Iterator<Item = Id> + 'a {
        let holds =
            move |pending: &Pending| matches!(&pending.holder, Holder::Consumer(name) if name == consumer);
        self.pending.iter().filter(move |(_, pending)| holds(pending)).map(|(id, _)| *id)
    }

    /// Has an entry wait with which no handler has begun.
    fn give_back(&mut self, id: &Id, now: Instant) {
        if let Some(pending) = self.pending.get_mut(id) {
            pending.deliveries = pending.deliveries.saturating_sub(1);
            pending.holder = Holder::Waits { due: now, orphaned: false };
        }
    }

    /// Takes a consumer away: what it has waits, or is dead when it was delivered too often.
    fn take_away(&mut self, consumer: &str, entries: &BTreeMap<Id, Stored>, most: u64, now: (Instant, u64)) {
        self.leases.remove(consumer);
        for id in self.held_by(consumer).collect::<Vec<_>>() {
            let Some(pending) = self.pending.get_mut(&id) else { continue };
            let deliveries = pending.deliveries;
            match entries.get(&id) {
                Some(stored) if deliveries >= most => {
                    self.bury(id, stored.payload.clone(), deliveries, "its consumer died", now.1);
                }
                _ => pending.holder = Holder::Waits { due: now.0, orphaned: true },
            }
        }
    }
}

#[async_trait]
impl Log for MemoryLog {
    async fn append(&self, topic: &str, room: Room, entries: &[Append<'_>]) -> Result<Vec<Appended>, Error> {
        let (now, millis) = (Instant::now(), self.millis());
        let appended = self.inner().entry(topic.to_owned()).or_default().append(room, entries, now, millis);
        self.topics.appended.notify_waiters();
        Ok(appended)
    }

    async fn read(&self, consumer: &Consumer<'_>, count: usize, wait: Duration) -> Result<Vec<Entry>, Error> {
        let until = Instant::now() + wait;
        loop {
            let appended = self.topics.appended.notified();
            tokio::pin!(appended);
            appended.as_mut().enable();
            {
                let mut inner = self.inner();
                let absent = || {
                    Error::new(ErrorKind::Transport, "read from", consumer.topic)
                        .with_detail("the group is not there")
                };
                let topic = inner.get_mut(consumer.topic).ok_or_else(absent)?;
                let group = topic.groups.get_mut(consumer.group).ok_or_else(absent)?;
                let after = |id: &Id| group.delivered.is_none_or(|delivered| *id > delivered);
                let given: Vec<Entry> = topic
                    .entries
                    .iter()
                    .filter(|(id, _)| after(id))
                    .take(count.max(1))
                    .map(|(id, stored)| stored.entry(*id, 1))
                    .collect();
                for entry in &given {
                    let holder = Holder::Consumer(consumer.name.to_owned());
                    group.pending.insert(entry.id, Pending { holder, deliveries: 1 });
                    group.delivered = Some(entry.id);
                }
                if !given.is_empty() {
                    return Ok(given);
                }
            }
            if timeout_at(until, appended).await.is_err() {
                return Ok(Vec::new());
            }
        }
    }

    async fn settle(&self, consumer: &Consumer<'_>, settlements: &[Settle<'_>]) -> Result<Settled, Error> {
        let (now, millis) = (Instant::now(), self.millis());
        let mut inner = self.inner();
        let Some(topic) = inner.get_mut(consumer.topic) else { return Ok(Settled::Lost) };
        let Some(group) = topic.groups.get_mut(consumer.group) else { return Ok(Settled::Lost) };
        if !group.leases.contains_key(consumer.name) {
            return Ok(Settled::Lost);
        }
        for Settle { id, verdict } in settlements {
            let Some(pending) = group.pending.get_mut(id) else { continue };
            if !matches!(&pending.holder, Holder::Consumer(name) if name == consumer.name) {
                continue;
            }
            match verdict {
                Verdict::Done => _ = group.pending.remove(id),
                Verdict::Again(after) => {
                    pending.holder = Holder::Waits { due: now + *after, orphaned: false };
                }
                Verdict::Dead(reason) => {
                    let deliveries = pending.deliveries;
                    match topic.entries.get(id) {
                        Some(stored) => {
                            group.bury(*id, stored.payload.clone(), deliveries, reason, millis);
                        }
                        None => _ = group.pending.remove(id),
                    }
                }
            }
        }
        Ok(Settled::Settled)
    }

    async fn tend(&self, consumer: &Consumer<'_>, tend: &Tend<'_>) -> Result<Tended, Error> {
        let now = (Instant::now(), self.millis());
        let mut inner = self.inner();
        if tend.join.is_some() {
            inner.entry(consumer.topic.to_owned()).or_default();
        }
        let Some(Topic { entries, last, groups, .. }) = inner.get_mut(consumer.topic) else {
            return Ok(Tended::default());
        };
        if let Some(start) = tend.join {
            let group = groups.entry(consumer.group.to_owned()).or_insert_with(|| {
                let delivered = match start {
                    Start::First => None,
                    Start::After(id) => Some(id),
                    Start::Now => *last,
                };
                Group { delivered, ..Group::default() }
            });
            group.leases.entry(consumer.name.to_owned()).or_insert(now.0);
        }
        let Some(group) = groups.get_mut(consumer.group) else { return Ok(Tended::default()) };
        let mut is_alive = false;
        if let Some(until) = group.leases.get_mut(consumer.name) {
            (*until, is_alive) = (now.0 + consumer.lease, true);
        }
        let holders = group.pending.values().filter_map(|pending| match &pending.holder {
            Holder::Consumer(name) => Some(name),
            Holder::Waits { .. } => None,
        });
        let names: Vec<String> = group.leases.keys().chain(holders).cloned().collect();
        for name in names {
            if group.leases.get(&name).is_none_or(|until| *until <= now.0) {
                group.take_away(&name, entries, tend.deliveries, now);
            }
        }
        if is_alive && tend.leave {
            let gives_back: Vec<Id> = group.held_by(consumer.name).collect();
            gives_back.iter().for_each(|id| group.give_back(id, now.0));
            group.leases.remove(consumer.name);
            is_alive = false;
        }
        if is_alive && let Some(keeps) = tend.keeps {
            let gives_back: Vec<Id> = group.held_by(consumer.name).filter(|id| !keeps.contains(id)).collect();
            gives_back.iter().for_each(|id| group.give_back(id, now.0));
        }
        let (mut given, mut trimmed) = (Vec::new(), 0);
        if is_alive {
            let mut due: Vec<(Instant, Id)> = group.pending.iter().filter_map(due).collect();
            due.sort_unstable();
            let mut has_suspect = false;
            for (_, id) in due.into_iter().filter(|(at, _)| *at <= now.0).take(tend.room) {
                let is_suspect = group.pending.get(&id).is_some_and(|pending| pending.is_suspect(tend.alone));
                if is_suspect && std::mem::replace(&mut has_suspect, true) {
                    continue;
                }
                match (group.pending.get_mut(&id), entries.get(&id)) {
                    (Some(pending), Some(stored)) => {
                        let orphaned = matches!(pending.holder, Holder::Waits { orphaned: true, .. });
                        pending.holder = Holder::Consumer(consumer.name.to_owned());
                        pending.deliveries += 1;
                        given.push(Entry { orphaned, ..stored.entry(id, pending.deliveries) });
                    }
                    _ => {
                        group.pending.remove(&id);
                        trimmed += 1;
                    }
                }
            }
        }
        let next = group.pending.iter().filter_map(due).min();
        let due = next.map(|(at, _)| at.saturating_duration_since(now.0));
        Ok(Tended { is_alive, entries: given, trimmed, due })
    }

    async fn range(&self, shelf: Shelf<'_>, part: Part) -> Result<Vec<Entry>, Error> {
        let Part::After { id: after, count, wait } = part else {
            return Ok(self.on(shelf, |entries| entries.next_back().into_iter().collect()));
        };
        let until = Instant::now() + if matches!(shelf, Shelf::Topic(_)) { wait } else { Duration::ZERO };
        loop {
            let appended = self.topics.appended.notified();
            tokio::pin!(appended);
            appended.as_mut().enable();
            let comes = |entry: &Entry| after.is_none_or(|after| entry.id > after);
            let found: Vec<Entry> = self.on(shelf, |entries| entries.filter(comes).take(count).collect());
            if !found.is_empty() || timeout_at(until, appended).await.is_err() {
                return Ok(found);
            }
        }
    }

    async fn state(&self, topic: &str, group: &str) -> Result<GroupState, Error> {
        let inner = self.inner();
        let Some(topic) = inner.get(topic) else { return Ok(GroupState::default()) };
        let entries = topic.entries.len() as u64;
        let Some(group) = topic.groups.get(group) else {
            return Ok(GroupState { entries, lag: entries, ..GroupState::default() });
        };
        let unread = |id: &&Id| group.delivered.is_none_or(|delivered| **id > delivered);
        Ok(GroupState {
            entries,
            lag: topic.entries.keys().filter(unread).count() as u64,
            pending: group.pending.len() as u64,
            waiting: group.pending.iter().filter_map(due).count() as u64,
            dead: group.dead.len() as u64,
            consumers: group.leases.len() as u64,
            trimmed: group.trimmed,
        })
    }
}

fn due((id, pending): (&Id, &Pending)) -> Option<(Instant, Id)> {
    match pending.holder {
        Holder::Waits { due, .. } => Some((due, *id)),
        Holder::Consumer(_) => None,
    }
}

impl fmt::Debug for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topics").finish_non_exhaustive()
    }
}
