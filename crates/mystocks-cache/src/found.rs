//! What a fetch finds, and what is kept for want of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::inner::Inner;
use crate::key::CacheKey;
use crate::l1::Slot;
use crate::outcome::{Outcome, Staleness, Tier};

/// A value, or the knowledge that there is none, and where it came from.
#[derive(Debug)]
pub(crate) struct Found<V> {
    pub(crate) value: Option<Arc<V>>,
    pub(crate) tier: Tier,
    pub(crate) age: Duration,
    pub(crate) stale: Option<Staleness>,
}

impl<V> Clone for Found<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), ..*self }
    }
}

impl<V> Found<V> {
    pub(crate) fn outcome(self) -> Option<Outcome<V>> {
        let Self { value, tier, age, stale } = self;
        value.map(|value| Outcome { value, tier, age, stale })
    }
}

/// An entry that is not what was asked for, but better than nothing.
#[derive(Debug)]
pub(crate) struct Spare<V> {
    pub(crate) slot: Slot<V>,
    pub(crate) tier: Tier,
    pub(crate) kind: SpareKind,
}

/// What an entry can be had for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpareKind {
    /// It is fresh, and its replacement is on the way.
    Fresh,
    /// Its time in L1 is not up, but L2 is to be asked whether it still holds: good while L2 cannot be asked.
    Unconfirmed,
    /// Its time is up: good in want of a better one, until its side says.
    Over,
    /// The same, but an invalidation of it may not have been heard: good unless L2 says that there is nothing.
    Doubtful,
}

impl<V> Clone for Spare<V> {
    fn clone(&self) -> Self {
        Self { slot: self.slot.clone(), ..*self }
    }
}

impl<V> Spare<V> {
    /// Returns whether it is as good as ever, and only its replacement is on the way.
    pub(crate) fn is_fresh(&self, now: Instant) -> bool {
        self.kind == SpareKind::Fresh && self.slot.side.as_ref().is_none_or(|side| now < side.fresh_until)
    }

    /// Returns the value if it may still be served although it is stale.
    pub(crate) fn stale(&self, now: Instant, why: Staleness, age: Duration) -> Option<Found<V>> {
        let side = self.slot.side.as_ref()?;
        let value = self.slot.value.clone().filter(|_| now < side.stale_until)?;
        let stale = (!self.is_fresh(now)).then_some(why);
        Some(Found { value: Some(value), tier: self.tier, age, stale })
    }
}

impl<K: CacheKey, V: Send + Sync + 'static> Inner<K, V> {
    /// Returns whether an entry may be served in want of a better one, however slow or away L2 is.
    ///
    /// What is known to be invalidated may not, nor what an invalidation that this process heard may have ended without
    /// naming it. What is only in doubt because the link was lost may.
    pub(crate) fn stands(&self, slot: &Slot<V>) -> bool {
        let since = self.shared.order.restore(slot.since);
        !self.is_gone(slot, since) && self.suspect.load(Ordering::Acquire) <= since
    }
}
