//! Durable topics within one process.

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
    Append, Appended, Consumer, Death, Entry, GroupState, Id, Log, Settle, Settled, Shelf, Start, Tend,
    Tended, Verdict,
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
    entries: BTreeMap<Id, Bytes>,
    last: Option<Id>,
    once: HashMap<String, (Id, Instant)>,
    groups: HashMap<String, Group>,
}

#[derive(Default)]
struct Group {
    /// The last one that somebody was given.
    delivered: Option<Id>,
    pending: BTreeMap<Id, Pending>,
    leases: HashMap<String, Instant>,
    dead: Vec<Entry>,
}

struct Pending {
    holder: Holder,
    deliveries: u64,
}

enum Holder {
    Consumer(String),
    Waits { due: Instant },
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
}

impl Group {
    fn bury(&mut self, id: Id, payload: Bytes, deliveries: u64, reason: &str, at: u64) {
        self.pending.remove(&id);
        let sequence = self.dead.last().map_or(0, |last| last.id.sequence + 1);
        let death = Death { id, reason: reason.to_owned(), at };
        self.dead.push(Entry { id: Id { millis: at, sequence }, payload, deliveries, death: Some(death) });
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
            pending.holder = Holder::Waits { due: now };
        }
    }

    /// Takes a consumer away: what it has waits, or is dead when it was delivered too often.
    fn take_away(&mut self, consumer: &str, entries: &BTreeMap<Id, Bytes>, most: u64, now: (Instant, u64)) {
        self.leases.remove(consumer);
        for id in self.held_by(consumer).collect::<Vec<_>>() {
            let Some(pending) = self.pending.get_mut(&id) else { continue };
            let deliveries = pending.deliveries;
            match entries.get(&id) {
                Some(payload) if deliveries >= most => {
                    self.bury(id, payload.clone(), deliveries, "its consumer died", now.1);
                }
                _ => pending.holder = Holder::Waits { due: now.0 },
            }
        }
    }
}

#[async_trait]
impl Log for MemoryLog {
    async fn append(&self, topic: &str, room: u64, entries: &[Append<'_>]) -> Result<Vec<Appended>, Error> {
        let (now, millis) = (Instant::now(), self.millis());
        let mut inner = self.inner();
        let topic = inner.entry(topic.to_owned()).or_default();
        topic.once.retain(|_, (_, until)| *until > now);
        let mut appended = Vec::with_capacity(entries.len());
        for entry in entries {
            if let Some((id, _)) = entry.once.and_then(|(key, _)| topic.once.get(key)) {
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
                topic.once.insert(key.to_owned(), (id, now + window));
            }
            appended.push(Appended::Now(id));
        }
        appended.resize(entries.len(), Appended::Full);
        drop(inner);
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
                    .map(|(id, payload)| Entry {
                        id: *id,
                        payload: payload.clone(),
                        deliveries: 1,
                        death: None,
                    })
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
                Verdict::Again(after) => pending.holder = Holder::Waits { due: now + *after },
                Verdict::Dead(reason) => {
                    let deliveries = pending.deliveries;
                    let payload = topic.entries.get(id).cloned().unwrap_or_default();
                    group.bury(*id, payload, deliveries, reason, millis);
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
        let mut given = Vec::new();
        if is_alive {
            let mut due: Vec<(Instant, Id)> = group.pending.iter().filter_map(due).collect();
            due.sort_unstable();
            for (_, id) in due.into_iter().filter(|(at, _)| *at <= now.0).take(tend.room) {
                if let Some(pending) = group.pending.get_mut(&id) {
                    pending.holder = Holder::Consumer(consumer.name.to_owned());
                    pending.deliveries += 1;
                    given.push(id);
                }
            }
        }
        let entry = |id: Id| {
            let (payload, pending) = (entries.get(&id)?.clone(), group.pending.get(&id)?);
            Some(Entry { id, payload, deliveries: pending.deliveries, death: None })
        };
        let next = group.pending.iter().filter_map(due).min();
        Ok(Tended {
            is_alive,
            entries: given.into_iter().filter_map(entry).collect(),
            trimmed: 0,
            due: next.map(|(at, _)| at.saturating_duration_since(now.0)),
        })
    }

    async fn range(&self, shelf: Shelf<'_>, after: Option<Id>, count: usize) -> Result<Vec<Entry>, Error> {
        let inner = self.inner();
        let comes = |id: Id| after.is_none_or(|after| id > after);
        Ok(match shelf {
            Shelf::Topic(topic) => {
                let entries = inner.get(topic).into_iter().flat_map(|topic| &topic.entries);
                let entries = entries.filter(|(id, _)| comes(**id)).take(count);
                entries
                    .map(|(id, payload)| Entry {
                        id: *id,
                        payload: payload.clone(),
                        deliveries: 0,
                        death: None,
                    })
                    .collect()
            }
            Shelf::Dead { topic, group } => {
                let group = inner.get(topic).and_then(|topic| topic.groups.get(group));
                let dead = group.into_iter().flat_map(|group| &group.dead);
                dead.filter(|entry| comes(entry.id)).take(count).cloned().collect()
            }
        })
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
        })
    }
}

fn due((id, pending): (&Id, &Pending)) -> Option<(Instant, Id)> {
    match pending.holder {
        Holder::Waits { due } => Some((due, *id)),
        Holder::Consumer(_) => None,
    }
}

impl fmt::Debug for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topics").finish_non_exhaustive()
    }
}
