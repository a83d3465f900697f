//! How an indicator service is put together.

use std::sync::Arc;
use std::time::Duration;

use mystocks_bus::Bus;
use mystocks_cache::{Cache, CacheHub, CacheKey, Keyspace, Policy, Store};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::announcer::Announcer;
use crate::costs::Costs;
use crate::counts::Counts;
use crate::error::{Error, ErrorKind};
use crate::near::Near;
use crate::read::Tiers;
use crate::service::IndicatorService;
use crate::source::BarSource;
use crate::way::Reading;

/// The form of the cached series; raise it when that form, or the values of any kernel, change.
const SCHEMA: u16 = 1;
/// The form of the cached bars; raise it when that form changes.
const BARS_SCHEMA: u16 = 1;
/// What part of L1 the results of the store have, and those that were computed here.
const RESULTS_SHARE: u64 = 2;
const NEAR_SHARE: u64 = 4;
/// What part of L1 bars have, a quarter: packed, as the cache weighs them, they are a quarter of what they are in memory.
const BARS_SHARE: u64 = 16;
/// The form of the versions that are trusted for a while.
const VERSIONS_SCHEMA: u16 = 1;

/// Puts an [`IndicatorService`] together; made by [`IndicatorService::builder`].
#[derive(Debug)]
pub struct IndicatorServiceBuilder {
    source: Arc<dyn BarSource>,
    keyspace: Keyspace,
    policy: Policy,
    store: Option<Arc<dyn Store>>,
    hub: Option<CacheHub>,
    bus: Option<Bus>,
    reading: Reading,
    trust: Duration,
}

impl IndicatorServiceBuilder {
    pub(crate) fn new(source: Arc<dyn BarSource>) -> Self {
        Self {
            source,
            keyspace: Keyspace::default(),
            policy: Policy::default(),
            store: None,
            hub: None,
            bus: None,
            reading: Reading::default(),
            trust: Duration::ZERO,
        }
    }

    /// Sets how keys are spelled in the shared store. Default: the defaults of the wire contract.
    #[must_use]
    pub fn keyspace(self, keyspace: &Keyspace) -> Self {
        Self { keyspace: keyspace.clone(), ..self }
    }

    /// Sets how entries are treated; its schema is replaced by the one of this crate. Default: [`Policy::default`].
    ///
    /// Of [`Policy::l1_capacity`] a half is for results of the store, a quarter for those that were computed here, and a quarter for bars.
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// Makes the service's cache one of `hub`, which then gives the keyspace and the store: a series is computed once in all
    /// processes, and invalidations reach them all.
    #[must_use]
    pub fn hub(self, hub: &CacheHub) -> Self {
        Self { hub: Some(hub.clone()), ..self }
    }

    /// Sets a shared store without leases and without a link to other processes. Default: none, the tiers are L1 and the
    /// kernels.
    #[must_use]
    pub fn store(self, store: impl Store) -> Self {
        Self { store: Some(Arc::new(store)), ..self }
    }

    /// Has `bus` told of every computation, in the background: nobody waits for it, and its failures are counted
    /// ([`IndicatorService::announcements`]) and harm nothing.
    ///
    /// - `indicator:calculated` and `indicator.calculation.completed`, once the series stands in the shared store (without one, once it was
    ///   computed). Whoever reads the store upon the event finds it. A series that could not be written is not told of.
    /// - `indicator:calculated` without `success`, and `indicator.calculation.failed`, when bars cannot be loaded or computed with.
    /// - `stock.indicators.completed` after them, for each stock of [`IndicatorService::get_many`] of which anything was computed or failed,
    ///   if all that succeeded is where others find it.
    ///
    /// What is answered from a cache is not told of. At most 1,024 computations wait to be told of; of more nothing is said. Shut the service down
    /// before the bus. Default: none.
    #[must_use]
    pub fn bus(self, bus: &Bus) -> Self {
        Self { bus: Some(bus.clone()), ..self }
    }

    /// Sets which ways to an answer are taken. Default: [`Reading::Cheapest`].
    #[must_use]
    pub fn reading(self, reading: Reading) -> Self {
        Self { reading, ..self }
    }

    /// Sets how long a version that the bar source told is taken for the present one, by all processes. Default: not at all.
    ///
    /// With a database that saves a round trip on every read. What it costs: after bars were revised, answers may be of the bars before for so long, unless
    /// who revised them calls [`IndicatorService::revised`]. Answers are of one version in any case, and every process goes over to the
    /// new one when the same time has come.
    #[must_use]
    pub fn trust_versions(self, trust: Duration) -> Self {
        Self { trust, ..self }
    }

    /// Makes the service.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when the policy cannot be kept.
    pub fn build(self) -> Result<IndicatorService, Error> {
        let has_store = self.hub.is_some() || self.store.is_some();
        let Policy { ttl, l1_capacity, .. } = self.policy;
        let results =
            Policy { schema: SCHEMA, l1_capacity: l1_capacity / RESULTS_SHARE, ..self.policy.clone() };
        let bars =
            Policy { schema: BARS_SCHEMA, l1_capacity: l1_capacity / BARS_SHARE, ..self.policy.clone() };
        let trusted = match self.trust.is_zero() {
            true => None,
            false => Some(self.cache("versions", trusting(self.trust, &self.policy), true)?),
        };
        Ok(IndicatorService::of(Tiers {
            reading: self.reading,
            results: self.cache("indicators", results, true)?,
            bars: self.cache("bars", bars, self.reading.shares_bars())?,
            trusted,
            near: Near::new(l1_capacity / NEAR_SHARE, ttl),
            costs: Costs::new(),
            counts: Counts::default(),
            announcer: self.bus.map(Announcer::new),
            source: self.source,
            has_store,
        }))
    }

    fn cache<K, V>(&self, name: &'static str, policy: Policy, shared: bool) -> Result<Cache<K, V>, Error>
    where
        K: CacheKey,
        V: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        let mut cache = match &self.hub {
            Some(hub) if shared => hub.cache(name),
            _ => Cache::builder(name, &self.keyspace),
        };
        if let (Some(store), true) = (&self.store, shared) {
            cache = cache.store(Arc::clone(store));
        }
        let refused =
            |error| Error::new(ErrorKind::InvalidArgument, "build the service", name).with_source(error);
        cache.policy(policy).build().map_err(refused)
    }
}

/// How versions are kept that are trusted for `trust`: not a moment longer, and none that is outdated.
fn trusting(trust: Duration, policy: &Policy) -> Policy {
    Policy {
        ttl: trust,
        l1_ttl: trust,
        jitter: 0.0,
        early_refresh: 0.0,
        stale_if_error: Duration::ZERO,
        schema: VERSIONS_SCHEMA,
        ..policy.clone()
    }
}
