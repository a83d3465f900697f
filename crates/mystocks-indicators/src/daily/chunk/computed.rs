//! The series of one symbol, and what is told of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use jiff::civil::Date;
use mystocks_bus::{IndicatorEvent, NaiveUtc, StockCompleted};
use mystocks_ta::Bars;
use tokio::time::Instant;

use super::Ended;
use crate::daily::event::{Outcome, Verdict};
use crate::daily::plan::Plan;
use crate::error::{Error, ErrorKind};
use crate::kernel::compute;
use crate::key::SeriesKey;
use crate::read::Tiers;
use crate::series::IndicatorSeries;
use crate::source::LoadedBars;
use crate::symbol::Symbol;
use crate::version::SeriesVersion;

/// The series of one symbol.
pub(super) struct Computed {
    pub(super) symbol: Symbol,
    version: SeriesVersion,
    /// What each series is recorded under, in the order of the plan.
    pub(super) codes: Vec<Arc<str>>,
    pub(super) series: Vec<(SeriesKey, IndicatorSeries)>,
    pub(super) days: Vec<Date>,
    /// Whether the series are those of all the bars, so that who reads may be given them.
    pub(super) whole: bool,
    failed: Option<String>,
    took_ms: f64,
}

impl Computed {
    pub(super) fn outcome(&self) -> Outcome {
        let verdict = match &self.failed {
            Some(reason) => Verdict::Failed(reason.clone()),
            None if self.series.is_empty() => Verdict::Skipped("too few bars for every indicator".to_owned()),
            None => Verdict::Succeeded,
        };
        Outcome {
            computed: self.series.len() as u64,
            version: Some(self.version.as_str().to_owned()),
            ..Outcome::nothing(self.symbol.as_str(), verdict)
        }
    }

    pub(super) fn event(&self) -> Option<IndicatorEvent> {
        if self.series.is_empty() {
            return None;
        }
        let names = self.series.iter().map(|(key, _)| key.call.indicator.abbreviation.to_owned());
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

/// Computes all of `plan` for `symbol`; a kernel that panics fails this symbol and no other.
pub(super) fn compute_one(
    tiers: &Tiers,
    plan: &Plan,
    symbol: Symbol,
    loaded: Result<LoadedBars, Error>,
) -> Result<Computed, Ended> {
    let version = loaded.as_ref().ok().map(|loaded| loaded.version.clone());
    let name = symbol.clone();
    guarded(&name, version.as_ref(), || compute_all(tiers, plan, symbol, loaded))
}

/// Makes a panic the outcome of the symbol.
fn guarded(
    symbol: &Symbol,
    version: Option<&SeriesVersion>,
    compute: impl FnOnce() -> Result<Computed, Ended>,
) -> Result<Computed, Ended> {
    // What it was at is dropped with it; the costs that are shared are numbers that are written whole.
    catch_unwind(AssertUnwindSafe(compute)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text");
        let verdict = Verdict::Failed(format!("computing it panicked: {text}"));
        let version = version.map(|version| version.as_str().to_owned());
        Err(Ok(Outcome { version, ..Outcome::nothing(symbol.as_str(), verdict) }))
    })
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
    let (mut codes, mut series, mut failed) = (Vec::new(), Vec::with_capacity(plan.calls.len()), None);
    for (call, code) in plan.calls.iter().zip(&plan.codes) {
        let key = SeriesKey { symbol: symbol.clone(), call: *call, version: version.clone() };
        match compute(&key, &bars, &tiers.costs) {
            Ok(made) => {
                codes.push(Arc::clone(code));
                series.push((key, made));
            }
            // A young stock has no long averages yet; the others it has.
            Err(error) if error.kind() == ErrorKind::TooFewBars => {}
            Err(error) => failed = Some(error.to_string()),
        }
    }
    let took_ms = began.elapsed().as_secs_f64() * 1_000.0;
    Ok(Computed { symbol, version, codes, series, days: bars.dates().to_vec(), whole, failed, took_ms })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_the_outcome_of_its_symbol_and_says_its_text() {
        let version = SeriesVersion::of_stamp([&b"bars"[..]]);
        let symbols = ["A", "B", "C"].map(|name| Symbol::new(name).unwrap());
        let outcomes: Vec<Outcome> = symbols
            .iter()
            .map(|symbol| {
                let ended = guarded(symbol, Some(&version), || match symbol.as_str() {
                    "A" => panic!("a kernel of {symbol}"),
                    "B" => std::panic::panic_any(7_u8),
                    _ => Err(Ok(Outcome::nothing("C", Verdict::Succeeded))),
                });
                ended.err().unwrap().unwrap()
            })
            .collect();
        let failed = |symbol: &str, text: &str| Outcome {
            version: Some(version.as_str().to_owned()),
            ..Outcome::nothing(symbol, Verdict::Failed(format!("computing it panicked: {text}")))
        };
        let expected =
            [failed("A", "a kernel of A"), failed("B", "no text"), Outcome::nothing("C", Verdict::Succeeded)];
        assert_eq!(outcomes, expected);
    }
}
