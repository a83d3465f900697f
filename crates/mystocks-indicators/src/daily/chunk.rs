//! Some symbols at once: bars with one request, results to the store with one, rows to the database with one.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use futures::future::join_all;
use jiff::civil::Date;
use mystocks_bus::{Bus, IndicatorEvent, NaiveUtc, StockCompleted};
use mystocks_ta::Bars;
use tokio::time::Instant;

use crate::daily::event::{Outcome, Verdict};
use crate::daily::plan::Plan;
use crate::error::{Error, ErrorKind};
use crate::kernel::compute;
use crate::key::SeriesKey;
use crate::read::Tiers;
use crate::results::{ResultRow, Results};
use crate::series::IndicatorSeries;
use crate::source::LoadedBars;
use crate::symbol::Symbol;
use crate::version::SeriesVersion;

/// So many of a symbol's last days are looked for among what is recorded; what was not recorded for longer is not made up for.
const LOOK_BACK: usize = 5;

/// What a chunk is worked with.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    pub(super) tiers: Arc<Tiers>,
    pub(super) results: Arc<dyn Results>,
    pub(super) bus: Option<Bus>,
}

/// What became of one symbol: its outcome, or an error that may be gone the next time.
pub(super) type Ended = Result<Outcome, Error>;

/// The series of one symbol.
struct Computed {
    symbol: Symbol,
    version: SeriesVersion,
    /// By code, in the order of the plan.
    series: Vec<(Arc<str>, SeriesKey, IndicatorSeries)>,
    days: Vec<Date>,
    /// Whether the series are those of all the bars, so that who reads may be given them.
    whole: bool,
    failed: Option<String>,
    took_ms: f64,
}

impl Tools {
    /// Computes `symbols` by `plan` and returns what became of each, in their order.
    pub(super) async fn work(&self, plan: &Arc<Plan>, symbols: Vec<Symbol>) -> Vec<Ended> {
        let loaded = self.tiers.source.load_many(&symbols).await;
        let (plan, tiers, asked) = (Arc::clone(plan), Arc::clone(&self.tiers), symbols.clone());
        let computing = {
            let plan = Arc::clone(&plan);
            // Kernels over long histories keep a thread for longer than a runtime's task should.
            tokio::task::spawn_blocking(move || {
                let all = asked.into_iter().zip(loaded);
                all.map(|(symbol, loaded)| compute_all(&tiers, &plan, symbol, loaded)).collect::<Vec<_>>()
            })
        };
        let computed = match computing.await {
            Ok(computed) => computed,
            Err(error) => {
                let broken =
                    Error::new(ErrorKind::Malformed, "compute", "a chunk of symbols").with_source(error);
                return symbols.iter().map(|_| Err(broken.clone())).collect();
            }
        };
        self.record(&plan, computed).await
    }

    /// Writes what was computed where it belongs; the database last, so that whoever finds a row finds the result.
    async fn record(&self, plan: &Plan, computed: Vec<Result<Computed, Ended>>) -> Vec<Ended> {
        let rows = self.rows(plan, &computed).await;
        let (mut ended, mut told, mut writes) = (Vec::new(), Vec::new(), Vec::new());
        for one in computed {
            match one {
                Ok(one) => {
                    ended.push(Ok(one.outcome()));
                    told.push(one.event());
                    if one.whole {
                        writes.extend(one.series.into_iter().map(|(_, key, series)| (key, series)));
                    }
                }
                Err(over) => {
                    ended.push(over);
                    told.push(None);
                }
            }
        }
        self.store(&writes).await;
        match rows {
            Ok(rows) => self.write_rows(rows, &mut ended).await,
            Err(error) => fail(&mut ended, &error),
        }
        if let Some(bus) = &self.bus {
            let published = ended.iter().zip(told).filter(|(ended, _)| ended.is_ok());
            let published = published.filter_map(|(_, told)| told);
            join_all(published.map(|event| async move {
                if let Err(error) = bus.publish(&event).await {
                    tracing::debug!(%error, "the end of a stock is not published");
                }
            }))
            .await;
        }
        ended
    }

    /// The rows that are to be recorded of each symbol: what came after what is recorded, and the last day in any case.
    async fn rows(
        &self,
        plan: &Plan,
        computed: &[Result<Computed, Ended>],
    ) -> Result<Vec<Vec<ResultRow>>, Error> {
        let found: Vec<&Computed> = computed.iter().filter_map(|one| one.as_ref().ok()).collect();
        let recorded = if plan.full || found.is_empty() {
            HashMap::new()
        } else {
            let days: BTreeSet<Date> =
                found.iter().flat_map(|one| last(&one.days, LOOK_BACK)).copied().collect();
            let symbols: Vec<Symbol> = found.iter().map(|one| one.symbol.clone()).collect();
            self.results.recorded(&symbols, &plan.codes, &days.into_iter().collect::<Vec<_>>()).await?
        };
        let rows = |one: &Computed| {
            let mut rows = Vec::new();
            for (code, _, series) in &one.series {
                let from = match recorded.get(&(one.symbol.clone(), Arc::clone(code))) {
                    _ if plan.full => 0,
                    Some(newest) => one.days.partition_point(|day| day <= newest),
                    None => one.days.len(),
                };
                rows.extend(rows_from(one, code, series, from.min(one.days.len().saturating_sub(1))));
            }
            rows
        };
        Ok(computed.iter().map(|one| one.as_ref().map(rows).unwrap_or_default()).collect())
    }

    /// Writes all rows together; when one cannot be recorded, those of each symbol by themselves, to tell which.
    async fn write_rows(&self, rows: Vec<Vec<ResultRow>>, ended: &mut [Ended]) {
        let all: Vec<ResultRow> = rows.concat();
        match self.results.write(&all).await {
            Ok(changed) => share(changed, &rows, ended),
            Err(error) if error.is_retryable() => fail(ended, &error),
            Err(_) => {
                for (rows, ended) in rows.iter().zip(ended) {
                    let Ok(outcome) = ended else { continue };
                    match self.results.write(rows).await {
                        Ok(changed) => outcome.rows = changed,
                        Err(error) if error.is_retryable() => *ended = Err(error),
                        Err(error) => outcome.verdict = Verdict::Failed(error.to_string()),
                    }
                }
            }
        }
    }

    /// Puts the series where readers look for them. A store that fails costs the readers time, and the job nothing.
    async fn store(&self, series: &[(SeriesKey, IndicatorSeries)]) {
        if let Err(error) = self.tiers.results.fill(series).await {
            tracing::debug!(%error, "the results of a chunk are not in the store");
        }
    }
}

impl Computed {
    fn outcome(&self) -> Outcome {
        let verdict = match &self.failed {
            Some(reason) => Verdict::Failed(reason.clone()),
            None if self.series.is_empty() => Verdict::Skipped("too few bars for every indicator".to_owned()),
            None => Verdict::Succeeded,
        };
        Outcome {
            symbol: self.symbol.as_str().to_owned(),
            verdict,
            computed: self.series.len() as u64,
            rows: 0,
            version: Some(self.version.as_str().to_owned()),
        }
    }

    fn event(&self) -> Option<IndicatorEvent> {
        if self.series.is_empty() {
            return None;
        }
        let names = self.series.iter().map(|(_, key, _)| key.call.indicator.abbreviation.to_owned());
        Some(IndicatorEvent::StockCompleted(StockCompleted {
            timestamp: NaiveUtc::now(),
            version: "1.0".to_owned(),
            stock_code: self.symbol.as_str().to_owned(),
            indicators: names.collect(),
            success_count: self.series.len() as u64,
            failed_count: u64::from(self.failed.is_some()),
            calculation_time_ms: self.took_ms,
            from_cache_count: 0,
        }))
    }
}

fn compute_all(
    tiers: &Tiers,
    plan: &Plan,
    symbol: Symbol,
    loaded: Result<LoadedBars, Error>,
) -> Result<Computed, Ended> {
    let over = |verdict| Ok(Outcome::nothing(symbol.as_str(), verdict));
    let loaded = loaded.map_err(|error| match error.kind() {
        ErrorKind::UnknownSymbol => over(Verdict::Skipped("it has no bars".to_owned())),
        _ if error.is_retryable() => Err(error),
        _ => over(Verdict::Failed(error.to_string())),
    })?;
    let (bars, whole) = cut(loaded.bars, plan.up_to);
    let version = loaded.version;
    if bars.is_empty() {
        let verdict = Verdict::Skipped("it has no bars up to the day".to_owned());
        let version = Some(version.as_str().to_owned());
        return Err(Ok(Outcome { version, ..Outcome::nothing(symbol.as_str(), verdict) }));
    }
    let began = Instant::now();
    let (mut series, mut failed) = (Vec::with_capacity(plan.calls.len()), None);
    for (call, code) in plan.calls.iter().zip(&plan.codes) {
        let key = SeriesKey { symbol: symbol.clone(), call: *call, version: version.clone() };
        match compute(&key, &bars, &tiers.costs) {
            Ok(made) => series.push((Arc::clone(code), key, made)),
            // A young stock has no long averages yet; the others it has.
            Err(error) if error.kind() == ErrorKind::TooFewBars => {}
            Err(error) => failed = Some(error.to_string()),
        }
    }
    let took_ms = began.elapsed().as_secs_f64() * 1_000.0;
    Ok(Computed { symbol, version, series, days: bars.dates().to_vec(), whole, failed, took_ms })
}

/// The bars up to a day, and whether those are all.
fn cut(bars: Arc<Bars>, up_to: Option<Date>) -> (Arc<Bars>, bool) {
    let Some(end) = up_to.map(|day| bars.dates().partition_point(|date| *date <= day)) else {
        return (bars, true);
    };
    if end == bars.len() {
        return (bars, true);
    }
    let head = |column: &[f64]| column.get(..end).unwrap_or_default().to_vec();
    let dates = bars.dates().get(..end).unwrap_or_default().to_vec();
    let columns = [bars.open(), bars.high(), bars.low(), bars.close(), bars.volume()].map(head);
    let [open, high, low, close, volume] = columns;
    // The head of bars is bars.
    (Arc::new(Bars::new(dates, open, high, low, close, volume).unwrap_or_default()), false)
}

fn rows_from<'a>(
    one: &'a Computed,
    code: &'a Arc<str>,
    series: &'a IndicatorSeries,
    from: usize,
) -> impl Iterator<Item = ResultRow> + 'a {
    let days = one.days.iter().enumerate().skip(from);
    days.filter_map(move |(at, day)| {
        let value = |output: &crate::series::Output| {
            Some((Cow::Owned(output.name.clone()), output.values.get(at).copied()?))
        };
        let values: Vec<(Cow<'static, str>, f64)> =
            series.outputs().iter().map(value).collect::<Option<_>>()?;
        // Days before the first value are no results.
        let has_value = values.iter().any(|(_, value)| value.is_finite());
        has_value.then(|| ResultRow { symbol: one.symbol.clone(), code: Arc::clone(code), day: *day, values })
    })
}

/// Shares how many rows changed among the symbols: by how many each had, for the database tells the sum only.
fn share(changed: u64, rows: &[Vec<ResultRow>], ended: &mut [Ended]) {
    let mut left = changed;
    for (rows, ended) in rows.iter().zip(ended) {
        if let Ok(outcome) = ended {
            outcome.rows = left.min(rows.len() as u64);
            left -= outcome.rows;
        }
    }
}

fn fail(ended: &mut [Ended], error: &Error) {
    for one in ended {
        // What was over before needs no row.
        if one.as_ref().is_ok_and(|outcome| outcome.computed > 0) {
            *one = Err(error.clone());
        }
    }
}

fn last<T>(all: &[T], count: usize) -> &[T] {
    all.get(all.len().saturating_sub(count)..).unwrap_or_default()
}
