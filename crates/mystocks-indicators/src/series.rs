//! The values of one indicator over a whole history: what the cache holds.

use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use jiff::civil::Date;
use mystocks_cache::packed;
use serde::{Deserialize, Serialize};

use crate::announcer::Written;
use crate::day;

/// The values of one indicator over a whole history.
///
/// It is packed in the shared store (days and values as little-endian bytes) and ready to use in memory.
#[derive(Debug, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub(crate) struct IndicatorSeries {
    #[serde(with = "packed::int32")]
    days: Vec<i32>,
    outputs: Vec<Output>,
    /// Made of `days` when they are first asked for: the dates cost more than all else in reading a series.
    #[serde(skip)]
    dates: OnceLock<Vec<Date>>,
    /// Of a series that was computed here and is to be told of.
    #[serde(skip)]
    written: Option<Written>,
}

/// One line of an indicator.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Output {
    pub(crate) name: String,
    #[serde(with = "packed::float64")]
    pub(crate) values: Vec<f64>,
}

/// An [`IndicatorSeries`] as it was read, not yet trusted.
#[derive(Deserialize)]
struct Stored {
    #[serde(with = "packed::int32")]
    days: Vec<i32>,
    outputs: Vec<Output>,
}

impl IndicatorSeries {
    /// Joins ascending `dates` and `outputs` of the same length.
    pub(crate) fn new(dates: &[Date], outputs: Vec<Output>) -> Result<Self, &'static str> {
        Self::try_from(Stored { days: dates.iter().map(|date| day::number(*date)).collect(), outputs })
    }

    /// Has `written` say whether others find it.
    pub(crate) fn watched(self, written: Written) -> Self {
        Self { written: Some(written), ..self }
    }

    /// Returns whether others find it too, so far as that was watched.
    pub(crate) fn is_written(&self) -> bool {
        self.written.as_ref().is_none_or(|written| written.load(Ordering::Acquire))
    }

    /// What it takes in memory, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let values: usize = self.outputs.iter().map(|output| output.values.len() * 8 + 64).sum();
        // Days, and the dates that may be made of them.
        self.days.len() * 8 + values + 256
    }

    pub(crate) fn days(&self) -> &[i32] {
        &self.days
    }

    pub(crate) fn dates(&self) -> &[Date] {
        self.dates.get_or_init(|| self.days.iter().filter_map(|day| day::date(*day)).collect())
    }

    pub(crate) fn outputs(&self) -> &[Output] {
        &self.outputs
    }
}

impl TryFrom<Stored> for IndicatorSeries {
    type Error = &'static str;

    fn try_from(Stored { days, outputs }: Stored) -> Result<Self, Self::Error> {
        if !days.is_sorted_by(|a, b| a < b) {
            return Err("the days do not ascend");
        }
        // Between two days of the calendar all are.
        if [days.first(), days.last()].into_iter().flatten().any(|day| day::date(*day).is_none()) {
            return Err("a day is outside the calendar");
        }
        if outputs.iter().any(|output| output.values.len() != days.len()) {
            return Err("an output has not one value per day");
        }
        Ok(Self { days, outputs, dates: OnceLock::new(), written: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(days: Vec<i32>, values: usize) -> Result<IndicatorSeries, &'static str> {
        let output = |name: &str, len| Output { name: name.to_owned(), values: vec![1.0; len] };
        let outputs = vec![output("a", days.len()), output("b", values)];
        IndicatorSeries::try_from(Stored { days, outputs })
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        assert!(stored(vec![1, 2, 4], 3).is_ok());
        assert!(stored(vec![], 0).is_ok());
        for (days, values, expected) in [
            (vec![1, 2, 2], 3, "ascend"),
            (vec![2, 1], 2, "ascend"),
            (vec![1, 2], 1, "one value per day"),
            (vec![1, 2], 3, "one value per day"),
            (vec![1, i32::MAX], 2, "calendar"),
            (vec![i32::MIN, 1], 2, "calendar"),
        ] {
            let error = stored(days, values).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn dates_are_those_of_the_days() {
        let dates = [jiff::civil::date(1999, 12, 31), jiff::civil::date(2000, 2, 29)];
        let series = IndicatorSeries::new(&dates, Vec::new()).unwrap();
        assert_eq!(series.dates(), dates);
        assert_eq!(series.days(), [10_956, 11_016]);
    }
}
