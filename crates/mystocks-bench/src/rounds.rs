//! Interleaved measuring: in every round each side does the same work, in turns, and only the ratio of a round counts.

use std::future::Future;
use std::time::Duration;

use anyhow::Result;

/// What one side needed in each round, in nanoseconds per operation.
#[derive(Debug, Clone)]
pub(crate) struct Times(Vec<f64>);

impl Times {
    pub(crate) fn of(rounds: &[Duration]) -> Self {
        Self(rounds.iter().map(|took| took.as_secs_f64() * 1e9).collect())
    }

    pub(crate) fn median(&self) -> f64 {
        quantile(&self.0, 0.5)
    }

    /// The median of the rounds' ratios to `baseline`, with the quartiles.
    pub(crate) fn ratio(&self, baseline: &Self) -> Ratio {
        let ratios: Vec<f64> = self.0.iter().zip(&baseline.0).map(|(ours, raw)| ours / raw).collect();
        Ratio { median: quantile(&ratios, 0.5), low: quantile(&ratios, 0.25), high: quantile(&ratios, 0.75) }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// Runs `sides` in every round, each first in turn, after one round that does not count.
///
/// A side does its work and answers how long an operation took.
///
/// # Errors
///
/// The first of a side: work that failed would only make its side look fast.
pub(crate) async fn interleave<const N: usize, F, Fut>(rounds: usize, side: F) -> Result<[Times; N]>
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output = Result<Duration>>,
{
    let mut times = [const { Vec::new() }; N];
    for round in 0..=rounds {
        for turn in 0..N {
            let index = (round + turn) % N;
            let per_operation = side(index).await?;
            if round > 0 {
                times[index].push(per_operation.as_secs_f64() * 1e9);
            }
        }
    }
    Ok(times.map(Times))
}

pub(crate) fn quantile(values: &[f64], at: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let position = at * (sorted.len().saturating_sub(1)) as f64;
    let (below, above) = (position.floor(), position.ceil());
    let pick = |at: f64| {
        sorted.iter().enumerate().find(|(index, _)| *index as f64 >= at).map_or(f64::NAN, |(_, v)| *v)
    };
    pick(below) + (pick(above) - pick(below)) * (position - below)
}
