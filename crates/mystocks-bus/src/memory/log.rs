//! Durable topics within one process.

mod append;
mod group;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, ErrorKind};
use crate::lane;
use crate::log::{
    Append, Appended, Consumer, Entry, GroupState, Id, Log, Part, Room, Settle, Settled, Shelf, Start, Tend,
    Tended, Verdict,
};
use group::{Dead, Group, Holder, Stored};

/// Keeps durable topics in memory, for every task of this process that has a clone of it.
///
/// Times are tokio's, so tests may pause them; what it keeps ends with the last clone.
#[derive(Debug, Clone)]
pub struct MemoryLog {
    topics: Arc<Topics>,
}

struct Topics {
    inner: Mutex<Inner>,
    appended: Notify,
    started: (Instant, Duration),
}

#[derive(Default)]
struct Inner {
    topics: HashMap<String, Topic>,
    /// What the lanes of a topic have together.
    shared: HashMap<String, Shared>,
}

#[derive(Default)]
struct Topic {
    entries: BTreeMap<Id, Stored>,
    last: Option<Id>,
    /// How many were ever appended.
    count: u64,
    groups: HashMap<String, Group>,
}

#[derive(Default)]
struct Shared {
    once: HashMap<String, (Id, Instant)>,
    dead: HashMap<String, Dead>,
}

impl MemoryLog {
    /// Makes a log of which nobody else knows.
    pub fn new() -> Self {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let topics =
            Topics { inner: Mutex::default(), appended: Notify::new(), started: (Instant::now(), epoch) };
        Self { topics: Arc::new(topics) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.topics.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the time in milliseconds since the epoch.
    fn millis(&self) -> u64 {
        let (started, epoch) = self.topics.started;
        u64::try_from((epoch + started.elapsed()).as_millis()).unwrap_or(u64::MAX)
    }

    /// Tries until there is something, for at most `wait`.
    async fn waiting<T>(
        &self,
        wait: Duration,
        mut attempt: impl FnMut(&mut Inner) -> Result<Option<T>, Error>,
    ) -> Result<Option<T>, Error> {
        let until = Instant::now() + wait;
        loop {
            let appended = self.topics.appended.notified();
            tokio::pin!(appended);
            appended.as_mut().enable();
            let found = attempt(&mut self.inner())?;
            if found.is_some() || timeout_at(until, appended).await.is_err() {
                return Ok(found);
            }
        }
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl Inner {
    /// Returns a topic, and what its lanes have together.
    fn of(&mut self, topic: &str) -> (&mut Topic, &mut Shared) {
        let shared = self.shared.entry(lane::split(topic).0.to_owned()).or_default();
        (self.topics.entry(topic.to_owned()).or_default(), shared)
    }

    /// Reads the entries of a shelf.
    fn on<T>(
        &self,
        shelf: Shelf<'_>,
        read: impl FnOnce(&mut dyn DoubleEndedIterator<Item = Entry>) -> T,
    ) -> T {
        match shelf {
            Shelf::News(topics) => read(&mut self.news(topics).into_iter()),
            Shelf::Topic(topic) => {
                let topic = self.topics.get(topic).into_iter();
                read(&mut topic.flat_map(|topic| topic.after(None, 0)))
            }
            Shelf::Dead { topic, group } => {
                let shared = self.shared.get(lane::split(topic).0);
                let dead = shared.and_then(|shared| shared.dead.get(group)).into_iter();
                read(&mut dead.flat_map(|dead| dead.letters.iter().cloned()))
            }
            Shelf::Waiting { topic, group } => {
                let topic = self.topics.get(topic);
                let group = topic.and_then(|topic| Some((topic, topic.groups.get(group)?))).into_iter();
                read(&mut group.flat_map(|(topic, group)| group.all_waiting(&topic.entries)))
            }
        }
    }

    /// Returns of each topic its first entry after that one, or nothing.
    fn news(&self, topics: &[(&str, Id)]) -> Vec<Entry> {
        let first = |(topic, after): &(&str, Id)| self.topics.get(*topic)?.after(Some(*after), 0).next();
        topics.iter().map(|one| first(one).unwrap_or_else(|| Entry::nothing(one.1))).collect()
    }
}

impl Topic {
    fn after(&self, after: Option<Id>, deliveries: u64) -> impl DoubleEndedIterator<Item = Entry> + '_ {
        let comes = move |id: &Id| after.is_none_or(|after| *id > after);
        let entries = self.entries.iter().filter(move |(id, _)| comes(id));
        entries.map(move |(id, stored)| stored.entry(*id, deliveries))
    }

    /// Returns the group, which begins at `start` when it is new.
    fn group(&mut self, name: &str, start: Start) -> &mut Group {
        let last = self.last;
        self.groups.entry(name.to_owned()).or_insert_with(|| {
            let delivered = match start {
                Start::First => None,
                Start::After(id) => Some(id),
                Start::Now => last,
            };
            Group { delivered, ..Group::default() }
        })
    }
}

#[async_trait]
impl Log for MemoryLog {
    async fn append(&self, topic: &str, room: Room, entries: &[Append<'_>]) -> Result<Vec<Appended>, Error> {
        let (now, millis) = (Instant::now(), self.millis());
        let appended = {
            let mut inner = self.inner();
            let (topic, shared) = inner.of(topic);
            topic.append(shared, room, entries, now, millis)
        };
        self.topics.appended.notify_waiters();
        Ok(appended)
    }

    async fn read(&self, consumer: &Consumer<'_>, count: usize, wait: Duration) -> Result<Vec<Entry>, Error> {
        let wait = if consumer.is_sole { Duration::ZERO } else { wait };
        let attempt = |inner: &mut Inner| {
            let absent = || {
                Error::new(ErrorKind::Transport, "read from", consumer.topic)
                    .with_detail("the group is not there")
            };
            let topic = inner.topics.get_mut(consumer.topic).ok_or_else(absent)?;
            let group = topic.groups.get(consumer.group).ok_or_else(absent)?;
            if consumer.is_sole && !group.leases.contains_key(consumer.name) {
                return Ok(None);
            }
            let given: Vec<Entry> = topic.after(group.delivered, 1).take(count.max(1)).collect();
            if let Some(group) = topic.groups.get_mut(consumer.group) {
                group.give(consumer.name, &given);
            }
            Ok(Some(given).filter(|given| !given.is_empty()))
        };
        Ok(self.waiting(wait, attempt).await?.unwrap_or_default())
    }

    async fn settle(&self, consumer: &Consumer<'_>, settlements: &[Settle<'_>]) -> Result<Settled, Error> {
        let (now, millis) = (Instant::now(), self.millis());
        let mut inner = self.inner();
        let (Topic { groups, entries, .. }, Shared { dead, .. }) = inner.of(consumer.topic);
        let Some(group) = groups.get_mut(consumer.group) else { return Ok(Settled::Lost) };
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
                    group.pending.remove(id);
                    if let Some(stored) = entries.get(id) {
                        let dead = dead.entry(consumer.group.to_owned()).or_default();
                        dead.bury(*id, stored, deliveries, reason, millis);
                    }
                }
            }
        }
        Ok(Settled::Settled)
    }

    async fn tend(&self, consumer: &Consumer<'_>, tend: &Tend<'_>) -> Result<Tended, Error> {
        let now = (Instant::now(), self.millis());
        let mut inner = self.inner();
        let (topic, Shared { dead, .. }) = inner.of(consumer.topic);
        if let Some(start) = tend.join {
            let group = topic.group(consumer.group, start);
            if !consumer.is_sole {
                group.leases.entry(consumer.name.to_owned()).or_insert(now.0);
            }
        }
        let Topic { entries, groups, .. } = topic;
        let Some(group) = groups.get_mut(consumer.group) else { return Ok(Tended::default()) };
        let until = now.0 + consumer.lease;
        let mut is_alive = match group.leases.get_mut(consumer.name) {
            Some(lease) => {
                *lease = until;
                true
            }
            None => false,
        };
        group.clear(entries, dead.entry(consumer.group.to_owned()).or_default(), tend.deliveries, now);
        if tend.join.is_some() && consumer.is_sole && group.leases.is_empty() {
            group.leases.insert(consumer.name.to_owned(), until);
            is_alive = true;
        }
        let reached = group.delivered.filter(|_| tend.join.is_some());
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
        let room = if is_alive { tend.room } else { 0 };
        let (given, trimmed) = group.take(consumer.name, &Tend { room, ..*tend }, now.0, entries);
        let next = group.waiting(tend.only).first().map(|(at, _)| at.saturating_duration_since(now.0));
        Ok(Tended { is_alive, entries: given, trimmed, due: next, reached })
    }

    async fn range(&self, shelf: Shelf<'_>, part: Part) -> Result<Vec<Entry>, Error> {
        let Part::After { id: after, count, wait } = part else {
            return Ok(self.inner().on(shelf, |entries| entries.next_back().into_iter().collect()));
        };
        if let Shelf::News(topics) = shelf {
            let is_news = |found: &Vec<Entry>| found.iter().zip(topics).any(|(one, (_, id))| one.id != *id);
            let look = |inner: &mut Inner| Ok(Some(inner.news(topics)).filter(is_news));
            let found = self.waiting(wait, look).await?;
            return Ok(found.unwrap_or_else(|| topics.iter().map(|(_, id)| Entry::nothing(*id)).collect()));
        }
        let wait = if matches!(shelf, Shelf::Topic(_)) { wait } else { Duration::ZERO };
        let comes = |entry: &Entry| after.is_none_or(|after| entry.id > after);
        let look = |inner: &mut Inner| {
            let found: Vec<_> = inner.on(shelf, |entries| entries.filter(comes).take(count).collect());
            Ok(Some(found).filter(|found| !found.is_empty()))
        };
        Ok(self.waiting(wait, look).await?.unwrap_or_default())
    }

    async fn state(&self, topic: &str, group: &str) -> Result<GroupState, Error> {
        let inner = self.inner();
        let shared = inner.shared.get(lane::split(topic).0);
        let dead =
            shared.and_then(|shared| shared.dead.get(group)).map_or(0, |dead| dead.letters.len()) as u64;
        let Some(topic) = inner.topics.get(topic) else {
            return Ok(GroupState { dead, ..GroupState::default() });
        };
        let entries = topic.entries.len() as u64;
        let Some(group) = topic.groups.get(group) else {
            let oldest = topic.entries.keys().next().copied();
            return Ok(GroupState { entries, lag: entries, dead, oldest, ..GroupState::default() });
        };
        let next = topic.after(group.delivered, 0).next().map(|entry| entry.id);
        Ok(GroupState {
            entries,
            lag: topic.after(group.delivered, 0).count() as u64,
            pending: group.pending.len() as u64,
            waiting: group.waiting(None).len() as u64,
            dead,
            consumers: group.leases.len() as u64,
            trimmed: group.trimmed,
            oldest: group.pending.keys().next().copied().or(next),
        })
    }
}

impl fmt::Debug for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topics").finish_non_exhaustive()
    }
}
