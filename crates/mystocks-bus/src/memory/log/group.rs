//! A group of consumers, and what it was given.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use tokio::time::Instant;

use crate::log::{Death, Entry, Id};

#[derive(Default)]
pub(super) struct Group {
    /// The last one that somebody was given.
    pub(super) delivered: Option<Id>,
    pub(super) pending: BTreeMap<Id, Pending>,
    pub(super) leases: HashMap<String, Instant>,
}

pub(super) struct Pending {
    pub(super) holder: Holder,
    pub(super) deliveries: u64,
}

pub(super) enum Holder {
    Consumer(String),
    Waits { due: Instant },
}

/// The dead letters of a group, those of all lanes.
pub(super) type Dead = Vec<Entry>;

impl Pending {
    /// Returns when it is due, if it waits.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.holder {
            Holder::Waits { due } => Some(due),
            Holder::Consumer(_) => None,
        }
    }
}

impl Group {
    pub(super) fn bury(&mut self, dead: &mut Dead, entry: Entry, reason: &str, at: u64) {
        self.pending.remove(&entry.id);
        let sequence = dead.last().map_or(0, |last| last.id.sequence + 1);
        let death = Some(Death { id: entry.id, reason: reason.to_owned(), at });
        dead.push(Entry { id: Id { millis: at, sequence }, death, ..entry });
    }

    pub(super) fn held_by<'a>(&'a self, consumer: &'a str) -> impl Iterator<Item = Id> + 'a {
        let holds =
            move |pending: &Pending| matches!(&pending.holder, Holder::Consumer(name) if name == consumer);
        self.pending.iter().filter(move |(_, pending)| holds(pending)).map(|(id, _)| *id)
    }

    /// Gives entries to a consumer, for the first time.
    pub(super) fn give(&mut self, consumer: &str, given: &[Entry]) {
        for entry in given {
            let holder = Holder::Consumer(consumer.to_owned());
            self.pending.insert(entry.id, Pending { holder, deliveries: 1 });
            self.delivered = Some(entry.id);
        }
    }

    /// Has an entry wait with which no handler has begun.
    pub(super) fn give_back(&mut self, id: &Id, now: Instant) {
        if let Some(pending) = self.pending.get_mut(id) {
            pending.deliveries = pending.deliveries.saturating_sub(1);
            pending.holder = Holder::Waits { due: now };
        }
    }

    /// Takes away consumers whose leases have ended, and who have none.
    pub(super) fn clear(
        &mut self,
        entries: &BTreeMap<Id, Bytes>,
        dead: &mut Dead,
        most: u64,
        now: (Instant, u64),
    ) {
        let holders = self.pending.values().filter_map(|pending| match &pending.holder {
            Holder::Consumer(name) => Some(name),
            Holder::Waits { .. } => None,
        });
        let names: Vec<String> = self.leases.keys().chain(holders).cloned().collect();
        for name in names {
            if self.leases.get(&name).is_none_or(|until| *until <= now.0) {
                self.take_away(&name, entries, dead, most, now);
            }
        }
    }

    /// Takes a consumer away: what it has waits, or is dead when it was delivered too often.
    fn take_away(
        &mut self,
        consumer: &str,
        entries: &BTreeMap<Id, Bytes>,
        dead: &mut Dead,
        most: u64,
        now: (Instant, u64),
    ) {
        self.leases.remove(consumer);
        for id in self.held_by(consumer).collect::<Vec<_>>() {
            let Some(pending) = self.pending.get_mut(&id) else { continue };
            let deliveries = pending.deliveries;
            match entries.get(&id) {
                Some(payload) if deliveries >= most => {
                    let entry = Entry { id, payload: payload.clone(), deliveries, death: None };
                    self.bury(dead, entry, "its consumer died", now.1);
                }
                _ => pending.holder = Holder::Waits { due: now.0 },
            }
        }
    }

    /// Returns what waits and may be taken, what is due first before the rest, and when that is.
    pub(super) fn waiting(&self, only: Option<&[Id]>) -> Vec<(Instant, Id)> {
        let due = |id: &Id| Some((self.pending.get(id)?.due()?, *id));
        let mut waiting: Vec<_> = match only {
            Some(only) => only.iter().filter_map(due).collect(),
            None => self.pending.keys().filter_map(due).collect(),
        };
        waiting.sort_unstable();
        waiting
    }

    /// Takes at most `room` of what waits and is due; returns what the consumer has now.
    pub(super) fn take(
        &mut self,
        consumer: &str,
        only: Option<&[Id]>,
        room: usize,
        now: Instant,
        entries: &BTreeMap<Id, Bytes>,
    ) -> Vec<Entry> {
        let due = self.waiting(only).into_iter().filter(|(at, _)| *at <= now).take(room);
        let mut given = Vec::new();
        for (_, id) in due {
            if let (Some(pending), Some(payload)) = (self.pending.get_mut(&id), entries.get(&id)) {
                pending.holder = Holder::Consumer(consumer.to_owned());
                pending.deliveries += 1;
                let (payload, deliveries) = (payload.clone(), pending.deliveries);
                given.push(Entry { id, payload, deliveries, death: None });
            }
        }
        given
    }
}
