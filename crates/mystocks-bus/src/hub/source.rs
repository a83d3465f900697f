//! What a hub listens to once, and who wants it.

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use mystocks_keys::{Channel, ChannelName, ChannelPattern};
use tokio::sync::watch;
use tokio::time::Instant;

use super::outlet::Outlet;
use crate::error::Error;
use crate::event::{MarketEvent, PriceUpdate};
use crate::feed::Message;
use crate::log::Id;
use crate::payload;
use crate::transport::{self, Ear, Interest, Listening, Signal};

/// What can be subscribed to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Name {
    Channel(Channel),
    Pattern(ChannelPattern),
}

pub(super) struct Source {
    pub(super) id: u64,
    name: Name,
    prefix: usize,
    members: Mutex<BTreeMap<u64, Member>>,
    serves: AtomicBool,
    stand: watch::Sender<Stand>,
    slot: Mutex<Slot>,
    refusal: OnceLock<Error>,
    /// After which message it begins; then it is one client's own.
    after: Option<Id>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// The transport has said nothing yet.
    Coming,
    Up,
    /// All comes, but not at once.
    Late,
    Down,
    Ended,
}

struct Member {
    outlet: Arc<Outlet>,
    /// Since when all is promised to it.
    since: Instant,
    /// Since when it misses what the next gap tells.
    owed: Option<Instant>,
}

enum Slot {
    Empty,
    Held(#[expect(dead_code, reason = "it is there to be dropped")] Listening),
    Ended,
}

impl Source {
    pub(super) fn new(id: u64, name: Name, prefix: usize, after: Option<Id>) -> Self {
        Self {
            id,
            name,
            prefix,
            members: Mutex::default(),
            serves: AtomicBool::new(false),
            stand: watch::Sender::new(Stand::Coming),
            slot: Mutex::new(Slot::Empty),
            refusal: OnceLock::new(),
            after,
        }
    }

    pub(super) fn name(&self) -> &Name {
        &self.name
    }

    /// Returns whether it is one client's own.
    pub(super) fn is_own(&self) -> bool {
        self.after.is_some()
    }

    pub(super) fn interest(&self) -> Interest {
        let mut interest = Interest::new(self.name.source());
        if let (Name::Channel(channel), Some(id)) = (&self.name, self.after) {
            interest.after.insert(channel.clone(), id);
        }
        interest
    }

    pub(super) fn join(&self, outlet: &Arc<Outlet>, now: Instant) {
        let mut members = self.members();
        let owed = matches!(*self.stand.borrow(), Stand::Down | Stand::Late).then_some(now);
        let member = Member { outlet: Arc::clone(outlet), since: now, owed };
        members.entry(outlet.id).or_insert(member);
    }

    /// Ends what it is to `outlet`; returns whether nobody is left.
    pub(super) fn leave(&self, outlet: &Outlet) -> bool {
        let mut members = self.members();
        let owed = members.remove(&outlet.id).and_then(|member| member.owed);
        outlet.remove(&self.name, owed);
        members.is_empty()
    }

    /// Keeps what has it listen, until it ends.
    pub(super) fn hold(&self, listening: Listening) {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*slot, Slot::Empty) {
            *slot = Slot::Held(listening);
        } else {
            // The transport may have locked what it needs to end the listening.
            drop(slot);
            drop(listening);
        }
    }

    /// Ends the listening, and tells what is owed.
    pub(super) fn end(&self) {
        self.settle();
        let held = {
            let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *slot, Slot::Ended)
        };
        drop(held);
    }

    pub(super) fn refuse(&self, error: &Error) {
        let _ = self.refusal.set(error.clone());
        for (_, member) in std::mem::take(&mut *self.members()) {
            member.outlet.remove(&self.name, None);
        }
        self.end();
    }

    pub(super) fn refusal(&self) -> Option<Error> {
        self.refusal.get().cloned()
    }

    /// Has what `outlet` may miss since `since`, while it is not up, told as a gap.
    pub(super) fn owe(&self, outlet: u64, since: Instant) {
        let mut members = self.members();
        if !self.serves()
            && let Some(member) = members.get_mut(&outlet)
        {
            member.owed.get_or_insert(since);
        }
    }

    /// Returns whether all comes, be it late.
    pub(super) fn serves(&self) -> bool {
        self.serves.load(Ordering::Acquire)
    }

    pub(super) fn is_up(&self) -> bool {
        *self.stand.borrow() == Stand::Up
    }

    pub(super) fn has_ended(&self) -> bool {
        *self.stand.borrow() == Stand::Ended
    }

    pub(super) fn stand(&self) -> watch::Receiver<Stand> {
        self.stand.subscribe()
    }

    fn turn(&self, stand: Stand) {
        self.serves.store(matches!(stand, Stand::Up | Stand::Late), Ordering::Release);
        self.stand.send_replace(stand);
    }

    fn up(&self) {
        let (mut members, now) = (self.members(), Instant::now());
        let was_late = *self.stand.borrow() == Stand::Late;
        self.turn(Stand::Up);
        for member in members.values_mut() {
            member.since = now;
            if let (Some(since), false) = (member.owed.take(), was_late) {
                member.outlet.miss(since, now);
            }
        }
    }

    fn late(&self, since: Instant) {
        let (mut members, now) = (self.members(), Instant::now());
        let was_late = *self.stand.borrow() == Stand::Late;
        self.turn(Stand::Late);
        for member in members.values_mut().filter(|_| !was_late) {
            if let Some(since) = member.owed.take() {
                member.outlet.miss(since, now);
                member.since = now;
            }
            // Told when it ends before it is up.
            member.owed = Some(since.max(member.since));
        }
    }

    fn lost(&self, since: Instant, until: Instant) {
        let members = self.members();
        if self.serves() {
            // Who resumes asked for what was before.
            let begun = |member: &Member| if self.is_own() { since } else { since.max(member.since) };
            members.values().for_each(|member| member.outlet.miss(begun(member).min(until), until));
        }
    }

    fn down(&self, since: Instant) {
        let mut members = self.members();
        self.turn(Stand::Down);
        for member in members.values_mut() {
            member.owed.get_or_insert(since.max(member.since));
        }
    }

    fn settle(&self) {
        let (mut members, now) = (self.members(), Instant::now());
        self.turn(Stand::Ended);
        for member in members.values_mut() {
            if let Some(since) = member.owed.take() {
                member.outlet.miss(since, now);
            }
        }
    }

    fn fan_out(&self, channel: &str, payload: &Bytes, id: Option<Id>) {
        let members = self.members();
        if !self.serves() {
            return;
        }
        let topic: Arc<str> = Arc::from(channel.get(self.prefix..).unwrap_or_default());
        let key = LazyCell::new(|| key_of(&topic, payload));
        let at = Instant::now();
        for member in members.values() {
            let key = if member.outlet.conflates() { key.clone() } else { None };
            let message = Message { channel: Arc::clone(&topic), payload: payload.clone(), at, key, id };
            member.outlet.offer(self, channel, message);
        }
    }

    fn members(&self) -> MutexGuard<'_, BTreeMap<u64, Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Ear for Source {
    fn hear(&self, signal: Signal) {
        match signal {
            Signal::Up => self.up(),
            Signal::Down { since } => self.down(since),
            Signal::Late { since } => self.late(since),
            Signal::Lost { since, until } => self.lost(since, until),
            Signal::Message { channel, payload, id } => self.fan_out(&channel, &payload, id),
            Signal::Closed => {
                self.settle();
                self.members().values().for_each(|member| member.outlet.close());
            }
        }
    }

    async fn room(&self, bytes: usize) {
        // What others want, too, waits for nobody.
        let only =
            self.is_own().then(|| self.members().values().next().map(|member| Arc::clone(&member.outlet)));
        if let Some(Some(outlet)) = only {
            outlet.room(bytes).await;
        }
    }
}

/// Returns what a message is about, together with its topic: what stands on one never replaces what stands on another.
fn key_of(topic: &str, payload: &[u8]) -> Option<Arc<str>> {
    let key = match ChannelName::named(topic)? {
        ChannelName::PriceUpdate => payload::key_of::<PriceUpdate>(payload),
        ChannelName::Market | ChannelName::MarketOf(_) => payload::key_of::<MarketEvent>(payload),
        _ => None,
    };
    key.map(|key| Arc::from(format!("{topic}\0{key}")))
}

impl Stand {
    pub(super) fn is_settled(self) -> bool {
        matches!(self, Self::Up | Self::Late | Self::Ended)
    }
}

impl Name {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Channel(channel) => channel.as_str(),
            Self::Pattern(pattern) => pattern.as_str(),
        }
    }

    /// Returns what an error calls it.
    pub(super) fn subject(&self) -> &str {
        match self {
            Self::Channel(channel) => channel.name(),
            Self::Pattern(pattern) => pattern.as_str(),
        }
    }

    pub(super) fn is_pattern(&self) -> bool {
        matches!(self, Self::Pattern(_))
    }

    pub(super) fn matches(&self, channel: &str) -> bool {
        match self {
            Self::Channel(wanted) => wanted.as_str() == channel,
            Self::Pattern(pattern) => pattern.matches(channel),
        }
    }

    /// Returns whether something may come by both; of two patterns it is not known.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Pattern(_), Self::Pattern(_)) => true,
            (_, Self::Channel(channel)) => self.matches(channel.as_str()),
            (Self::Channel(channel), Self::Pattern(_)) => other.matches(channel.as_str()),
        }
    }

    pub(super) fn source(&self) -> transport::Source {
        match self {
            Self::Channel(channel) => transport::Source::Channels(vec![channel.clone()]),
            Self::Pattern(pattern) => transport::Source::Pattern(pattern.clone()),
        }
    }
}
