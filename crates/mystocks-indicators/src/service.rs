//! Indicators of stocks through three tiers.

use std::collections::HashMap;
use std::sync::Arc;

use mystocks_cache::CacheStats;
use mystocks_ta::{Given, registry};

use crate::announcer::{Announcements, Announcer};
use crate::builder::IndicatorServiceBuilder;
use crate::counts::WayCounts;
use crate::error::{Error, ErrorKind};
use crate::group::{Group, Placed, Wanted};
use crate::key::Call;
use crate::range::DateRange;
use crate::read::Tiers;
use crate::request::IndicatorRequest;
use crate::result::IndicatorResult;
use crate::source::BarSource;
use crate::symbol::Symbol;

/// Answers indicators of stocks: from this process's memory, else from the shared store, else by loading the bars and computing.
///
/// Cheap to clone; the clones are one service.
///
/// # Guarantees
/// - An answer is computed from the bars as they were during the call: the bar source is asked for their version before every
///   answer, and the version is part of the key in both cached tiers. New or revised bars are never answered with old numbers.
/// - Two stocks, two indicators, two sets of parameters never share an entry.
/// - However many callers ask for one indicator of one symbol in this process, its bars are loaded once. What is loaded for is computed once;
///   what costs less to compute from bars at hand than to ask for ([`Reading::Cheapest`](crate::Reading::Cheapest)), callers that ask at the same moment
///   each compute.
/// - A store that fails costs time and changes no answer.
///
/// "No such symbol" is not cached: the bar source says so when it is asked for the version, so a symbol that appears is
/// seen at once.
#[derive(Debug, Clone)]
pub struct IndicatorService {
    tiers: Arc<Tiers>,
}

impl IndicatorService {
    pub(crate) fn tiers(&self) -> Arc<Tiers> {
        Arc::clone(&self.tiers)
    }

    pub(crate) fn of(tiers: Tiers) -> Self {
        Self { tiers: Arc::new(tiers) }
    }

    /// Starts a service over the bars of `source`.
    pub fn builder(source: impl BarSource) -> IndicatorServiceBuilder {
        IndicatorServiceBuilder::new(Arc::new(source))
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
        let version = self.tiers.version(symbol).await?;
        let wanted = Wanted { place: 0, call, range, answer: None };
        let group = Group::new(symbol.clone(), version, vec![wanted]);
        let answer = self.tiers.read(vec![group], false).await.pop();
        answer
            .map_or_else(|| Err(Error::new(ErrorKind::Cache, "read", symbol.as_str())), |(_, answer)| answer)
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
        let mut wanted: HashMap<Symbol, Vec<Wanted>> = HashMap::new();
        let mut answers: Vec<Placed> = Vec::with_capacity(requests.len());
        for (place, request) in requests.iter().enumerate() {
            match resolve_request(place, request) {
                Ok(one) => wanted.entry(request.symbol.clone()).or_default().push(one),
                Err(error) => answers.push((place, Err(error))),
            }
        }
        let (symbols, wanted): (Vec<Symbol>, Vec<Vec<Wanted>>) = wanted.into_iter().unzip();
        let versions = self.tiers.versions(&symbols).await;
        let mut groups = Vec::new();
        for ((symbol, wanted), version) in symbols.into_iter().zip(wanted).zip(versions) {
            match version {
                Ok(version) => groups.push(Group::new(symbol, version, wanted)),
                Err(error) => answers.extend(wanted.iter().map(|one| (one.place, Err(error.clone())))),
            }
        }
        answers.extend(self.tiers.read(groups, true).await);
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
        self.tiers.results.drop_l1();
        self.tiers.bars.drop_l1();
        self.tiers.near.clear();
        if let Some(trusted) = &self.tiers.trusted {
            trusted.drop_l1();
        }
    }

    /// Returns what the cache of results did so far; what was computed from bars at hand and kept in this process is not in it.
    pub fn stats(&self) -> CacheStats {
        self.tiers.results.stats()
    }

    /// Returns what the cache of bars did so far.
    pub fn bars_stats(&self) -> CacheStats {
        self.tiers.bars.stats()
    }

    /// Returns how often each way was taken.
    pub fn ways(&self) -> WayCounts {
        self.tiers.counts.snapshot()
    }

    /// Has every process ask anew which content the bars of `symbol` have.
    ///
    /// Whoever revises bars calls it after that, where versions are [trusted](IndicatorServiceBuilder::trust_versions) for a while: no read
    /// that begins afterwards in this process answers from before, and none in other processes once they heard of it. While the store is away they
    /// are told as soon as it is back, and trust no longer than they would.
    ///
    /// # Errors
    /// [`ErrorKind::Cache`] for a symbol that cannot be spelled in the store.
    pub async fn revised(&self, symbol: &Symbol) -> Result<(), Error> {
        self.tiers.distrust(symbol).await
    }

    /// Returns what became of the events for the bus; all zeros without one.
    pub fn announcements(&self) -> Announcements {
        self.tiers.announcer.as_ref().map(Announcer::counts).unwrap_or_default()
    }

    /// Ends the loads under way, publishes for 2 s at most what waits for the bus, and waits until every task is gone.
    ///
    /// Afterwards what is cached is still answered; what is not is [`ErrorKind::Cache`].
    pub async fn shutdown(&self) {
        self.tiers.results.shutdown().await;
        self.tiers.bars.shutdown().await;
        if let Some(trusted) = &self.tiers.trusted {
            trusted.shutdown().await;
        }
        if let Some(announcer) = &self.tiers.announcer {
            announcer.shutdown().await;
        }
    }
}

fn resolve_request(place: usize, request: &IndicatorRequest) -> Result<Wanted, Error> {
    let parameters: Vec<(&str, Given)> =
        request.parameters.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let call = resolve(&request.symbol, &request.indicator, &parameters)?;
    Ok(Wanted { place, call, range: request.range, answer: None })
}

fn resolve(symbol: &Symbol, indicator: &str, parameters: &[(&str, Given)]) -> Result<Call, Error> {
    let refused = |error| Error::of_registry(error, symbol, indicator);
    let indicator = registry().get(indicator).map_err(refused)?;
    let params = indicator.canonical(parameters).map_err(refused)?;
    Ok(Call { indicator, params })
}
