//! Durable topics within one process.

mod group;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, ErrorKind};
use crate::lane;
use crate::log::{
    Append, Appended, Consumer, Entry, GroupState, Id, Log, Settle, Settled, Shelf, Start, Tend, Tended,
    Verdict,
};
use group::{Dead, Group, Holder};

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
    entries: BTreeMap<Id, Bytes>,
    last: Option<Id>,
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
}

impl Topic {
    fn next_id(&self, millis: u64) -> Id {
        match self.last {
            Some(last) if last.millis >= millis => Id { millis: last.millis, sequence: last.sequence + 1 },
            _ => Id { millis, sequence: 0 },
        }
    }

    /// Trims what every group has acknowledged; without groups nobody has.
    fn trim(&mut self) {
        let keeps = self.groups.values().map(|group| match (group.pending.keys().next(), group.delivered) {
            (Some(first), _) => Some(*first),
            (None, Some(delivered)) => Some(Id { sequence: delivered.sequence + 1, ..delivered }),
            (None, None) => None,
        });
        // `None` is least: a group that was given nothing keeps everything.
        if let Some(Some(keep)) = keeps.min() {
            self.entries = self.entries.split_off(&keep);
        }
    }

    fn after(&self, after: Option<Id>, deliveries: u64) -> impl Iterator<Item = Entry> + '_ {
        let comes = move |id: &Id| after.is_none_or(|after| *id > after);
        let entries = self.entries.iter().filter(move |(id, _)| comes(id));
        entries.map(move |(id, payload)| Entry { id: *id, payload: payload.clone(), deliveries, death: None })
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
    async fn append(&self, topic: &str, room: u64, entries: &[Append<'_>]) -> Result<Vec<Appended>, Error> {
        let (now, millis) = (Instant::now(), self.millis());
        let mut inner = self.inner();
        let (topic, Shared { once, .. }) = inner.of(topic);
        once.retain(|_, (_, until)| *until > now);
        let mut appended = Vec::with_capacity(entries.len());
        for entry in entries {
            if let Some((id, _)) = entry.once.and_then(|(key, _)| once.get(key)) {
                appended.push(Appended::Before(*id));
                continue;
            }
            if topic.entries.len() as u64 >= room {
                topic.trim();
                if topic.entries.len() as u64 >= room {
                    break;
                }
            }
            let id = topic.next_id(millis);
            topic.last = Some(id);
            topic.entries.insert(id, Bytes::copy_from_slice(entry.payload));
            if let Some((key, window)) = entry.once {
                once.insert(key.to_owned(), (id, now + window));
            }
            appended.push(Appended::Now(id));
        }
        appended.resize(entries.len(), Appended::Full);
        drop(inner);
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
                Verdict::Again(after) => pending.holder = Holder::Waits { due: now + *after },
                Verdict::Dead(reason) => {
                    let payload = entries.get(id).cloned().unwrap_or_default();
                    let entry = Entry { id: *id, payload, deliveries: pending.deliveries, death: None };
                    let dead = dead.entry(consumer.group.to_owned()).or_default();
                    group.bury(dead, entry, reason, millis);
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
        let given = group.take(consumer.name, tend.only, room, now.0, entries);
        let next = group.waiting(tend.only).first().map(|(at, _)| at.saturating_duration_since(now.0));
        Ok(Tended { is_alive, entries: given, trimmed: 0, due: next, reached })
    }

    async fn range(&self, shelf: Shelf<'_>, after: Option<Id>, count: usize) -> Result<Vec<Entry>, Error> {
        if let Shelf::News { topics, wait } = shelf {
            let none = |after| Entry { id: after, payload: Bytes::new(), deliveries: 0, death: None };
            let look = |inner: &mut Inner| -> Vec<Entry> {
                let first = |topic: &str, after| inner.topics.get(topic)?.after(Some(after), 0).next();
                topics
                    .iter()
                    .map(|(topic, after)| first(topic, *after).unwrap_or_else(|| none(*after)))
                    .collect()
            };
            let is_news = |found: &Vec<Entry>| found.iter().zip(topics).any(|(one, (_, id))| one.id != *id);
            let found = self.waiting(wait, |inner| Ok(Some(look(inner)).filter(is_news))).await?;
            return Ok(found.unwrap_or_else(|| topics.iter().map(|(_, id)| none(*id)).collect()));
        }
        let inner = self.inner();
        let comes = |id: Id| after.is_none_or(|after| id > after);
        Ok(match shelf {
            Shelf::News { .. } => Vec::new(),
            Shelf::Topic(topic) => {
                let topic = inner.topics.get(topic).into_iter();
                topic.flat_map(|topic| topic.after(after, 0)).take(count).collect()
            }
            Shelf::Dead { topic, group } => {
                let shared = inner.shared.get(lane::split(topic).0);
                let dead = shared.and_then(|shared| shared.dead.get(group)).into_iter().flatten();
                dead.filter(|entry| comes(entry.id)).take(count).cloned().collect()
            }
            Shelf::Waiting { topic, group } => {
                let Some(topic) = inner.topics.get(topic) else { return Ok(Vec::new()) };
                let pending = topic.groups.get(group).into_iter().flat_map(|group| &group.pending);
                let waits = pending.filter(|(id, pending)| comes(**id) && pending.due().is_some());
                let entry = |(id, pending): (&Id, &group::Pending)| {
                    let payload = topic.entries.get(id)?.clone();
                    Some(Entry { id: *id, payload, deliveries: pending.deliveries, death: None })
                };
                waits.filter_map(entry).take(count).collect()
            }
        })
    }

    async fn state(&self, topic: &str, group: &str) -> Result<GroupState, Error> {
        let inner = self.inner();
        let shared = inner.shared.get(lane::split(topic).0);
        let dead = shared.and_then(|shared| shared.dead.get(group)).map_or(0, Vec::len) as u64;
        let Some(topic) = inner.topics.get(topic) else {
            return Ok(GroupState { dead, ..GroupState::default() });
        };
        let entries = topic.entries.len() as u64;
        let Some(group) = topic.groups.get(group) else {
            return Ok(GroupState { entries, lag: entries, dead, ..GroupState::default() });
        };
        Ok(GroupState {
            entries,
            lag: topic.after(group.delivered, 0).count() as u64,
            pending: group.pending.len() as u64,
            waiting: group.waiting(None).len() as u64,
            dead,
            consumers: group.leases.len() as u64,
        })
    }
}

impl fmt::Debug for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topics").finish_non_exhaustive()
    }
}
