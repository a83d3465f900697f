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
use crate::payload;
use crate::transport::{self, Ear, Listening, Signal};

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
    is_up: AtomicBool,
    stand: watch::Sender<Stand>,
    slot: Mutex<Slot>,
    refusal: OnceLock<Error>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// The transport has said nothing yet.
    Coming,
    Up,
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
    pub(super) fn new(id: u64, name: Name, prefix: usize) -> Self {
        Self {
            id,
            name,
            prefix,
            members: Mutex::default(),
            is_up: AtomicBool::new(false),
            stand: watch::Sender::new(Stand::Coming),
            slot: Mutex::new(Slot::Empty),
            refusal: OnceLock::new(),
        }
    }

    pub(super) fn name(&self) -> &Name {
        &self.name
    }

    pub(super) fn join(&self, outlet: &Arc<Outlet>, now: Instant) {
        let mut members = self.members();
        let owed = (*self.stand.borrow() == Stand::Down).then_some(now);
        let member = Member { outlet: Arc::clone(outlet), since: now, owed };
        members.entry(outlet.id).or_insert(member);
    }

    /// Returns whether nobody is left.
    pub(super) fn leave(&self, outlet: u64) -> bool {
        let mut members = self.members();
        members.remove(&outlet);
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
            member.outlet.remove(&self.name);
        }
        self.end();
    }

    pub(super) fn refusal(&self) -> Option<Error> {
        self.refusal.get().cloned()
    }

    /// Has what `outlet` may miss since `since`, while it is not up, told as a gap.
    pub(super) fn owe(&self, outlet: u64, since: Instant) {
        let mut members = self.members();
        if !self.is_up()
            && let Some(member) = members.get_mut(&outlet)
        {
            member.owed.get_or_insert(since);
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Acquire)
    }

    pub(super) fn has_ended(&self) -> bool {
        *self.stand.borrow() == Stand::Ended
    }

    pub(super) fn stand(&self) -> watch::Receiver<Stand> {
        self.stand.subscribe()
    }

    fn turn(&self, stand: Stand) {
        self.is_up.store(stand == Stand::Up, Ordering::Release);
        self.stand.send_replace(stand);
    }

    fn up(&self) {
        let (mut members, now) = (self.members(), Instant::now());
        self.turn(Stand::Up);
        for member in members.values_mut() {
            member.since = now;
            if let Some(since) = member.owed.take() {
                member.outlet.miss(since, now);
            }
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

    fn fan_out(&self, channel: &str, payload: &Bytes) {
        let members = self.members();
        if !self.is_up() {
            return;
        }
        let topic: Arc<str> = Arc::from(channel.get(self.prefix..).unwrap_or_default());
        let key = LazyCell::new(|| key_of(&topic, payload));
        let at = Instant::now();
        for member in members.values() {
            let key = if member.outlet.conflates() { key.clone() } else { None };
            let message = Message { channel: Arc::clone(&topic), payload: payload.clone(), at, key };
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
            Signal::Message { channel, payload } => self.fan_out(&channel, &payload),
            Signal::Closed => {
                self.settle();
                self.members().values().for_each(|member| member.outlet.close());
            }
        }
    }

    async fn room(&self) {}
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
        matches!(self, Self::Up | Self::Ended)
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

    pub(super) fn source(&self) -> transport::Source {
        match self {
            Self::Channel(channel) => transport::Source::Channels(vec![channel.clone()]),
            Self::Pattern(pattern) => transport::Source::Pattern(pattern.clone()),
        }
    }
}
