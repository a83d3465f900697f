//! What is stored and read: 100 bytes, and 4 KiB.

use serde::{Deserialize, Serialize};

use crate::read_path::value::{Sample, Value};

/// A day's prices of one symbol: 100 bytes as they are encoded.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Quote {
    symbol: String,
    day: i32,
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: u64,
}

impl Sample for Quote {
    fn sample(seed: usize) -> Self {
        let seed = seed as u64;
        let mut random = fastrand::Rng::with_seed(seed);
        let mut price = || (random.f64() * 10_000.0).round() / 100.0;
        let (open, high, low, close) = (price(), price(), price(), price());
        Self { symbol: format!("{seed:06}.SH"), day: 20_000, open, high, low, close, volume: 1 << 40 | seed }
    }
}

/// As much of the indicators as makes 4 KiB.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct FourKib(Value);

impl Sample for FourKib {
    fn sample(seed: usize) -> Self {
        Self(Value::of_points(seed, 144))
    }
}
