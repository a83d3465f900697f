//! Counts the lookups of one service and tells the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use metrics::counter;
use mystocks_keys::{Key, Keyspace};
use tokio::time::Instant;
use tracing::debug;

use super::shared::Rejected;
use super::stats::Lookups;
use crate::envelope;
use crate::metric::{SHARED_LOOKUPS, SHARED_REJECTED};
use crate::store::{Put, Store};

/// How often a service that is in use writes its totals.
const EVERY_MS: u64 = 10_000;
/// How long a service that says nothing more is still part of the sum.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// The name under which totals stand among this project's own keys.
const TOTALS: &str = "service-stats";
const SCHEMA: u16 = 1;

#[derive(Debug)]
pub(super) struct Tally {
    store: Arc<dyn Store>,
    /// Where this service's totals stand; nobody else writes there.
    key: Option<Key>,
    /// What the keys of all services' totals begin with.
    prefix: Option<String>,
    started: Instant,
    /// In milliseconds since `started`.
    due: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    rejected: AtomicU64,
}

impl Tally {
    pub(super) fn new(store: Arc<dyn Store>, keyspace: &Keyspace) -> Self {
        let instance = format!("{:016x}", fastrand::u64(..));
        let key = keyspace.own(TOTALS, &[&instance], None).ok();
        let prefix = key.as_ref().and_then(|key| key.as_str().strip_suffix(&instance)).map(str::to_owned);
        Self {
            store,
            key,
            prefix,
            started: Instant::now(),
            due: AtomicU64::new(EVERY_MS),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
        }
    }

    pub(super) fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
        counter!(SHARED_LOOKUPS, "outcome" => "hit").increment(1);
    }

    pub(super) fn miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
        counter!(SHARED_LOOKUPS, "outcome" => "miss").increment(1);
    }

    pub(super) fn rejected(&self, key: &str, reason: Rejected) {
        self.miss();
        self.rejected.fetch_add(1, Ordering::Relaxed);
        counter!(SHARED_REJECTED, "reason" => reason.label()).increment(1);
        debug!(key, reason = reason.label(), "shared entry not usable");
    }

    pub(super) fn lookups(&self) -> Lookups {
        Lookups {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            rejected: self.rejected.load(Ordering::Relaxed),
        }
    }

    /// Returns whether `key` holds the totals of some service.
    pub(super) fn is_totals(&self, key: &str) -> bool {
        self.prefix.as_deref().is_some_and(|prefix| key.starts_with(prefix))
    }

    /// Returns `true` to one caller every ten seconds: that one should `publish`.
    pub(super) fn is_due(&self) -> bool {
        let now = envelope::millis(self.started.elapsed());
        let due = self.due.load(Ordering::Relaxed);
        now >= due && self.claim(due, now)
    }

    fn claim(&self, due: u64, now: u64) -> bool {
        let next = now.saturating_add(EVERY_MS);
        self.due.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Writes the totals for the others. That it fails is nobody's concern: the next time they are whole again.
    pub(super) async fn publish(&self) {
        let Some(key) = &self.key else { return };
        let Lookups { hits, misses, rejected } = self.lookups();
        let mut entry = vec![0; envelope::LENGTH];
        if let Err(error) = rmp_serde::encode::write(&mut entry, &(hits, misses, rejected)) {
            debug!(%error, "totals not written");
            return;
        }
        let now_ms = self.store.now_ms();
        let expires_ms = now_ms.saturating_add(envelope::millis(REMEMBERED));
        let head = envelope::Head {
            schema: SCHEMA,
            stamp: now_ms.saturating_mul(1000),
            expires_ms,
            stale_until_ms: expires_ms,
            uncompressed: u32::try_from(entry.len() - envelope::LENGTH).unwrap_or(u32::MAX),
            ..envelope::Head::default()
        };
        envelope::seal(&mut entry, key.as_str(), &head);
        let put = Put { key: key.as_str(), value: Bytes::from(entry), ttl: REMEMBERED };
        if let Err(error) = self.store.put(&[put]).await {
            debug!(%error, "totals not written");
        }
    }

    /// Reads totals that a service wrote under `key`.
    pub(super) fn read(&self, key: &str, entry: &[u8]) -> Option<Lookups> {
        let opened = envelope::open(entry, key, SCHEMA).ok()?;
        if opened.head.expires_ms <= self.store.now_ms() {
            return None;
        }
        let (hits, misses, rejected) = rmp_serde::from_slice(opened.payload).ok()?;
        Some(Lookups { hits, misses, rejected })
    }
}
