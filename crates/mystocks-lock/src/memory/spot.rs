//! One spot: who holds it and who waits.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::backend::{Acquire, Grant, Holder, Share, State};
use crate::token::Token;

/// For how long the first in the queue may be overtaken by who came later.
const LONG: Duration = Duration::from_millis(500);

/// When something is done: on tokio's clock, and since the Unix epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) at: Instant,
    pub(super) wall: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Spot {
    held: Vec<Held>,
    pub(super) queue: BTreeMap<u64, Waiter>,
    fence: u64,
}

#[derive(Debug)]
pub(super) struct Held {
    pub(super) token: Token,
    pub(super) node: u64,
    weight: u32,
    until: Instant,
    grant: Option<Grant>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Waiter {
    pub(super) node: u64,
    pub(super) waiter: u64,
    pub(super) weight: u32,
    pub(super) until: Instant,
}

impl Spot {
    /// Forgets whoever's time is over.
    pub(super) fn purge(&mut self, now: Now) {
        self.held.retain(|held| held.until > now.at);
        self.queue.retain(|_, waiter| waiter.until > now.at);
    }

    pub(super) fn room(&self, of: u32) -> u32 {
        of.saturating_sub(self.held.iter().map(|held| held.weight).sum())
    }

    /// Returns whether, when everybody before `waiter` has taken what they wait for, there is enough for it.
    pub(super) fn may(&self, waiter: Option<(u64, u64)>, share: Share) -> bool {
        let mut free = self.room(share.of);
        for ahead in self.queue.values() {
            if waiter == Some((ahead.node, ahead.waiter)) {
                break;
            }
            free = free.saturating_sub(ahead.weight);
        }
        free >= share.weight
    }

    /// Returns whether the first waits too long by now to be overtaken by `waiter`.
    pub(super) fn is_long(&self, waiter: Option<(u64, u64)>, now: Now) -> bool {
        self.queue.first_key_value().is_some_and(|(ticket, first)| {
            let since = Duration::from_micros(*ticket);
            Some((first.node, first.waiter)) != waiter && now.wall.saturating_sub(since) > LONG
        })
    }

    /// Returns those at the head of the queue for whom there is enough, as node and waiter.
    pub(super) fn turns(&self, of: u32) -> Vec<(u64, u64)> {
        let mut free = self.room(of);
        let fits = |place: &&Waiter| match free.checked_sub(place.weight) {
            Some(rest) => {
                free = rest;
                true
            }
            None => false,
        };
        self.queue.values().take_while(fits).map(|place| (place.node, place.waiter)).collect()
    }

    pub(super) fn holds(&mut self, token: &str) -> Option<&mut Held> {
        self.held.iter_mut().find(|held| held.token.as_str() == token)
    }

    pub(super) fn take(&mut self, node: u64, want: &Acquire<'_>, now: Now) -> bool {
        let share = want.spot.kind.share();
        let until = now.at + want.ttl;
        if let Some(held) = self.holds(want.token) {
            held.until = held.until.max(until);
        } else if self.room(share.of) >= share.weight {
            let token = Token::from(want.token);
            self.held.push(Held { token, node, weight: share.weight, until, grant: None });
        } else {
            return false;
        }
        true
    }

    /// Grants a fence greater than every one before: the time in microseconds, or one more than the last.
    pub(super) fn grant(&mut self, want: &Acquire<'_>, floor: u64, now: Now) -> u64 {
        let last = self.fence;
        let micros = u64::try_from(now.wall.as_micros()).unwrap_or(u64::MAX);
        let Some(held) = self.holds(want.token) else { return last };
        let fence = match &held.grant {
            Some(granted) => granted.fence.max(floor),
            None => micros.max(last + 1).max(floor),
        };
        let at = micros / 1000;
        held.grant = Some(Grant { fence, at, owner: want.owner.to_owned() });
        self.fence = last.max(fence);
        fence
    }

    /// Takes it from whoever has this token, from everybody when there is none; returns from whom.
    pub(super) fn remove(&mut self, token: Option<&str>) -> Vec<Held> {
        self.held.extract_if(.., |held| token.is_none_or(|token| held.token.as_str() == token)).collect()
    }

    pub(super) fn fence(&self) -> u64 {
        self.fence
    }

    /// Makes the next fence greater than `last`.
    pub(super) fn raise(&mut self, last: u64) {
        self.fence = self.fence.max(last);
    }

    pub(super) fn ticket(&self, node: u64, waiter: u64) -> Option<u64> {
        let mut places = self.queue.iter();
        places.find(|(_, place)| (place.node, place.waiter) == (node, waiter)).map(|(ticket, _)| *ticket)
    }

    pub(super) fn depart(&mut self, node: u64, waiter: u64) {
        self.queue.retain(|_, place| (place.node, place.waiter) != (node, waiter));
    }

    pub(super) fn is_held(&self) -> bool {
        !self.held.is_empty()
    }

    /// Returns for how long it stays as it is if nobody does anything.
    pub(super) fn left(&self, now: Now) -> Option<Duration> {
        self.held.iter().map(|held| held.until - now.at).min()
    }

    pub(super) fn state(&self, now: Now) -> State {
        let holder = |held: &Held| Holder {
            token: held.token.as_str().to_owned(),
            weight: held.weight,
            ttl: Some(held.until - now.at),
            grant: held.grant.clone(),
        };
        State { holders: self.held.iter().map(holder).collect(), waiters: self.queue.len() as u64 }
    }
}

impl Held {
    pub(super) fn extend(&mut self, ttl: Duration, is_least: bool, now: Now) {
        let until = now.at + ttl;
        self.until = if is_least { self.until.max(until) } else { until };
    }
}
