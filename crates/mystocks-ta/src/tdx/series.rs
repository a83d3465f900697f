//! Functions of level 0: a series in, a series of values out.

use super::cells;
use super::smoothing::Smoothing;
use super::window::{Window, count};

/// `REF(S, N)`: the value `n` bars ago.
///
/// `y[i] = s[i - n]`; the first `n` are NaN (pandas `shift`).
pub fn ref_(values: &[f64], n: usize) -> Vec<f64> {
    let missing = std::iter::repeat_n(f64::NAN, n.min(values.len()));
    missing.chain(values.iter().copied()).take(values.len()).collect()
}

/// `DIFF(S, N)`: the change over `n` bars.
///
/// `y[i] = s[i] - s[i - n]`; the first `n` are NaN (pandas `diff`).
pub fn diff(values: &[f64], n: usize) -> Vec<f64> {
    values.iter().zip(ref_(values, n)).map(|(value, before)| value - before).collect()
}

/// `CONST(S)`: the last value, everywhere.
pub fn const_(values: &[f64]) -> Vec<f64> {
    values.last().map_or_else(Vec::new, |last| vec![*last; values.len()])
}

/// `STD(S, N)`: the standard deviation of the last `n` values, over n and not n - 1.
///
/// `sqrt(mean((s - mean(s))^2))`, 0 where all are equal (pandas `rolling(n).std(ddof=0)`).
pub fn std(values: &[f64], n: usize) -> Vec<f64> {
    windowed(values, n, Window::deviation)
}

/// `SUM(S, N)`: the sum of the last `n` values; with `n` 0 the sum from the first on, which passes over missing values.
pub fn sum(values: &[f64], n: usize) -> Vec<f64> {
    if n > 0 {
        return windowed(values, n, Window::sum);
    }
    let running = values.iter().scan(0.0, |total, value| {
        *total += if value.is_nan() { 0.0 } else { *value };
        Some(if value.is_nan() { f64::NAN } else { *total })
    });
    running.collect()
}

/// `HHV(S, N)`: the highest of the last `n` values.
pub fn hhv(values: &[f64], n: usize) -> Vec<f64> {
    windowed(values, n, Window::highest)
}

/// `LLV(S, N)`: the lowest of the last `n` values.
pub fn llv(values: &[f64], n: usize) -> Vec<f64> {
    windowed(values, n, Window::lowest)
}

/// `HHVBARS(S, N)`: how many bars ago the highest of the last `n` values was; of several equal ones the last.
pub fn hhvbars(values: &[f64], n: usize) -> Vec<f64> {
    windowed(values, n, Window::bars_since_highest)
}

/// `LLVBARS(S, N)`: how many bars ago the lowest of the last `n` values was; of several equal ones the last.
pub fn llvbars(values: &[f64], n: usize) -> Vec<f64> {
    windowed(values, n, Window::bars_since_lowest)
}

/// `MA(S, N)`: the mean of the last `n` values.
pub fn ma(values: &[f64], n: usize) -> Vec<f64> {
    windowed(values, n, Window::mean)
}

/// `EMA(S, N)`: the exponential average with weight `2 / (n + 1)`, seeded with the first value.
///
/// `y = (2 * s + (n - 1) * y[i - 1]) / (n + 1)` (pandas `ewm(span=n, adjust=False)`). NaN before the first value; over a missing value
/// the average stays, and weighs less when the next one comes. TA-Lib seeds `EMA` with a mean instead.
pub fn ema(values: &[f64], n: usize) -> Vec<f64> {
    smoothed(values, 2.0 / (count(n) + 1.0))
}

/// `SMA(S, N, M)`: the exponential average with weight `m / n`, seeded with the first value.
///
/// `y = (m * s + (n - m) * y[i - 1]) / n` (pandas `ewm(alpha=m/n, adjust=False)`). This is no simple mean: that is [`ma`]. Unless
/// `0 < m <= n` there is no such average, and all values are NaN.
pub fn sma(values: &[f64], n: usize, m: usize) -> Vec<f64> {
    if m == 0 || m > n {
        return vec![f64::NAN; values.len()];
    }
    smoothed(values, count(m) / count(n))
}

/// `WMA(S, N)`: the mean of the last `n` values with weights 1 for the oldest to `n` for the last.
///
/// `(1 * s[i - n + 1] + … + n * s[i]) / (n * (n + 1) / 2)`.
pub fn wma(values: &[f64], n: usize) -> Vec<f64> {
    windowed(values, n, Window::weighted_mean)
}

/// `DMA(S, A)`: the exponential average with a weight of its own for every bar, seeded with the first value.
///
/// `y = a * s + (1 - a) * y[i - 1]`; a missing weight is 1 (MyTT 3 on GitHub; MyTT 2.9 takes one weight only). As long as the shorter of
/// the two series.
pub fn dma(values: &[f64], weights: &[f64]) -> Vec<f64> {
    let steps = values.iter().zip(weights).scan(f64::NAN, |last, (value, weight)| {
        *last = cells::dma(*last, *value, *weight);
        Some(*last)
    });
    steps.collect()
}

/// `AVEDEV(S, N)`: the mean distance of the last `n` values from their mean.
pub fn avedev(values: &[f64], n: usize) -> Vec<f64> {
    windowed(values, n, Window::mean_distance)
}

/// `SLOPE(S, N)`: the slope, a bar, of the line of least squares through the last `n` values; over one value 0.
pub fn slope(values: &[f64], n: usize) -> Vec<f64> {
    windowed(values, n, Window::slope)
}

/// `FORCAST(S, N)`: where that line stands at the last bar; over one value the value.
///
/// The Tongdaxin name is spelled so.
pub fn forcast(values: &[f64], n: usize) -> Vec<f64> {
    windowed(values, n, Window::line_end)
}

pub(super) fn windowed(values: &[f64], n: usize, read: impl Fn(&Window) -> f64) -> Vec<f64> {
    let mut window = Window::new(n);
    let steps = values.iter().map(|value| {
        window.push(*value);
        read(&window)
    });
    steps.collect()
}

fn smoothed(values: &[f64], weight: f64) -> Vec<f64> {
    let mut smoothing = Smoothing::new(weight);
    values.iter().map(|value| smoothing.push(*value)).collect()
}
