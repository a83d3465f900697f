//! The answer to a request.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use mystocks_cache::{Outcome, Tier};
use mystocks_ta::{Indicator, Params};

use crate::group::Answer;
use crate::key::SeriesKey;
use crate::range::DateRange;
use crate::series::IndicatorSeries;
use crate::symbol::Symbol;
use crate::version::SeriesVersion;
use crate::way::Way;

/// The values of one indicator for one symbol on the wanted days, and where they came from.
///
/// Cheap to clone: the values are shared with the cache. Values, dates and the index of both go together:
/// `values(output)[i]` is of `dates()[i]`. A value is NaN on the first days of the history, where the indicator has none yet.
#[derive(Debug, Clone)]
pub struct IndicatorResult {
    key: SeriesKey,
    series: Arc<IndicatorSeries>,
    wanted: Range<usize>,
    detail: ReadDetail,
}

/// By which way an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadDetail {
    /// The way that was taken.
    pub way: Way,
    /// The tier that answered: L3 when the result was computed for all processes, whatever the bars came from.
    pub tier: Tier,
    /// How long ago the values were computed.
    pub age: Duration,
}

impl IndicatorResult {
    pub(crate) fn new(key: SeriesKey, range: &DateRange, answer: Answer) -> Self {
        let Answer { outcome: Outcome { value, tier, age, .. }, way } = answer;
        // What was computed from the store's bars and kept here came from the store.
        let tier = if way == Way::BarsL2 && tier == Tier::L1 { Tier::L2 } else { tier };
        Self { wanted: range.within(value.days()), key, series: value, detail: ReadDetail { way, tier, age } }
    }

    /// Returns by which way the answer came.
    pub fn detail(&self) -> ReadDetail {
        self.detail
    }

    pub(crate) fn is_written(&self) -> bool {
        self.series.is_written()
    }

    /// Returns whose values these are.
    pub fn symbol(&self) -> &Symbol {
        &self.key.symbol
    }

    /// Returns the indicator's metadata.
    pub fn indicator(&self) -> &'static Indicator {
        self.key.call.indicator
    }

    /// Returns every parameter, also those that were left out.
    pub fn parameters(&self) -> Params {
        self.key.call.params
    }

    /// Returns the indicator with every parameter spelled out: `SMA(timeperiod=20)`.
    pub fn label(&self) -> String {
        self.key.call.label()
    }

    /// Returns which content the bars had that this was computed from.
    pub fn version(&self) -> &SeriesVersion {
        &self.key.version
    }

    /// Returns the tier that answered, as [`detail`](Self::detail) does.
    pub fn tier(&self) -> Tier {
        self.detail.tier
    }

    /// Returns how long ago the values were computed.
    pub fn age(&self) -> Duration {
        self.detail.age
    }

    /// Returns the number of days.
    pub fn len(&self) -> usize {
        self.wanted.len()
    }

    /// Returns whether the symbol has no bar on the wanted days.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Returns the days, ascending.
    pub fn dates(&self) -> &[Date] {
        self.series.dates().get(self.wanted.clone()).unwrap_or_default()
    }

    /// Returns the names of the outputs, in the indicator's order.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = &str> {
        self.series.outputs().iter().map(|output| output.name.as_str())
    }

    /// Returns the values of `output`, one per day, or `None` when the indicator has no such output.
    pub fn values(&self, output: &str) -> Option<&[f64]> {
        self.series
            .outputs()
            .iter()
            .find(|held| held.name == output)
            .and_then(|held| held.values.get(self.wanted.clone()))
    }
}
