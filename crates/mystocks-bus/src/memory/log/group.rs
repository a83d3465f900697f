//! A group of consumers, and what it was given.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use tokio::time::Instant;

use crate::log::{Death, Entry, Id, Tend};

#[derive(Default)]
pub(super) struct Group {
    /// The last one that somebody was given.
    pub(super) delivered: Option<Id>,
    pub(super) pending: BTreeMap<Id, Pending>,
    pub(super) leases: HashMap<String, Instant>,
    /// Were trimmed before anybody was given them.
    pub(super) trimmed: u64,
}

pub(super) struct Stored {
    pub(super) number: u64,
    pub(super) payload: Bytes,
    pub(super) only: Option<String>,
}

pub(super) struct Pending {
    pub(super) holder: Holder,
    pub(super) deliveries: u64,
}

pub(super) enum Holder {
    Consumer(String),
    Waits { due: Instant, orphaned: bool },
}

/// The dead letters of a group, those of all lanes.
#[derive(Default)]
pub(super) struct Dead {
    pub(super) letters: Vec<Entry>,
    /// The sequence of the next one.
    next: u64,
}

impl Dead {
    pub(super) fn bury(&mut self, was: Id, stored: &Stored, deliveries: u64, reason: &str, at: u64) {
        let death = Some(Death { id: was, reason: reason.to_owned(), at });
        let id = Id { millis: at, sequence: self.next };
        self.next += 1;
        self.letters.push(Entry { payload: stored.payload.clone(), deliveries, death, ..Entry::nothing(id) });
    }
}

impl Stored {
    pub(super) fn entry(&self, id: Id, deliveries: u64) -> Entry {
        let (payload, only) = (self.payload.clone(), self.only.clone());
        Entry { id, number: self.number, payload, only, deliveries, orphaned: false, death: None }
    }
}

impl Pending {
    /// Returns whether who had it last died.
    fn is_orphaned(&self) -> bool {
        matches!(self.holder, Holder::Waits { orphaned: true, .. })
    }

    /// Returns whether its next delivery is to be alone.
    fn is_suspect(&self, alone: u64) -> bool {
        self.is_orphaned() && self.deliveries + 1 >= alone
    }

    /// Returns when it is due, if it waits.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.holder {
            Holder::Waits { due, .. } => Some(due),
            Holder::Consumer(_) => None,
        }
    }
}

impl Group {
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
            pending.holder = Holder::Waits { due: now, orphaned: false };
        }
    }

    /// Takes away consumers whose leases have ended, and who have none.
    pub(super) fn clear(
        &mut self,
        entries: &BTreeMap<Id, Stored>,
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
        entries: &BTreeMap<Id, Stored>,
        dead: &mut Dead,
        most: u64,
        now: (Instant, u64),
    ) {
        self.leases.remove(consumer);
        for id in self.held_by(consumer).collect::<Vec<_>>() {
            let Some(pending) = self.pending.get_mut(&id) else { continue };
            let deliveries = pending.deliveries;
            match entries.get(&id) {
                Some(stored) if deliveries >= most => {
                    self.pending.remove(&id);
                    dead.bury(id, stored, deliveries, "its consumer died", now.1);
                }
                _ => pending.holder = Holder::Waits { due: now.0, orphaned: true },
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

    /// Returns all that waits, by id.
    pub(super) fn all_waiting<'a>(
        &'a self,
        entries: &'a BTreeMap<Id, Stored>,
    ) -> impl DoubleEndedIterator<Item = Entry> + 'a {
        let waits = self.pending.iter().filter(|(_, pending)| pending.due().is_some());
        waits.map(|(id, pending)| {
            let stored = entries.get(id).map(|stored| stored.entry(*id, pending.deliveries));
            let entry =
                stored.unwrap_or_else(|| Entry { deliveries: pending.deliveries, ..Entry::nothing(*id) });
            Entry { orphaned: pending.is_orphaned(), ..entry }
        })
    }

    /// Takes what waits, is due and is asked for; returns what the consumer has now, and how many were trimmed.
    pub(super) fn take(
        &mut self,
        consumer: &str,
        tend: &Tend<'_>,
        now: Instant,
        entries: &BTreeMap<Id, Stored>,
    ) -> (Vec<Entry>, u64) {
        let due = self.waiting(tend.only).into_iter().filter(|(at, _)| *at <= now);
        let (mut given, mut trimmed, mut has_suspect) = (Vec::new(), 0, false);
        for (_, id) in due {
            let is_suspect = self.pending.get(&id).is_some_and(|pending| pending.is_suspect(tend.alone));
            // Nothing else is given together with it.
            if has_suspect
                || given.len() >= tend.room
                || is_suspect && (!tend.takes_alone || !given.is_empty())
            {
                continue;
            }
            has_suspect = is_suspect;
            match (self.pending.get_mut(&id), entries.get(&id)) {
                (Some(pending), Some(stored)) => {
                    let orphaned = pending.is_orphaned();
                    pending.holder = Holder::Consumer(consumer.to_owned());
                    pending.deliveries += 1;
                    given.push(Entry { orphaned, ..stored.entry(id, pending.deliveries) });
                }
                _ => {
                    self.pending.remove(&id);
                    trimmed += 1;
                }
            }
        }
        (given, trimmed)
    }
}
