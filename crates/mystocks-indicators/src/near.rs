//! Series that this process computed for itself, because asking for them would have cost more.

use std::sync::Arc;
use std::time::Duration;

use mystocks_cache::{Outcome, Tier};
use tokio::time::Instant;

use crate::key::SeriesKey;
use crate::series::IndicatorSeries;

/// Series that this process computed for itself; the version in the key says of which bars, so none is ever outdated.
#[derive(Debug)]
pub(crate) struct Near(moka::sync::Cache<SeriesKey, Computed>);

#[derive(Debug, Clone)]
struct Computed {
    series: Arc<IndicatorSeries>,
    at: Instant,
}

impl Near {
    /// Holds up to `bytes`, each series for `ttl` at most.
    pub(crate) fn new(bytes: u64, ttl: Duration) -> Self {
        let weigh = |_: &SeriesKey, held: &Computed| u32::try_from(held.series.bytes()).unwrap_or(u32::MAX);
        let cache = moka::sync::Cache::builder().max_capacity(bytes).time_to_live(ttl).weigher(weigh);
        Self(cache.build())
    }

    pub(crate) fn get(&self, key: &SeriesKey) -> Option<Outcome<IndicatorSeries>> {
        self.0.get(key).map(|held| outcome(held.series, held.at.elapsed()))
    }

    /// Holds `series` and returns it as an answer.
    pub(crate) fn put(&self, key: SeriesKey, series: IndicatorSeries) -> Outcome<IndicatorSeries> {
        let series = Arc::new(series);
        self.0.insert(key, Computed { series: Arc::clone(&series), at: Instant::now() });
        outcome(series, Duration::ZERO)
    }

    pub(crate) fn clear(&self) {
        self.0.invalidate_all();
    }
}

fn outcome(value: Arc<IndicatorSeries>, age: Duration) -> Outcome<IndicatorSeries> {
    Outcome { value, tier: Tier::L1, age, stale: None }
}
