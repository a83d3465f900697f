//! Computing one indicator, timed.

use mystocks_ta::Bars;
use tokio::time::Instant;

use crate::costs::Costs;
use crate::error::{Error, ErrorKind};
use crate::key::{Call, SeriesKey};
use crate::series::{IndicatorSeries, Output};

/// Computes `key` over `bars`, and notes in `costs` how long that took.
pub(crate) fn compute(key: &SeriesKey, bars: &Bars, costs: &Costs) -> Result<IndicatorSeries, Error> {
    let Call { indicator, params } = &key.call;
    let began = Instant::now();
    let output = indicator
        .compute(bars, params)
        .map_err(|error| Error::of_registry(error, &key.symbol, &key.call.label()))?;
    costs.computed(indicator.abbreviation, bars.len(), began.elapsed());
    let outputs = output
        .series
        .into_iter()
        .map(|series| Output { name: series.name.to_owned(), values: series.values })
        .collect();
    IndicatorSeries::new(bars.dates(), outputs)
        .map_err(|wrong| Error::new(ErrorKind::Malformed, "compute", key.call.label()).with_detail(wrong))
}
