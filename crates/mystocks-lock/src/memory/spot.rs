//! One spot: who holds it and who waits.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::backend::{Acquire, Grant, Holder, Share, Signal, State};
use crate::token::Token;

/// For how long the first in the queue may be overtaken by who came later.
const LONG: Duration = Duration::from_millis(500);

/// When something is done: on tokio's clock, and since the Unix epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) at: Instant,
    pub(super) wall: Duration,
}

/// Who is not heard of is given it all the same when it has waited for so long: it may be alive, and not hear.
const DEAF: Duration = Duration::from_secs(2);

/// Who waits: process and token.
pub(super) type Waits<'a> = (u64, &'a str);

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

#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) node: u64,
    pub(super) token: Token,
    /// For how long it asks to hold it.
    pub(super) ttl: Duration,
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
    pub(super) fn may(&self, waiter: Option<Waits<'_>>, share: Share) -> bool {
        let mut free = self.room(share.of);
        for ahead in self.queue.values() {
            if waiter == Some(ahead.who()) {
                break;
            }
            free = free.saturating_sub(ahead.weight);
        }
        free >= share.weight
    }

    /// Returns whether the first waits too long by now to be overtaken by `waiter`.
    pub(super) fn is_long(&self, waiter: Option<Waits<'_>>, now: Now) -> bool {
        self.queue.first_key_value().is_some_and(|(ticket, first)| {
            let since = Duration::from_micros(*ticket);
            Some(first.who()) != waiter && now.wall.saturating_sub(since) > LONG
        })
    }

    /// Hands what is free to those at the head of the queue for whom there is enough, for as long as they asked for; returns to
    /// which processes, and what they are to be told. Who is not `heard` is passed over, and loses its place.
    pub(super) fn hand(&mut self, of: u32, now: Now, heard: impl Fn(u64) -> bool) -> Vec<(u64, Signal)> {
        let (mut free, mut told) = (self.room(of), Vec::new());
        while let Some(first) = self.queue.first_entry()
            && first.get().weight <= free
        {
            let waited = now.wall.saturating_sub(Duration::from_micros(*first.key()));
            let Waiter { node, token, ttl, weight, until } = first.remove();
            let is_heard = heard(node);
            if is_heard || waited > DEAF {
                let until = if is_heard { now.at + ttl } else { until };
                free -= weight;
                let fence = self.draw(0, now);
                told.push((node, Signal::Handed { token: token.as_str().to_owned(), fence }));
                let grant = Some(Grant { fence, at: now.millis(), owner: "{}".to_owned() });
                self.held.push(Held { token, node, weight, until, grant });
            }
        }
        told
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

    /// Grants a fence greater than every one before. To whom one was granted it is the same again.
    pub(super) fn grant(&mut self, want: &Acquire<'_>, least: u64, now: Now) -> u64 {
        let granted = self.holds(want.token).and_then(|held| held.grant.as_ref()).map(|grant| grant.fence);
        let fence = granted.map_or_else(|| self.draw(least, now), |fence| fence.max(least));
        self.fence = self.fence.max(fence);
        if let Some(held) = self.holds(want.token) {
            held.grant = Some(Grant { fence, at: now.millis(), owner: want.owner.to_owned() });
        }
        fence
    }

    /// Draws a fence: the time in microseconds, or one more than the last.
    fn draw(&mut self, least: u64, now: Now) -> u64 {
        self.fence = now.micros().max(self.fence + 1).max(least);
        self.fence
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

    pub(super) fn ticket(&self, who: Waits<'_>) -> Option<u64> {
        self.queue.iter().find(|(_, place)| place.who() == who).map(|(ticket, _)| *ticket)
    }

    pub(super) fn depart(&mut self, who: Waits<'_>) {
        self.queue.retain(|_, place| place.who() != who);
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

impl Waiter {
    pub(super) fn who(&self) -> Waits<'_> {
        (self.node, self.token.as_str())
    }
}

impl Now {
    pub(super) fn micros(self) -> u64 {
        u64::try_from(self.wall.as_micros()).unwrap_or(u64::MAX)
    }

    fn millis(self) -> u64 {
        self.micros() / 1000
    }
}

impl Held {
    /// Takes in that `node` holds it, who is `owner`.
    pub(super) fn adopt(&mut self, node: u64, owner: &str) {
        self.node = node;
        if let Some(grant) = &mut self.grant {
            owner.clone_into(&mut grant.owner);
        }
    }

    pub(super) fn extend(&mut self, ttl: Duration, is_least: bool, now: Now) {
        let until = now.at + ttl;
        self.until = if is_least { self.until.max(until) } else { until };
    }
}
