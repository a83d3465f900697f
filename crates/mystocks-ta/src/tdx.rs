//! Indicators as Chinese charting programs compute them, where TA-Lib defines them otherwise.

use crate::bars::Bars;
use crate::params::Params;

/// What K, D and J are while no window has had a range yet: the middle of the scale.
const NEUTRAL: f64 = 50.0;

/// The periods of [`kdj`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct KdjPeriods {
    pub(crate) n: usize,
    pub(crate) m1: usize,
    pub(crate) m2: usize,
}

impl KdjPeriods {
    pub(crate) fn of(params: &Params) -> Self {
        let period = |name| {
            let value = params.get(name).and_then(crate::Value::to_period);
            value.unwrap_or(1).max(1)
        };
        Self { n: period("n"), m1: period("m1"), m2: period("m2") }
    }
}

/// Computes K, D and J; [`Indicator::compute`](crate::Indicator::compute) states the formula.
///
/// MyTT has `K = EMA(RSV, 2*M1-1)`, which pandas computes as `ewm(span=2*M1-1, adjust=False)`: the weight of the new value is 1/m1.
/// TA-Lib's `KDJ` seeds with averages and starts later; the two meet after some 60 bars.
pub(crate) fn kdj(bars: &Bars, periods: KdjPeriods) -> [Vec<f64>; 3] {
    let KdjPeriods { n, m1, m2 } = periods;
    let (mut k_smoothing, mut d_smoothing) = (Smoothing::new(m1), Smoothing::new(m2));
    let head = n.saturating_sub(1).min(bars.len());
    let mut lines = [(); 3].map(|()| {
        let mut line = Vec::with_capacity(bars.len());
        line.resize(head, f64::NAN);
        line
    });
    let windows = bars.high().windows(n).zip(bars.low().windows(n));
    for ((highs, lows), close) in windows.zip(bars.close().iter().skip(head)) {
        let highest = highs.iter().copied().fold(f64::MIN, f64::max);
        let lowest = lows.iter().copied().fold(f64::MAX, f64::min);
        let rsv = (highest > lowest).then(|| (close - lowest) / (highest - lowest) * 100.0);
        let k = k_smoothing.push(rsv);
        let d = d_smoothing.push(k);
        let (k, d) = (k.unwrap_or(NEUTRAL), d.unwrap_or(NEUTRAL));
        for (line, value) in lines.iter_mut().zip([k, d, 3.0 * k - 2.0 * d]) {
            line.push(value);
        }
    }
    lines
}

/// Exponential smoothing with weight `1/m`, seeded with the first value, that carries on over missing values.
#[derive(Debug)]
struct Smoothing {
    weight: f64,
    value: Option<f64>,
    // What the value so far weighs against the next: 1 after a value, less with every missing one.
    past: f64,
}

impl Smoothing {
    fn new(m: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a period is at most 100")]
        let weight = 1.0 / m as f64;
        Self { weight, value: None, past: 1.0 }
    }

    fn push(&mut self, next: Option<f64>) -> Option<f64> {
        self.past *= 1.0 - self.weight;
        match (self.value, next) {
            (_, None) => return self.value,
            (None, Some(next)) => self.value = Some(next),
            (Some(value), Some(next)) => {
                let sum = self.past * value + self.weight * next;
                self.value = Some(sum / (self.past + self.weight));
            }
        }
        self.past = 1.0;
        self.value
    }
}
