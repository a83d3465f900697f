//! When an entry is refreshed before its end.

use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::envelope::millis;
use crate::flight::{Boarded, Flights};
use crate::found::{Spare, SpareKind};
use crate::inner::{Inner, Look, Named};
use crate::key::CacheKey;
use crate::l1::{Early, Slot};
use crate::l2::Stored;
use crate::load::Job;
use crate::load_ctx::{LoadCtx, Loaded};
use crate::outcome::Tier;

/// The times an early refresh is worth a thought: at twelve times its reach the chance is one in 160,000.
const EARLIEST: u32 = 12;
/// How long after one attempt at a refresh the next is made.
const REFRESH_AGAIN: Duration = Duration::from_millis(500);

/// Replaces an entry before its end, unless somebody in this process is fetching it already.
pub(crate) fn refresh<K, V, F, Fut, E>(inner: &Arc<Inner<K, V>>, key: K, named: Named, slot: Slot<V>, load: F)
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
    F: FnOnce(LoadCtx<V>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Loaded<V>, E>> + Send + 'static,
    E: StdError + Send + Sync + 'static,
{
    let Boarded::Leader(mut lead) = Flights::board(Arc::clone(&inner.flights), named.digest, &key) else {
        return;
    };
    // It may have been invalidated since it was looked at; what comes after this look voids the flight.
    let Look::Fresh(slot) = inner.weigh(slot) else { return };
    let spare = Spare { slot: slot.clone(), tier: Tier::L1, kind: SpareKind::Fresh };
    lead.flight().offer(spare.clone());
    lead.begin_load(&inner.name);
    let since = inner.shared.order.now();
    let job = Job {
        inner: Arc::clone(inner),
        key,
        named,
        since,
        seen: Bytes::new(),
        spare: Some(spare),
        there: true,
        absence_answers: true,
    };
    inner.tracker.spawn(job.run_early(lead, slot, load));
}

impl<K: CacheKey, V: Send + Sync + 'static> Inner<K, V> {
    /// Returns when the entry is to be refreshed before its end, if at all.
    pub(crate) fn early(&self, stored: &Stored<V>, now: Instant, fresh_for: Duration) -> Option<Early> {
        if self.policy.early_refresh == 0.0 || stored.took.is_zero() || stored.value.is_none() {
            return None;
        }
        let reach = stored.took.mul_f64(self.policy.early_refresh).min(stored.fresh_for);
        let expires = now + stored.fresh_for;
        let from = now + stored.fresh_for.saturating_sub(reach.saturating_mul(EARLIEST));
        (from < now + fresh_for).then(|| Early { from, expires, reach, next_ms: AtomicU64::new(0) })
    }
}

impl<V> Slot<V> {
    /// Draws whether it is time to refresh the entry.
    pub(crate) fn is_early(&self) -> bool {
        let early = self.side.as_ref().and_then(|side| side.early.as_ref());
        early.is_some_and(|early| early.is_due(Instant::now()))
    }
}

impl Early {
    /// Draws whether it is time, by XFetch (Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede
    /// Prevention, VLDB 2015): now - reach * ln(random) >= expires.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        if now < self.from {
            return false;
        }
        let ahead = self.reach.as_secs_f64() * -fastrand::f64().max(f64::MIN_POSITIVE).ln();
        let left = self.expires.saturating_duration_since(now).as_secs_f64();
        if ahead < left {
            return false;
        }
        // One attempt at a time, and a pause after one that came to nothing.
        let since = millis(now.saturating_duration_since(self.from));
        let next = self.next_ms.load(Ordering::Acquire);
        let again = since.saturating_add(millis(REFRESH_AGAIN));
        since >= next
            && self.next_ms.compare_exchange(next, again, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}
