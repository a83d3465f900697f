//! Appending to a topic in memory.

use std::collections::HashSet;

use bytes::Bytes;
use tokio::time::Instant;

use super::group::{Dead, Stored};
use super::{Shared, Topic};
use crate::log::{Append, Appended, Id, Once, Room};

/// How many more there may be before they are cut.
const SLACK: usize = 128;

impl Topic {
    /// Appends all of `entries` or none; `millis` is the time since the epoch.
    pub(super) fn append(
        &mut self,
        shared: &mut Shared,
        room: Room,
        entries: &[Append<'_>],
        now: Instant,
        millis: u64,
    ) -> Vec<Appended> {
        shared.once.retain(|_, (_, until)| *until > now);
        if let Room::Safe(most) = room {
            let news = shared.news(entries);
            let is_full = |topic: &Self| news > 0 && topic.entries.len() as u64 + news > most;
            if is_full(self) {
                self.trim();
            }
            if is_full(self) {
                return vec![Appended::Full; entries.len()];
            }
        }
        let appended = entries.iter().map(|entry| self.append_one(shared, entry, now, millis)).collect();
        if let Room::Latest(most) = room {
            self.cut(usize::try_from(most).unwrap_or(usize::MAX));
        }
        appended
    }

    fn append_one(&mut self, shared: &mut Shared, entry: &Append<'_>, now: Instant, millis: u64) -> Appended {
        match entry.once {
            None => Appended::Now(self.put(entry.payload, None, millis)),
            Some(Once::Key(key, window)) => {
                if let Some((id, _)) = shared.once.get(key) {
                    return Appended::Before(*id);
                }
                let id = self.put(entry.payload, None, millis);
                shared.once.insert(key.to_owned(), (id, now + window));
                Appended::Now(id)
            }
            Some(Once::Letter { group, id }) => {
                if !shared.dead.get_mut(group).is_some_and(|dead| dead.remove(id)) {
                    return Appended::Gone;
                }
                Appended::Now(self.put(entry.payload, Some(group), millis))
            }
        }
    }

    fn put(&mut self, payload: &[u8], only: Option<&str>, millis: u64) -> Id {
        let id = match self.last {
            Some(last) if last.millis >= millis => Id { millis: last.millis, sequence: last.sequence + 1 },
            _ => Id { millis, sequence: 0 },
        };
        self.last = Some(id);
        self.count += 1;
        let payload = Bytes::copy_from_slice(payload);
        self.entries.insert(id, Stored { number: self.count, payload, only: only.map(str::to_owned) });
        id
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

    /// Trims the oldest beyond `most`, and counts for each group what it was not given.
    fn cut(&mut self, most: usize) {
        let excess = self.entries.len().saturating_sub(most);
        if excess <= SLACK.min(most / 100) {
            return;
        }
        for id in self.entries.keys().take(excess) {
            for group in self.groups.values_mut() {
                group.trimmed += u64::from(group.delivered.is_none_or(|delivered| *id > delivered));
            }
        }
        if let Some(keep) = self.entries.keys().nth(excess).copied() {
            self.entries = self.entries.split_off(&keep);
        } else {
            self.entries.clear();
        }
    }
}

impl Shared {
    /// Returns how many of `entries` do not stand there yet.
    fn news(&self, entries: &[Append<'_>]) -> u64 {
        let (mut keys, mut letters) = (HashSet::new(), HashSet::new());
        let onces = entries.iter().map(|entry| entry.once);
        let is_new = onces.filter(|once| match *once {
            None => true,
            Some(Once::Key(key, _)) => !self.once.contains_key(key) && keys.insert(key),
            Some(Once::Letter { group, id }) => {
                self.dead.get(group).is_some_and(|dead| dead.has(id)) && letters.insert((group, id))
            }
        });
        is_new.count() as u64
    }
}

impl Dead {
    fn has(&self, id: Id) -> bool {
        self.letters.iter().any(|letter| letter.id == id)
    }

    fn remove(&mut self, id: Id) -> bool {
        let at = self.letters.iter().position(|letter| letter.id == id);
        at.map(|at| self.letters.remove(at)).is_some()
    }
}
