//! What is read: the MACD of a year of days, as the indicator service stores it.

use mystocks_cache::packed;
use serde::{Deserialize, Serialize};

pub(crate) const POINTS: usize = 250;
pub(crate) const KEYS: usize = 1_000;

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

pub(crate) fn value(seed: usize) -> Value {
    let mut random = fastrand::Rng::with_seed(seed as u64);
    let mut output = |name: &str| Output {
        name: name.to_owned(),
        values: (0..POINTS).map(|_| (random.f64() * 10_000.0).round() / 100.0).collect(),
    };
    let outputs = vec![output("macd"), output("signal"), output("hist")];
    Value { days: (0..).take(POINTS).collect(), outputs }
}

pub(crate) fn keys() -> Vec<String> {
    (0..KEYS).map(|key| format!("{key:06}")).collect()
}
