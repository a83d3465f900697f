//! All spots, under one lock.

use std::collections::HashMap;
use std::fmt;

use super::spot::{Now, Spot, Waiter};
use crate::backend::{
    Acquire, Acquired, Hear, Keep, Kept, Kind, Queued, Release, Signal, Spot as Place, Standing, State,
};

/// After so many calls the spots that nobody holds or waits for are forgotten.
const SWEEP: u32 = 1_024;

#[derive(Default)]
pub(super) struct Locks {
    spots: HashMap<(String, Sort), Spot>,
    listeners: Vec<Listener>,
    last_listener: u64,
    /// Greater than no fence of a spot that was forgotten.
    last_fence: u64,
    calls: u32,
}

struct Listener {
    id: u64,
    node: u64,
    hear: Hear,
}

/// What tells spots under one key apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Sort {
    Exclusive,
    Permits,
    ReadWrite,
}

impl Locks {
    pub(super) fn acquire(&mut self, node: u64, want: &Acquire<'_>, now: Now) -> Acquired {
        let share = want.spot.kind.share();
        let spot = self.spot(want.spot, now);
        let place = want.place.map(|_| (node, want.token));
        let holds = spot.holds(want.token).is_some();
        let is_fair = want.fair || place.is_some() && spot.is_long(place, now);
        if (!is_fair || holds || spot.may(place, share)) && spot.take(node, want, now) {
            if let Some(who) = place {
                spot.depart(who);
            }
            let fence = want.fence.and_then(|least| spot.grant(want, least, now).try_into().ok());
            // What ended by itself nobody has told: who took some of it hands on the rest.
            self.hand(want.spot, now);
            return Acquired::Granted { fence };
        }
        let queued = want.place.map(|place| {
            let known = spot.ticket((node, want.token));
            spot.depart((node, want.token));
            let next = spot.queue.last_key_value().map_or(1, |(last, _)| last + 1);
            let drawn = now.micros().max(next);
            let ticket = if place.ticket == 0 { known.unwrap_or(drawn) } else { place.ticket };
            let until = now.at + place.lease;
            let (token, ttl, weight) = (want.token.into(), want.ttl, share.weight);
            spot.queue.insert(ticket, Waiter { node, token, ttl, weight, until });
            let is_first = spot.queue.first_key_value().is_some_and(|(first, _)| *first == ticket);
            Queued { ticket, is_first, last: spot.fence() }
        });
        let looks = queued.is_none_or(|queued| queued.is_first);
        Acquired::Busy { retry_after: spot.left(now).filter(|_| looks), queued }
    }

    pub(super) fn keep(&mut self, node: u64, lease: &Keep<'_>, now: Now) -> Kept {
        match *lease {
            Keep::Held { spot: place, token, ttl, is_least, owner } => {
                let spot = self.spot(place, now);
                if let Some(held) = spot.holds(token) {
                    held.extend(ttl, is_least, now);
                    if let Some(owner) = owner {
                        held.adopt(node, owner);
                    }
                    return Kept::Held;
                }
                if spot.is_held() && place.kind == Kind::Exclusive { Kept::TakenOver } else { Kept::Gone }
            }
            Keep::Waiting { spot, token, ttl: _, lease } => {
                let spot = self.spot(spot, now);
                let mut places = spot.queue.values_mut().enumerate();
                match places.find(|(_, place)| place.who() == (node, token)) {
                    Some((turn, place)) => {
                        place.until = now.at + lease;
                        if turn == 0 { Kept::First } else { Kept::Waiting }
                    }
                    None => Kept::Gone,
                }
            }
        }
    }

    pub(super) fn release(&mut self, node: u64, release: &Release<'_>, now: Now) -> Standing {
        let spot = self.spot(release.spot, now);
        let before = release.token.is_none().then(|| spot.state(now));
        let removed = spot.remove(release.token);
        let leaves = release.leaves.is_some();
        if leaves {
            spot.depart((node, release.token.unwrap_or_default()));
        }
        let standing = match (removed.is_empty(), before) {
            (false, Some(before)) => Standing::Forced(before),
            (false, None) => Standing::Held,
            (true, _) if spot.is_held() && release.spot.kind == Kind::Exclusive => Standing::TakenOver,
            (true, _) => Standing::Gone,
        };
        let is_removed = !removed.is_empty();
        if release.token.is_none() {
            for held in removed {
                self.tell(held.node, &Signal::Taken(held.token.as_str().to_owned()));
            }
        }
        if is_removed || leaves || release.token.is_none() {
            self.hand(release.spot, now);
        }
        standing
    }

    /// Hands what is free to who waits for it.
    fn hand(&mut self, place: Place<'_>, now: Now) {
        let listening: Vec<u64> = self.listeners.iter().map(|listener| listener.node).collect();
        let spot = self.spot(place, now);
        let told = spot.hand(place.kind.share().of, now, |node| listening.contains(&node));
        told.into_iter().for_each(|(node, signal)| self.tell(node, &signal));
    }

    pub(super) fn inspect(&mut self, spot: Place<'_>, now: Now) -> State {
        self.spot(spot, now).state(now)
    }

    pub(super) fn held_under(&mut self, beginning: &str, now: Now) -> Vec<String> {
        let locks = self
            .spots
            .iter_mut()
            .filter(|((key, sort), _)| *sort == Sort::Exclusive && key.starts_with(beginning));
        let held = locks.filter_map(|((key, _), spot)| {
            spot.purge(now);
            spot.is_held().then(|| key.clone())
        });
        held.collect()
    }

    pub(super) fn listen(&mut self, node: u64, hear: Hear) -> u64 {
        hear(Signal::Up);
        self.last_listener += 1;
        self.listeners.push(Listener { id: self.last_listener, node, hear });
        self.last_listener
    }

    pub(super) fn leave(&mut self, listener: u64) {
        self.listeners.retain(|one| one.id != listener);
    }

    fn tell(&self, node: u64, signal: &Signal) {
        let concerned = self.listeners.iter().filter(|listener| listener.node == node);
        concerned.for_each(|listener| (listener.hear)(signal.clone()));
    }

    fn spot(&mut self, place: Place<'_>, now: Now) -> &mut Spot {
        let sort = match place.kind {
            Kind::Exclusive => Sort::Exclusive,
            Kind::Permits(_) => Sort::Permits,
            Kind::ReadWrite(_) => Sort::ReadWrite,
        };
        self.calls += 1;
        if self.calls == SWEEP {
            self.calls = 0;
            self.sweep(now);
        }
        let spot = self.spots.entry((place.key.to_owned(), sort)).or_default();
        spot.purge(now);
        spot.raise(self.last_fence);
        spot
    }

    fn sweep(&mut self, now: Now) {
        let last = &mut self.last_fence;
        self.spots.retain(|_, spot| {
            spot.purge(now);
            let is_used = spot.is_held() || !spot.queue.is_empty();
            if !is_used {
                *last = (*last).max(spot.fence());
            }
            is_used
        });
    }
}

impl fmt::Debug for Locks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locks").field("spots", &self.spots).finish_non_exhaustive()
    }
}
