//! What cleaning did to the bars.

use std::collections::BTreeMap;

use anyhow::Result;
use mystocks_indicators::{BarSource, CsvBars, Symbol};
use serde::Serialize;

/// The bars and what was found in them, by symbol, where anything was.
#[derive(Debug, Serialize)]
pub(crate) struct Cleaning {
    pub(crate) rows: usize,
    pub(crate) bars: usize,
    pub(crate) totals: BTreeMap<&'static str, usize>,
    pub(crate) found: BTreeMap<String, BTreeMap<&'static str, usize>>,
}

pub(crate) async fn report(bars: &CsvBars, symbols: &[Symbol]) -> Result<Cleaning> {
    let mut cleaning = Cleaning { rows: 0, bars: 0, totals: BTreeMap::new(), found: BTreeMap::new() };
    for symbol in symbols {
        let Ok(loaded) = bars.load(symbol).await else { continue };
        cleaning.rows += loaded.report.rows;
        cleaning.bars += loaded.report.bars;
        for (quirk, tally) in loaded.report.tallies().into_iter().filter(|(_, tally)| tally.count > 0) {
            *cleaning.totals.entry(quirk).or_default() += tally.count;
            cleaning.found.entry(symbol.to_string()).or_default().insert(quirk, tally.count);
        }
    }
    Ok(cleaning)
}
