//! Reading every wanted result, one after the other, with a clock.

use std::collections::BTreeMap;

use indicatif::{ProgressBar, ProgressStyle};
use mystocks_cache::Tier;
use mystocks_indicators::{DateRange, IndicatorResult, IndicatorService, Symbol};
use mystocks_ta::{Given, Indicator, Params, daily_defaults};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::demo::clock::Latencies;

/// Every daily indicator of every symbol.
pub(crate) struct Job {
    wanted: Vec<(Symbol, &'static Indicator, Params)>,
}

/// What a job's reads answered.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    pub(crate) latencies: Latencies,
    /// How many reads each tier answered.
    pub(crate) tiers: BTreeMap<Tier, usize>,
    /// The digest of each result's values, by symbol and indicator.
    pub(crate) digests: BTreeMap<String, String>,
    /// The first answer for each, which all later ones must equal.
    first: BTreeMap<String, IndicatorResult>,
    failures: BTreeMap<String, String>,
}

impl Job {
    /// The indicators of the daily job for each of `symbols`.
    pub(crate) fn daily(symbols: &[Symbol]) -> Self {
        let all = |symbol: &Symbol| {
            let symbol = symbol.clone();
            daily_defaults().into_iter().map(move |(indicator, params)| (symbol.clone(), indicator, params))
        };
        Self { wanted: symbols.iter().flat_map(all).collect() }
    }

    pub(crate) fn len(&self) -> usize {
        self.wanted.len()
    }

    pub(crate) fn labels(&self) -> Vec<String> {
        daily_defaults().iter().map(|(indicator, params)| indicator.label(params)).collect()
    }

    pub(crate) async fn read(&self, service: &IndicatorService, doing: &'static str, rounds: usize) -> Reads {
        self.read_each_round(service, doing, rounds, || ()).await
    }

    /// Reads everything `rounds` times, calling `before` each round.
    pub(crate) async fn read_each_round(
        &self,
        service: &IndicatorService,
        doing: &'static str,
        rounds: usize,
        before: impl Fn(),
    ) -> Reads {
        let progress = progress(doing, rounds * self.len());
        let mut reads = Reads::default();
        for _ in 0..rounds {
            before();
            for (symbol, indicator, params) in &self.wanted {
                let given: Vec<(&str, Given)> =
                    params.to_pairs().map(|(name, value)| (name, value.into())).collect();
                let began = Instant::now();
                let result = service.get(symbol, indicator.abbreviation, &given, DateRange::ALL).await;
                let took = began.elapsed();
                let name = format!("{symbol} {}", indicator.label(params));
                match result {
                    Ok(result) => {
                        reads.latencies.add(took);
                        *reads.tiers.entry(result.tier()).or_default() += 1;
                        reads.note(name, result);
                    }
                    Err(error) => drop(reads.failures.insert(name, error.to_string())),
                }
                progress.inc(1);
            }
        }
        progress.finish_and_clear();
        reads
    }
}

impl Reads {
    pub(crate) fn answered(&self) -> usize {
        self.tiers.values().sum()
    }

    pub(crate) fn failures(&self) -> Vec<String> {
        self.failures.iter().map(|(name, error)| format!("{name}: {error}")).collect()
    }

    fn note(&mut self, name: String, result: IndicatorResult) {
        match self.first.get(&name) {
            None => {
                self.digests.insert(name.clone(), digest(&result));
                self.first.insert(name, result);
            }
            Some(first) if is_same(first, &result) => {}
            // Two reads of one result differed: no digest equals this one.
            Some(_) => drop(self.digests.insert(name, "differing".to_owned())),
        }
    }
}

/// Returns whether two results are equal in version, days and every bit of every value.
fn is_same(one: &IndicatorResult, other: &IndicatorResult) -> bool {
    let bits = |one: &[f64], other: &[f64]| {
        // Two reads from L1 share their values; digesting or comparing those would cost more than the reads.
        std::ptr::eq(one, other)
            || (one.len() == other.len() && one.iter().zip(other).all(|(a, b)| a.to_bits() == b.to_bits()))
    };
    let dates = (one.dates(), other.dates());
    one.version() == other.version()
        && (std::ptr::eq(dates.0, dates.1) || dates.0 == dates.1)
        && one.outputs().eq(other.outputs())
        && one.outputs().all(|output| match (one.values(output), other.values(output)) {
            (Some(one), Some(other)) => bits(one, other),
            _ => false,
        })
}

/// Digests version, days and every bit of every value.
fn digest(result: &IndicatorResult) -> String {
    let mut sha = Sha256::new();
    sha.update(result.version().to_string());
    for day in result.dates() {
        sha.update(day.to_string());
    }
    for output in result.outputs() {
        sha.update(output);
        for value in result.values(output).unwrap_or_default() {
            sha.update(value.to_bits().to_le_bytes());
        }
    }
    sha.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn progress(doing: &'static str, reads: usize) -> ProgressBar {
    let bar = ProgressBar::new(reads as u64).with_message(doing);
    match ProgressStyle::with_template("{msg:>12} [{bar:40}] {pos}/{len} {elapsed}") {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use mystocks_cache::MemoryStore;
    use mystocks_indicators::CsvBars;

    use super::*;

    #[tokio::test]
    async fn results_are_the_same_by_every_value_not_by_place() {
        let bars = CsvBars::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/sample")).unwrap();
        let service = IndicatorService::builder(bars).store(MemoryStore::new()).build().unwrap();
        let sma = async |symbol, period: i64, range| {
            let symbol = Symbol::new(symbol).unwrap();
            service.get(&symbol, "SMA", &[("timeperiod", period.into())], range).await.unwrap()
        };
        let first = sma("AAPL", 5, DateRange::ALL).await;
        assert!(is_same(&first, &sma("AAPL", 5, DateRange::ALL).await));
        service.drop_l1();
        let decoded = sma("AAPL", 5, DateRange::ALL).await;
        assert_eq!(decoded.tier(), Tier::L2);
        assert!(is_same(&first, &decoded));
        assert!(!is_same(&first, &sma("AAPL", 10, DateRange::ALL).await), "other values");
        assert!(!is_same(&first, &sma("IBM", 5, DateRange::ALL).await), "other bars");
        let day = first.dates()[700];
        assert!(!is_same(&first, &sma("AAPL", 5, DateRange::since(day)).await), "fewer days");
    }
}
