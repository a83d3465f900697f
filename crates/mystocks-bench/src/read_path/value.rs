//! What is read: the MACD of a year of days, as the indicator service stores it.

use mystocks_cache::packed;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub(super) const KEYS: usize = 1_000;
const POINTS: usize = 250;

/// What a benchmark stores and reads: for each seed another value of the same size.
pub(crate) trait Sample: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    fn sample(seed: usize) -> Self;
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Value {
    #[serde(with = "packed::int32")]
    days: Vec<i32>,
    outputs: Vec<Output>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Output {
    name: String,
    #[serde(with = "packed::float64")]
    values: Vec<f64>,
}

impl Value {
    pub(crate) fn of_points(seed: usize, points: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(seed as u64);
        let mut output = |name: &str| Output {
            name: name.to_owned(),
            values: (0..points).map(|_| (random.f64() * 10_000.0).round() / 100.0).collect(),
        };
        let outputs = vec![output("macd"), output("signal"), output("hist")];
        Self { days: (0..).take(points).collect(), outputs }
    }
}

impl Sample for Value {
    fn sample(seed: usize) -> Self {
        Self::of_points(seed, POINTS)
    }
}

pub(crate) fn keys(count: usize) -> Vec<String> {
    (0..count).map(|key| format!("{key:06}")).collect()
}
