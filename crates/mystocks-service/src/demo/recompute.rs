//! What a caller would pay without a cache.

use std::path::Path;

use anyhow::Result;
use mystocks_indicators::{BarSource, CsvBars, Symbol};
use mystocks_ta::daily_defaults;
use tokio::time::Instant;

use crate::demo::clock::Latencies;

pub(crate) struct Baseline {
    /// Reading the bars and computing one indicator of them.
    pub(crate) recomputing: Latencies,
    /// Computing alone, with the bars at hand.
    pub(crate) computing_alone: Latencies,
}

pub(crate) async fn measure(folder: &Path, symbols: &[Symbol]) -> Result<Baseline> {
    let mut baseline = Baseline { recomputing: Latencies::default(), computing_alone: Latencies::default() };
    for symbol in symbols {
        for (indicator, params) in daily_defaults() {
            let began = Instant::now();
            // A source of its own each time: the one the service uses keeps what it has read.
            // A file that cannot be read is among the demo's failures already.
            let Ok(loaded) = CsvBars::open(folder)?.load(symbol).await else { continue };
            let computing = Instant::now();
            if indicator.compute(&loaded.bars, &params).is_ok() {
                baseline.computing_alone.add(computing.elapsed());
                baseline.recomputing.add(began.elapsed());
            }
        }
    }
    Ok(baseline)
}
