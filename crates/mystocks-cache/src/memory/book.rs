//! Who holds the lease of which key of a memory store.

use std::collections::HashMap;

use std::time::Duration;

use mystocks_keys::Sidecar;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::lease::Held;

/// Below so many leases expired ones are let lie.
const FEW: usize = 64;

#[derive(Default)]
pub(super) struct Book {
    leases: HashMap<String, Lease>,
    /// With so many leases the expired ones are struck out: twice as many as were left the last time.
    sweep_from: usize,
}

struct Lease {
    token: String,
    deadline: Instant,
    /// Cancelled when the lease is given back, taken away or replaced.
    over: CancellationToken,
}

impl Book {
    /// Returns how long the lease of `key` is still held, if it is.
    pub(super) fn time_left(&self, key: &str, now: Instant) -> Option<Duration> {
        let lease = self.leases.get(key)?;
        lease.deadline.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// Returns what tells the end of the lease of `key`, and its deadline, if somebody holds it.
    pub(super) fn end_of(&self, key: &str, now: Instant) -> Option<(CancellationToken, Instant)> {
        let lease = self.leases.get(key)?;
        (lease.deadline > now).then(|| (lease.over.clone(), lease.deadline))
    }

    pub(super) fn lend(&mut self, key: &str, token: &str, deadline: Instant, now: Instant) {
        if self.leases.len() >= self.sweep_from.max(FEW) {
            self.leases.retain(|_, lease| lease.deadline > now);
            self.sweep_from = 2 * self.leases.len();
        }
        let lease = Lease { token: token.to_owned(), deadline, over: CancellationToken::new() };
        self.leases.insert(key.to_owned(), lease);
    }

    pub(super) fn renew(&mut self, held: &Held<'_>, deadline: Instant, now: Instant) -> bool {
        match self.leases.get_mut(held.key) {
            Some(lease) if lease.is_held(held, now) => {
                lease.deadline = deadline;
                true
            }
            _ => false,
        }
    }

    /// Strikes a lease out and returns whether it was held.
    pub(super) fn give_back(&mut self, held: &Held<'_>, now: Instant) -> bool {
        let is_held = self.leases.get(held.key).is_some_and(|lease| lease.is_held(held, now));
        if is_held {
            self.leases.remove(held.key);
        }
        is_held
    }

    pub(super) fn void(&mut self, key: &str) {
        self.leases.remove(key);
    }

    /// Returns the names that held leases have among the keys of a store: who walks over them finds them there.
    pub(super) fn names(&self, now: Instant) -> impl Iterator<Item = String> {
        let held = self.leases.iter().filter(move |(_, lease)| lease.deadline > now);
        held.map(|(key, _)| Sidecar::lease_of(key).into())
    }

    /// Strikes out the lease with this name and returns whether it was held.
    pub(super) fn strike(&mut self, name: &str, now: Instant) -> bool {
        let key = name.strip_prefix('{').and_then(|rest| Some(rest.rsplit_once('}')?.0));
        let Some(key) = key.filter(|key| Sidecar::lease_of(key).as_str() == name) else { return false };
        self.leases.remove(key).is_some_and(|lease| lease.deadline > now)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.leases.len()
    }
}

impl Lease {
    fn is_held(&self, held: &Held<'_>, now: Instant) -> bool {
        self.token == held.token && self.deadline > now
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.over.cancel();
    }
}
