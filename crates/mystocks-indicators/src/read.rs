//! The read path: cache, then bars and kernel, all under one version of the bars.

use std::sync::{Arc, OnceLock};

use mystocks_cache::{Cache, LoadCtx, Outcome};
use mystocks_ta::Bars;
use tokio::time::Instant;

use crate::announcer::{Announcer, Computation};
use crate::error::{Error, ErrorKind};
use crate::fault::Fault;
use crate::held::{Held, HeldBars};
use crate::key::{Call, SeriesKey};
use crate::range::DateRange;
use crate::result::IndicatorResult;
use crate::series::{IndicatorSeries, Output};
use crate::source::BarSource;
use crate::symbol::Symbol;
use crate::version::SeriesVersion;

/// How often bars that change while they are read are begun again.
const ATTEMPTS: usize = 3;

/// What a service is made of.
#[derive(Debug)]
pub(crate) struct Tiers {
    pub(crate) source: Arc<dyn BarSource>,
    pub(crate) cache: Cache<SeriesKey, IndicatorSeries>,
    pub(crate) held: HeldBars,
    pub(crate) announcer: Option<Announcer>,
}

/// One indicator wanted of a symbol, and what is known of it already.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) call: Call,
    pub(crate) range: DateRange,
    pub(crate) known: Option<Outcome<IndicatorSeries>>,
}

impl Tiers {
    /// Reads all that is `wanted` of `symbol`, whose bars were of `version` a moment ago; the answers are of one version.
    pub(crate) async fn read(
        self: &Arc<Self>,
        symbol: &Symbol,
        mut version: SeriesVersion,
        mut wanted: Vec<Wanted>,
    ) -> Vec<Result<IndicatorResult, Error>> {
        for _ in 0..ATTEMPTS {
            match self.read_version(symbol, &version, &wanted).await {
                Ok(results) => return results,
                Err(now) => {
                    tracing::debug!(%symbol, %now, "the bars changed while they were read");
                    version = now;
                    for one in &mut wanted {
                        one.known = None;
                    }
                }
            }
        }
        let error = Error::new(ErrorKind::Changing, "read the bars of", symbol.as_str())
            .with_detail(format!("they had another version {ATTEMPTS} times in a row"));
        wanted.iter().map(|_| Err(error.clone())).collect()
    }

    /// The same for a batch, whose end is told.
    pub(crate) async fn read_batch(
        self: &Arc<Self>,
        symbol: &Symbol,
        version: SeriesVersion,
        wanted: Vec<Wanted>,
    ) -> Vec<Result<IndicatorResult, Error>> {
        let Some(announcer) = &self.announcer else { return self.read(symbol, version, wanted).await };
        let indicators = wanted.iter().map(|one| one.call.indicator.abbreviation.to_owned()).collect();
        let began = Instant::now();
        let results = self.read(symbol, version, wanted).await;
        announcer.batch(symbol, indicators, &results, began.elapsed());
        results
    }

    /// Reads what is `wanted` under `version`, or returns the version that the bars have instead.
    async fn read_version(
        self: &Arc<Self>,
        symbol: &Symbol,
        version: &SeriesVersion,
        wanted: &[Wanted],
    ) -> Result<Vec<Result<IndicatorResult, Error>>, SeriesVersion> {
        // Holds on to the bars from the first load to the last, whatever others load meanwhile.
        let held = Arc::default();
        let mut results = Vec::with_capacity(wanted.len());
        for Wanted { call, range, known } in wanted {
            let key = SeriesKey { symbol: symbol.clone(), call: *call, version: version.clone() };
            let outcome = match known {
                Some(outcome) => Ok(outcome.clone()),
                None => self.fetch(&key, &held).await,
            };
            results.push(match outcome {
                Ok(outcome) => Ok(IndicatorResult::new(key, range, outcome)),
                Err(Fault::Failed(error)) => Err(error),
                Err(Fault::Changed(now)) => return Err(now),
            });
        }
        Ok(results)
    }

    async fn fetch(
        self: &Arc<Self>,
        key: &SeriesKey,
        held: &Arc<OnceLock<Arc<Held>>>,
    ) -> Result<Outcome<IndicatorSeries>, Fault> {
        let load = {
            let (tiers, key, held) = (Arc::clone(self), key.clone(), Arc::clone(held));
            move |context: LoadCtx<IndicatorSeries>| async move {
                let computation =
                    tiers.announcer.as_ref().map(|announcer| Computation::begin(announcer, &key));
                let made = async {
                    let held = held.get_or_init(|| tiers.held.of(&key.symbol, &key.version));
                    let loaded = held.bars(&*tiers.source).await?;
                    compute(&key, &loaded.bars).map_err(Fault::Failed)
                };
                announce(computation, made.await, &context)
            }
        };
        Ok(self.cache.get_or_compute(key, load).detail().await?)
    }
}

/// Has it told what came of a computation: of a series when it was written, of a failure now.
fn announce(
    computation: Option<Computation>,
    made: Result<IndicatorSeries, Fault>,
    context: &LoadCtx<IndicatorSeries>,
) -> Result<IndicatorSeries, Fault> {
    let Some(computation) = computation else { return made };
    match made {
        Ok(series) => {
            let written = Arc::default();
            context.on_written(computation.succeed(Arc::clone(&written)));
            Ok(series.watched(written))
        }
        Err(fault) => {
            match &fault {
                Fault::Failed(error) => computation.fail(error.to_string()),
                Fault::Changed(_) => computation.void(),
            }
            Err(fault)
        }
    }
}

fn compute(key: &SeriesKey, bars: &Bars) -> Result<IndicatorSeries, Error> {
    let Call { indicator, params } = &key.call;
    let output = indicator
        .compute(bars, params)
        .map_err(|error| Error::of_registry(error, &key.symbol, &key.call.label()))?;
    let outputs = output
        .series
        .into_iter()
        .map(|series| Output { name: series.name.to_owned(), values: series.values })
        .collect();
    IndicatorSeries::new(bars.dates(), outputs)
        .map_err(|wrong| Error::new(ErrorKind::Malformed, "compute", key.call.label()).with_detail(wrong))
}
