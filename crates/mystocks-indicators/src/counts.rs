//! How often each way was taken.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::metric;
use crate::way::Way;

/// How often a service answered by each way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WayCounts {
    /// Answers by [`Way::ResultL1`].
    pub result_l1: u64,
    /// Answers by [`Way::BarsL1`].
    pub bars_l1: u64,
    /// Answers by [`Way::ResultL2`].
    pub result_l2: u64,
    /// Answers by [`Way::BarsL2`].
    pub bars_l2: u64,
    /// Answers by [`Way::Source`].
    pub source: u64,
    /// Errors.
    pub errors: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    ways: [AtomicU64; 5],
    errors: AtomicU64,
}

impl Counts {
    /// Counts an answer by `way`, or an error.
    pub(crate) fn answered(&self, way: Option<Way>) {
        let counter = way.and_then(|way| self.ways.get(way as usize)).unwrap_or(&self.errors);
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the counts, and hands them to the metrics recorder: an answer itself stays free of that.
    pub(crate) fn snapshot(&self) -> WayCounts {
        let counts = self.ways.each_ref().map(|count| count.load(Ordering::Relaxed));
        let errors = self.errors.load(Ordering::Relaxed);
        for (way, count) in Way::ALL.iter().zip(counts) {
            metric::reads(way.name(), count);
        }
        metric::reads("error", errors);
        let [result_l1, bars_l1, result_l2, bars_l2, source] = counts;
        WayCounts { result_l1, bars_l1, result_l2, bars_l2, source, errors }
    }
}
