//! Measured times.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long each of some reads took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies(Vec<Duration>);

/// The percentiles of some reads, in microseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) reads: usize,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

impl Latencies {
    pub(crate) fn add(&mut self, took: Duration) {
        self.0.push(took);
    }

    pub(crate) fn summary(&self) -> Summary {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        // The nearest rank: the smallest time that `percent` of the reads did not exceed.
        let at = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            sorted.get(rank - 1).map_or(0.0, |took| took.as_secs_f64() * 1e6)
        };
        Summary { reads: sorted.len(), p50_us: at(50), p99_us: at(99) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let mut latencies = Latencies::default();
        for took in (1..=200).rev() {
            latencies.add(Duration::from_micros(took));
        }
        let summary = latencies.summary();
        assert_eq!((summary.reads, summary.p50_us, summary.p99_us), (200, 100.0, 198.0));
        assert_eq!(Latencies::default().summary().p99_us, 0.0);
    }
}
