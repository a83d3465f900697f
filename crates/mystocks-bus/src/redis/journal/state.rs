//! What a listener knows, and what it has told its ear.

mod place;

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use mystocks_keys::{Channel, Journal, Keyspace};
use tokio::time::Instant;

use super::store::{End, Standing};
use super::{LIFE, LIFE_MILLIS};
use crate::log::Id;
use crate::transport::{Ear, Signal};
use place::Place;

/// So much is held back at most; beyond it is read up on once more.
const HELD_MESSAGES: usize = 1024;
const HELD_BYTES: usize = 1 << 20;

pub(super) struct State {
    ear: Arc<dyn Ear>,
    keyspace: Keyspace,
    stand: Stand,
    /// Counts connections that came and went: what was asked for another one does not count.
    turn: u64,
    told: Told,
    /// All that was published before has come.
    since: Instant,
    identity: String,
    /// Where channels begin of which nothing was known when the listening began.
    origin: Id,
    /// By the channel on which the journal is told.
    places: HashMap<Arc<str>, Place>,
}

enum Stand {
    /// Nothing is pushed.
    Away,
    /// What is pushed is held back until what was before has been read.
    Behind(Held),
    Live,
    Ended,
}

#[derive(Default)]
struct Held {
    messages: VecDeque<(Arc<str>, Bytes)>,
    bytes: usize,
    /// There was more: the journals have it.
    is_spilled: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    Down,
    Late,
    Up,
}

/// What is left to do before it is live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    /// Nothing, or nothing that counts.
    Over,
    /// To read once more: too much came meanwhile.
    Again,
    /// To hand on what is held back, first something of so many bytes.
    Held(usize),
}

/// A journal that goes on after what has come.
#[derive(Debug, Clone)]
pub(super) struct Behind {
    pub(super) live: Arc<str>,
    pub(super) journal: Journal,
    pub(super) until: Id,
}

impl State {
    pub(super) fn new(ear: Arc<dyn Ear>, keyspace: Keyspace) -> Self {
        Self {
            ear,
            keyspace,
            stand: Stand::Away,
            turn: 0,
            told: Told::Nothing,
            since: Instant::now(),
            identity: String::new(),
            origin: Id { millis: 0, sequence: 0 },
            places: HashMap::new(),
        }
    }

    /// Takes in where the listening begins: all that is published after `since` will come.
    pub(super) fn begin(&mut self, since: Instant, standing: Standing) {
        self.since = since;
        self.identity = standing.identity;
        self.origin = Id { millis: standing.now, sequence: 0 };
    }

    /// Adds a channel; unless a position is given, with what is published from now on.
    pub(super) fn admit(&mut self, channel: &Channel, position: Option<(Id, Option<Instant>)>) {
        if let Ok(journal) = self.keyspace.journal(channel) {
            let (position, since) = position.unwrap_or((self.origin, None));
            let live = Arc::from(journal.live().as_str());
            self.places.entry(live).or_insert_with(|| Place::new(channel, journal, position, since));
        }
    }

    /// Takes in that there is no connection before it has begun; `is_given` is where it is to begin.
    pub(super) fn absent(&mut self, is_given: bool) {
        if is_given && !self.has_ended() {
            self.late();
        } else if self.told == Told::Nothing && !self.has_ended() {
            self.told = Told::Down;
            self.ear.hear(Signal::Down { since: self.since });
        }
    }

    pub(super) fn up(&mut self) {
        if !self.has_ended() {
            self.turn += 1;
            self.stand = Stand::Behind(Held::default());
            for place in self.places.values_mut() {
                (place.pushed, place.excused) = (None, None);
            }
        }
    }

    pub(super) fn down(&mut self, since: Instant) {
        if self.has_ended() {
            return;
        }
        self.turn += 1;
        self.stand = Stand::Away;
        if self.told == Told::Up {
            self.since = since;
        }
        self.late();
    }

    /// Ends it, and says so unless it was its owner who ended it.
    pub(super) fn end(&mut self, is_told: bool) {
        if !self.has_ended() && is_told {
            self.ear.hear(Signal::Closed);
        }
        self.stand = Stand::Ended;
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.stand, Stand::Ended)
    }

    /// Returns the turn in which something is to be read up on.
    pub(super) fn is_behind(&self) -> Option<u64> {
        matches!(self.stand, Stand::Behind(_)).then_some(self.turn)
    }

    /// Takes in what was pushed.
    pub(super) fn push(&mut self, live: &Arc<str>, message: Bytes) {
        match &mut self.stand {
            Stand::Away | Stand::Ended => {}
            Stand::Live => self.deliver(live, &message),
            Stand::Behind(held) => {
                held.bytes += message.len();
                held.messages.push_back((Arc::clone(live), message));
                if held.messages.len() > HELD_MESSAGES || held.bytes > HELD_BYTES {
                    *held = Held { is_spilled: true, ..Held::default() };
                }
            }
        }
    }

    /// Returns all journals and where they are told.
    pub(super) fn journals(&self) -> Vec<(Arc<str>, Journal)> {
        self.places.iter().map(|(live, place)| (Arc::clone(live), place.journal.clone())).collect()
    }

    /// Takes in where the journals end, and returns those to read; tells of what nobody can read any more.
    pub(super) fn compare(
        &mut self,
        turn: u64,
        standing: &Standing,
        ends: impl Iterator<Item = (Arc<str>, Option<End>)>,
    ) -> Option<Vec<Behind>> {
        if self.is_behind() != Some(turn) {
            return None;
        }
        // What another server has not, or what has lived its life, leaves no trace in the journals.
        let is_forgotten = self.identity != standing.identity || self.since.elapsed() >= LIFE;
        if is_forgotten {
            self.identity.clone_from(&standing.identity);
            self.lost(None);
            self.places.values_mut().for_each(|place| place.excused = Some(standing.now));
        }
        let mut behind = Vec::new();
        for (live, end) in ends {
            let Some(place) = self.places.get_mut(&live) else { continue };
            let is_lost = match end {
                None => {
                    // A journal ends by itself a day after its last entry, and then nothing is missing.
                    let is_old = place.since.is_none()
                        && standing.now.saturating_sub(place.position.millis) >= LIFE_MILLIS;
                    let is_lost = place.position.sequence > 0 && !is_old;
                    place.position = Id { millis: standing.now, sequence: 0 };
                    is_lost
                }
                // The server has gone back to before what it told.
                Some(end) if end.last < place.reached() => {
                    place.position = end.last;
                    true
                }
                Some(end) if end.last == place.reached() => false,
                Some(end) => {
                    let journal = place.journal.clone();
                    behind.push(Behind { live: Arc::clone(&live), journal, until: end.last });
                    continue;
                }
            };
            // Up to here it is settled: what comes of it later is in no gap that was told now.
            let (excused, since) = (place.excused.take(), place.since.take());
            if is_lost && excused.is_none() {
                self.lost(since);
            }
        }
        Some(behind)
    }

    /// Returns up to where a channel has come.
    pub(super) fn position(&self, live: &str) -> Id {
        self.places.get(live).map_or(self.origin, Place::reached)
    }

    /// Takes in an entry that was read, of a journal that was born then; returns whether that still counts.
    pub(super) fn read(&mut self, turn: u64, live: &str, id: Id, born: Option<u64>, payload: Bytes) -> bool {
        if self.is_behind() != Some(turn) {
            return false;
        }
        let Some(place) = self.places.get_mut(live).filter(|place| id > place.reached()) else { return true };
        let (is_lost, since) = place.read(id, born);
        let channel = Arc::clone(&place.channel);
        self.late();
        if is_lost {
            self.lost(since);
        }
        self.ear.hear(Signal::Message { channel, payload, id: Some(id) });
        true
    }

    /// Takes in that what was to be read up to `until` is not there.
    pub(super) fn skip(&mut self, turn: u64, live: &str, until: Id) -> bool {
        if self.is_behind() != Some(turn) {
            return false;
        }
        if let Some(place) = self.places.get_mut(live) {
            let (is_lost, since) = place.read(until, None);
            if is_lost {
                self.lost(since);
            }
        }
        true
    }

    /// Goes live when nothing is held back any more.
    pub(super) fn finish(&mut self, turn: u64) -> Finish {
        let Stand::Behind(held) = &mut self.stand else { return Finish::Over };
        if self.turn != turn {
            return Finish::Over;
        }
        if held.is_spilled {
            *held = Held::default();
            return Finish::Again;
        }
        if let Some((_, message)) = held.messages.front() {
            return Finish::Held(split(message).map_or(0, |(_, payload)| payload.len()));
        }
        self.stand = Stand::Live;
        for place in self.places.values_mut() {
            (place.since, place.excused) = (None, None);
        }
        self.told = Told::Up;
        self.ear.hear(Signal::Up);
        Finish::Over
    }

    /// Hands on the first that is held back, unless the journals have to be read for those before it.
    pub(super) fn hand_on(&mut self, turn: u64) {
        let Stand::Behind(held) = &mut self.stand else { return };
        if self.turn != turn || held.is_spilled {
            return;
        }
        if let Some((live, message)) = held.messages.pop_front() {
            held.bytes -= message.len();
            self.deliver(&live, &message);
        }
    }

    /// Hands on what was pushed, unless it was read.
    fn deliver(&mut self, live: &Arc<str>, message: &Bytes) {
        let Some((id, payload)) = split(message) else { return };
        if !self.places.contains_key(live)
            && let Some(channel) = self.keyspace.journaled(live)
        {
            self.make_room(id);
            self.admit(&channel, None);
        }
        let Some(place) = self.places.get_mut(live) else { return };
        if place.push(id) {
            let channel = Arc::clone(&place.channel);
            if !matches!(self.stand, Stand::Live) {
                self.late();
            }
            self.ear.hear(Signal::Message { channel, payload, id: Some(id) });
        }
    }

    /// Forgets the channels of a pattern whose journals have lived their lives: nothing of them can be missed.
    fn make_room(&mut self, now: Id) {
        if self.places.len() == self.places.capacity() {
            self.places.retain(|_, place| place.position.millis.saturating_add(LIFE_MILLIS) >= now.millis);
        }
    }

    /// Says that messages come late.
    fn late(&mut self) {
        if mem::replace(&mut self.told, Told::Late) != Told::Late {
            self.ear.hear(Signal::Late { since: self.since });
        }
    }

    fn lost(&mut self, since: Option<Instant>) {
        self.late();
        let (since, until) = (since.unwrap_or(self.since), Instant::now());
        self.ear.hear(Signal::Lost { since: since.min(until), until });
    }
}

/// Reads `id payload`.
fn split(message: &Bytes) -> Option<(Id, Bytes)> {
    let space = message.iter().position(|byte| *byte == b' ')?;
    let id = Id::read(std::str::from_utf8(message.get(..space)?).ok()?)?;
    Some((id, message.slice(space + 1..)))
}

#[cfg(test)]
mod tests;
