//! Indicators of stocks through three tiers.

use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt, stream};
use mystocks_bus::Bus;
use mystocks_cache::{Cache, CacheHub, CacheStats, Keyspace, Policy, Store};
use mystocks_ta::{Given, registry};

use crate::announcer::{Announcements, Announcer};
use crate::error::{Error, ErrorKind};
use crate::held::HeldBars;
use crate::key::{Call, SeriesKey};
use crate::range::DateRange;
use crate::read::{Tiers, Wanted};
use crate::request::IndicatorRequest;
use crate::result::IndicatorResult;
use crate::series::IndicatorSeries;
use crate::source::BarSource;
use crate::symbol::Symbol;

/// The form of the cached series; raise it when that form, or the values of any kernel, change.
const SCHEMA: u16 = 1;
/// How many symbols one batch asks the bar source for at a time.
const CONCURRENT_SYMBOLS: usize = 8;
/// How many symbols' bars are kept for the next indicator that is missing.
const HELD_SERIES: usize = 16;

/// Answers indicators of stocks: from this process's memory, else from the shared store, else by loading the bars and computing.
///
/// Cheap to clone; the clones are one service.
///
/// # Guarantees
/// - An answer is computed from the bars as they were during the call: the bar source is asked for their version before every
///   answer, and the version is part of the key in both cached tiers. New or revised bars are never answered with old numbers.
/// - Two stocks, two indicators, two sets of parameters never share an entry.
/// - However many callers ask for one indicator of one symbol in this process, it is computed once.
/// - A store that fails costs time and changes no answer.
///
/// "No such symbol" is not cached: the bar source says so when it is asked for the version, so a symbol that appears is
/// seen at once.
#[derive(Debug, Clone)]
pub struct IndicatorService {
    tiers: Arc<Tiers>,
}

/// Puts an [`IndicatorService`] together; made by [`IndicatorService::builder`].
#[derive(Debug)]
pub struct IndicatorServiceBuilder {
    source: Arc<dyn BarSource>,
    keyspace: Keyspace,
    policy: Policy,
    store: Option<Arc<dyn Store>>,
    hub: Option<CacheHub>,
    bus: Option<Bus>,
}

impl IndicatorService {
    /// Starts a service over the bars of `source`.
    pub fn builder(source: impl BarSource) -> IndicatorServiceBuilder {
        IndicatorServiceBuilder {
            source: Arc::new(source),
            keyspace: Keyspace::default(),
            policy: Policy::default(),
            store: None,
            hub: None,
            bus: None,
        }
    }

    /// Returns `indicator` of `symbol` on the days of `range`.
    ///
    /// `parameters` that are left out have their default; spelled out or left out, it is one request and one cache entry. The
    /// values are computed over the whole history, so a day has the same value in every range. A range without bars is an
    /// empty answer.
    ///
    /// # Errors
    /// - [`ErrorKind::UnknownSymbol`] and [`ErrorKind::UnknownIndicator`] name the nearest ones.
    /// - [`ErrorKind::InvalidArgument`] names the parameter and its range.
    /// - [`ErrorKind::TooFewBars`] says how many the indicator needs and the symbol has.
    /// - [`ErrorKind::Malformed`] and [`ErrorKind::Source`] come from the bar source; [`ErrorKind::Changing`] when the bars
    ///   had another version each time; [`ErrorKind::Cache`] when the load panicked or passed its deadline.
    ///
    /// # Cancel safety
    /// Dropping the future only takes this caller away; a load that was started goes on for the others.
    #[tracing::instrument(level = "debug", skip_all, fields(%symbol, indicator))]
    pub async fn get(
        &self,
        symbol: &Symbol,
        indicator: &str,
        parameters: &[(&str, Given)],
        range: DateRange,
    ) -> Result<IndicatorResult, Error> {
        let call = resolve(symbol, indicator, parameters)?;
        let version = self.tiers.source.version(symbol).await?;
        let wanted = Wanted { call, range, known: None };
        let results = self.tiers.read(symbol, version, vec![wanted]).await;
        results
            .into_iter()
            .next()
            .unwrap_or_else(|| Err(Error::new(ErrorKind::Cache, "read", symbol.as_str())))
    }

    /// Answers `requests` in their order; a request that fails is an error in its place and harms no other.
    ///
    /// Each symbol's version is asked for once; what is not in L1 is read from L2 in one request; what is in neither is
    /// computed, with the bars of one symbol loaded once. All answers for one symbol are of one version.
    ///
    /// # Cancel safety
    /// As [`get`](Self::get).
    #[tracing::instrument(level = "debug", skip_all, fields(requests = requests.len()))]
    pub async fn get_many(&self, requests: &[IndicatorRequest]) -> Vec<Result<IndicatorResult, Error>> {
        let mut groups: HashMap<Symbol, Vec<(usize, Wanted)>> = HashMap::new();
        let mut answers = Vec::with_capacity(requests.len());
        for (place, request) in requests.iter().enumerate() {
            match resolve_request(request) {
                Ok(wanted) => groups.entry(request.symbol.clone()).or_default().push((place, wanted)),
                Err(error) => answers.push((place, Err(error))),
            }
        }
        let asked = stream::iter(groups).map(|(symbol, wanted)| {
            let tiers = Arc::clone(&self.tiers);
            async move {
                let version = tiers.source.version(&symbol).await;
                (symbol, version, wanted)
            }
        });
        let mut asked = asked.buffer_unordered(CONCURRENT_SYMBOLS);
        let mut groups = Vec::new();
        while let Some((symbol, version, wanted)) = asked.next().await {
            match version {
                Ok(version) => groups.push((symbol, version, wanted)),
                Err(error) => {
                    answers.extend(wanted.iter().map(|(place, _)| (*place, Err(error.clone()))));
                }
            }
        }
        let keys: Vec<SeriesKey> = groups
            .iter()
            .flat_map(|(symbol, version, wanted)| {
                wanted.iter().map(|(_, wanted)| SeriesKey {
                    symbol: symbol.clone(),
                    call: wanted.call,
                    version: version.clone(),
                })
            })
            .collect();
        // What cannot be read in a batch is read one by one, each with its own error.
        let known = self.tiers.cache.get_many(&keys).await.unwrap_or_default();
        let wanted = groups.iter_mut().flat_map(|(_, _, wanted)| wanted);
        for ((_, wanted), known) in wanted.zip(known) {
            wanted.known = known;
        }
        let read = stream::iter(groups).map(|(symbol, version, wanted)| {
            let tiers = Arc::clone(&self.tiers);
            async move {
                let (places, wanted): (Vec<usize>, Vec<Wanted>) = wanted.into_iter().unzip();
                let results = tiers.read_batch(&symbol, version, wanted).await;
                places.into_iter().zip(results).collect::<Vec<_>>()
            }
        });
        let mut read = read.buffer_unordered(CONCURRENT_SYMBOLS);
        while let Some(results) = read.next().await {
            answers.extend(results);
        }
        answers.sort_unstable_by_key(|(place, _)| *place);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    /// Returns the symbols that have bars, in ascending order.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] from the bar source.
    pub async fn symbols(&self) -> Result<Vec<Symbol>, Error> {
        self.tiers.source.symbols().await
    }

    /// Forgets what L1 holds, so that the next reads come from L2.
    pub fn drop_l1(&self) {
        self.tiers.cache.drop_l1();
    }

    /// Returns what the cache did so far.
    pub fn stats(&self) -> CacheStats {
        self.tiers.cache.stats()
    }

    /// Returns what became of the events for the bus; all zeros without one.
    pub fn announcements(&self) -> Announcements {
        self.tiers.announcer.as_ref().map(Announcer::counts).unwrap_or_default()
    }

    /// Ends the loads under way, publishes for 2 s at most what waits for the bus, and waits until every task is gone.
    ///
    /// Afterwards what is cached is still answered; what is not is [`ErrorKind::Cache`].
    pub async fn shutdown(&self) {
        self.tiers.cache.shutdown().await;
        if let Some(announcer) = &self.tiers.announcer {
            announcer.shutdown().await;
        }
    }
}

impl IndicatorServiceBuilder {
    /// Sets how keys are spelled in the shared store. Default: the defaults of the wire contract.
    #[must_use]
    pub fn keyspace(self, keyspace: &Keyspace) -> Self {
        Self { keyspace: keyspace.clone(), ..self }
    }

    /// Sets how entries are treated; its schema is replaced by the one of this crate. Default: [`Policy::default`].
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

    /// Makes the service.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when the policy cannot be kept.
    pub fn build(self) -> Result<IndicatorService, Error> {
        const NAME: &str = "indicators";
        let cache = match &self.hub {
            Some(hub) => hub.cache(NAME),
            None => Cache::<SeriesKey, IndicatorSeries>::builder(NAME, &self.keyspace),
        };
        let mut cache = cache.policy(Policy { schema: SCHEMA, ..self.policy });
        if let Some(store) = self.store {
            cache = cache.store(store);
        }
        let cache = cache.build().map_err(|error| {
            Error::new(ErrorKind::InvalidArgument, "build the service", NAME).with_source(error)
        })?;
        Ok(IndicatorService {
            tiers: Arc::new(Tiers {
                source: self.source,
                cache,
                held: HeldBars::new(HELD_SERIES),
                announcer: self.bus.map(Announcer::new),
            }),
        })
    }
}

fn resolve_request(request: &IndicatorRequest) -> Result<Wanted, Error> {
    let parameters: Vec<(&str, Given)> =
        request.parameters.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    Ok(Wanted {
        call: resolve(&request.symbol, &request.indicator, &parameters)?,
        range: request.range,
        known: None,
    })
}

fn resolve(symbol: &Symbol, indicator: &str, parameters: &[(&str, Given)]) -> Result<Call, Error> {
    let refused = |error| Error::of_registry(error, symbol, indicator);
    let indicator = registry().get(indicator).map_err(refused)?;
    let params = indicator.canonical(parameters).map_err(refused)?;
    Ok(Call { indicator, params })
}
