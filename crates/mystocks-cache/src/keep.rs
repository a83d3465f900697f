//! What becomes of a value that was loaded.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::error::Error;
use crate::flight::{Landed, Lead};
use crate::found::Found;
use crate::inner::{Inner, Named};
use crate::key::CacheKey;
use crate::l1::Slot;
use crate::l2::{Encoded, Format, Stored, Times};
use crate::lease::{Held, Write};
use crate::load::{Job, Lease};
use crate::load_ctx::Wishes;
use crate::metric;
use crate::outcome::Tier;

/// What a loader made, and what it said about it.
pub(crate) struct Made<V> {
    pub(crate) value: Option<Arc<V>>,
    pub(crate) took: Duration,
    pub(crate) wishes: Wishes,
}

/// A value made ready to be kept.
pub(crate) struct Ready<V> {
    pub(crate) stored: Stored<V>,
    pub(crate) encoded: Encoded,
    pub(crate) times: Times,
}

/// Where a value may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// In L1, and it stands in L2.
    Everywhere,
    /// In L1: L2 was not told, so there is nothing there to compare it with.
    HereOnly,
    /// Nowhere: it was invalidated, or somebody else's came between.
    Overtaken,
}

impl Kept {
    pub(crate) fn in_l2(written: bool) -> Self {
        if written { Self::Everywhere } else { Self::Overtaken }
    }
}

impl<V> Made<V> {
    pub(crate) fn found(&self) -> Found<V> {
        Found { value: self.value.clone(), tier: Tier::L3, age: self.took, stale: None }
    }
}

impl<K, V> Job<K, V>
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// Offers what was loaded to L2 and, unless L2 says that it was overtaken, to L1, and lands the flight.
    pub(crate) async fn keep(&self, lead: Lead<K, V>, lease: Option<Lease>, made: Made<V>) {
        let inner = &self.inner;
        let landed = Landed::Found(made.found());
        let on_written = made.wishes.on_written.clone().filter(|_| made.value.is_some());
        let Some(ready) = inner.ready(&self.named, lease.as_ref(), made) else {
            lead.land(landed);
            return inner.give_back(lease).await;
        };
        let Ready { stored, encoded, times } = ready;
        let written =
            inner.closed.run_until_cancelled(self.write(&lead, lease, stored.stamp, encoded, times));
        let kept = written.await.unwrap_or(Kept::HereOnly);
        if let (Kept::Everywhere, Some(on_written)) = (kept, on_written) {
            on_written.call();
        }
        if kept != Kept::Overtaken {
            let slot = self.slot(&stored, self.since, kept);
            lead.land_filling(landed, |strayed| inner.insert(&self.key, slot, strayed));
        } else {
            inner.overtaken(&self.key, self.named.digest);
            lead.land(landed);
        }
    }

    /// Makes what L1 keeps of what was loaded.
    pub(crate) fn slot(&self, stored: &Stored<V>, since: u64, kept: Kept) -> Slot<V> {
        let digest = self.named.digest;
        match self.there {
            true => self.inner.slot(stored, since, digest, kept == Kept::Everywhere),
            false => self.inner.slot_unasked(stored, since, digest),
        }
    }

    /// Writes the entry; returns where it may be kept.
    async fn write(
        &self,
        lead: &Lead<K, V>,
        lease: Option<Lease>,
        stamp: u64,
        encoded: Encoded,
        times: Times,
    ) -> Kept {
        let inner = &self.inner;
        let Some(l2) = &inner.l2 else { return Kept::Everywhere };
        if !l2.holds(&encoded) {
            inner.give_back(lease).await;
            return Kept::Everywhere;
        }
        let (Some(key), true) = (&self.named.key, self.there) else {
            return Kept::HereOnly;
        };
        let within = inner.policy.l2_timeout;
        let (value, ttl) = l2.seal(key, encoded, stamp, times);
        match (&inner.shared.leases, lease) {
            (Some(leases), Some(lease)) => {
                let held = Held { key: lease.key.as_str(), token: &lease.token };
                let seen = l2.format.replaceable(&lease.seen);
                let write = [Write { held, value, ttl, seen, announce: false }];
                match inner.shared.write(within, leases.commit(&write)).await {
                    Ok(written) => Kept::in_l2(written.first().copied().unwrap_or(false)),
                    Err(away) => {
                        inner.note(&away);
                        Kept::HereOnly
                    }
                }
            }
            // There should be a lease, and there was none to be had: what others do is not known, so L2 is left alone.
            (Some(_), None) => Kept::HereOnly,
            (None, _) => {
                if !lead.is_current() {
                    return Kept::Overtaken;
                }
                let put = inner.shared.write(within, l2.put(key, value, ttl)).await;
                if let Err(away) = &put {
                    inner.note(away);
                }
                let current = lead.is_current();
                if !current {
                    // Invalidated while it was written: what stands there now may be older than what it replaced.
                    let names = [key.as_str()];
                    if let Err(away) = inner.shared.write(within, l2.store.as_ref().remove(&names)).await {
                        inner.note(&away);
                    }
                }
                match current {
                    true if put.is_err() => Kept::HereOnly,
                    current => Kept::in_l2(current),
                }
            }
        }
    }
}

impl<K, V> Inner<K, V>
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// Encodes what was loaded; `None` when it is not to be stored or cannot be.
    pub(crate) fn ready(&self, named: &Named, lease: Option<&Lease>, made: Made<V>) -> Option<Ready<V>> {
        let Made { value, took, wishes } = made;
        if wishes.no_store {
            return None;
        }
        let encoded = match self.encode(named, value.as_deref(), &wishes) {
            Ok(encoded) => encoded,
            Err(error) => {
                self.counters.not_stored();
                tracing::warn!(cache = self.name, %error, "a value is not stored");
                return None;
            }
        };
        let ttl = self.policy.draw_ttl(value.is_none(), wishes.ttl);
        let stale = if value.is_none() { Duration::ZERO } else { self.policy.stale_if_error };
        let stored = Stored {
            value,
            stamp: lease.map_or_else(|| self.shared.now_us(), |lease| lease.stamp),
            as_of: Instant::now(),
            read_us: self.shared.now_us(),
            fresh_for: ttl,
            stale_for: ttl.saturating_add(stale),
            took,
            notes: wishes.notes,
            encoded: encoded.len() + named.key.as_ref().map_or(0, |key| key.as_str().len()),
        };
        Some(Ready { stored, encoded, times: Times { ttl, stale, took } })
    }

    pub(crate) fn encode(&self, named: &Named, value: Option<&V>, wishes: &Wishes) -> Result<Encoded, Error> {
        let name = named.key.as_ref().map_or(self.name.as_str(), |key| key.as_str());
        match &self.l2 {
            Some(l2) => l2.encode(name, value, &wishes.notes),
            None => crate::l2::encode(name, value, &wishes.notes, Format::Own, self.policy.max_entry, None),
        }
    }

    /// Takes in that what was loaded of `key` is kept nowhere.
    pub(crate) fn overtaken(&self, key: &K, digest: u64) {
        self.counters.overtaken();
        self.meter(metric::OVERTAKEN);
        // Another program tells nobody what it wrote: what is still known here may be from before it.
        if self.l2.as_ref().is_some_and(|l2| l2.format == Format::Shared) {
            self.forget(key, digest);
        }
    }

    /// Gives leases back whose entries are not written.
    pub(crate) async fn give_back(&self, leases: impl IntoIterator<Item = Lease>) {
        let leases: Vec<Lease> = leases.into_iter().collect();
        let Some(port) = self.shared.leases.as_ref().filter(|_| !leases.is_empty()) else { return };
        let held: Vec<Held<'_>> =
            leases.iter().map(|lease| Held { key: lease.key.as_str(), token: &lease.token }).collect();
        let released = self.shared.write(self.policy.l2_timeout, port.release(&held));
        // Also when the cache is shut down: others would wait until the leases end.
        if let Err(away) = released.await {
            self.note(&away);
        }
    }
}
