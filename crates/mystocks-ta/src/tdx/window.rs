//! The last values of a series, and what can be said of them.

/// Whatever a period is, no more than this is taken at once.
const FIRST_CAPACITY: usize = 512;

/// The last `n` values of a series, in order.
///
/// What it computes is computed afresh from the values at every bar: nothing is carried along that could drift, and two windows with
/// the same values answer bit for bit the same. Values that are not finite are missing values, as in pandas' `rolling`.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    n: usize,
    // Grows to `capacity`, then the last n - 1 move to the front: the window always is one slice.
    values: Vec<f64>,
    finite: usize,
    equal: usize,
}

impl Window {
    pub(crate) fn new(n: usize) -> Self {
        let values = Vec::with_capacity(capacity(n).min(FIRST_CAPACITY));
        Self { n, values, finite: 0, equal: 0 }
    }

    pub(crate) fn push(&mut self, value: f64) {
        if value.is_finite() {
            let again = self.equal > 0 && self.values.last() == Some(&value);
            self.equal = if again { self.equal + 1 } else { 1 };
            self.finite += 1;
        } else {
            self.equal = 0;
            self.finite = 0;
        }
        if self.values.len() >= capacity(self.n) {
            let kept = self.n.saturating_sub(1);
            let from = self.values.len() - kept;
            self.values.copy_within(from.., 0);
            self.values.truncate(kept);
        }
        self.values.push(value);
    }

    /// Returns the values that still count: `n`, or as many as there are.
    pub(crate) fn remembered(&self) -> &[f64] {
        self.values.get(self.values.len().saturating_sub(self.n)..).unwrap_or_default()
    }

    /// Takes what [`remembered`](Self::remembered) gave; `None` if that is more than `n`.
    pub(crate) fn restore(&mut self, values: impl ExactSizeIterator<Item = f64>) -> Option<()> {
        if values.len() > self.n {
            return None;
        }
        *self = Self::new(self.n);
        values.for_each(|value| self.push(value));
        Some(())
    }

    /// Returns the values if there are `n` and none is missing.
    pub(crate) fn full(&self) -> Option<&[f64]> {
        if self.n == 0 || self.finite < self.n {
            return None;
        }
        self.values.get(self.values.len() - self.n..)
    }

    /// Returns the oldest of the `n` values, missing or not.
    pub(crate) fn oldest(&self) -> Option<f64> {
        let at = self.values.len().checked_sub(self.n)?;
        self.values.get(at).copied()
    }

    pub(crate) fn sum(&self) -> f64 {
        match self.only() {
            Some(value) => value * count(self.n),
            None => self.full().map_or(f64::NAN, sum),
        }
    }

    pub(crate) fn mean(&self) -> f64 {
        self.only().unwrap_or_else(|| self.full().map_or(f64::NAN, |values| sum(values) / count(self.n)))
    }

    /// Returns the standard deviation over n, not n - 1.
    pub(crate) fn deviation(&self) -> f64 {
        self.around_mean(|distance| distance * distance).sqrt()
    }

    /// Returns the mean distance from the mean.
    pub(crate) fn mean_distance(&self) -> f64 {
        self.around_mean(f64::abs)
    }

    pub(crate) fn highest(&self) -> f64 {
        let higher = |a, b| if a > b { a } else { b };
        self.full().map_or(f64::NAN, |values| fold(values, f64::NEG_INFINITY, higher, higher))
    }

    pub(crate) fn lowest(&self) -> f64 {
        let lower = |a, b| if a < b { a } else { b };
        self.full().map_or(f64::NAN, |values| fold(values, f64::INFINITY, lower, lower))
    }

    /// Returns how many bars ago the highest value was; of several the last.
    pub(crate) fn bars_since_highest(&self) -> f64 {
        self.bars_since(self.highest())
    }

    /// Returns how many bars ago the lowest value was; of several the last.
    pub(crate) fn bars_since_lowest(&self) -> f64 {
        self.bars_since(self.lowest())
    }

    /// Returns the mean with weights 1..=n, the last value weighing most.
    pub(crate) fn weighted_mean(&self) -> f64 {
        let Some(values) = self.full() else { return f64::NAN };
        let weighted = values.iter().zip(1..).map(|(value, weight)| value * count(weight));
        weighted.sum::<f64>() / (count(self.n) * (count(self.n) + 1.0) / 2.0)
    }

    /// Returns the slope of the line of least squares through the values.
    pub(crate) fn slope(&self) -> f64 {
        let Some(values) = self.full() else { return f64::NAN };
        if self.only().is_some() {
            return 0.0;
        }
        let (mean, middle) = (self.mean(), (count(self.n) - 1.0) / 2.0);
        let (mut across, mut along) = (0.0, 0.0);
        for (value, at) in values.iter().zip(0..) {
            let step = count(at) - middle;
            across += step * (value - mean);
            along += step * step;
        }
        across / along
    }

    /// Returns where that line stands at the last value.
    pub(crate) fn line_end(&self) -> f64 {
        self.mean() + self.slope() * (count(self.n) - 1.0) / 2.0
    }

    // The value that all n have.
    fn only(&self) -> Option<f64> {
        if self.n > 0 && self.equal >= self.n { self.values.last().copied() } else { None }
    }

    fn bars_since(&self, extreme: f64) -> f64 {
        let Some(values) = self.full() else { return f64::NAN };
        #[expect(clippy::float_cmp, reason = "the extreme is one of the values")]
        let since = values.iter().rev().position(|value| *value == extreme);
        since.map_or(f64::NAN, count)
    }

    fn around_mean(&self, part: impl Fn(f64) -> f64) -> f64 {
        let Some(values) = self.full() else { return f64::NAN };
        if self.only().is_some() {
            return 0.0;
        }
        let mean = self.mean();
        fold(values, 0.0, |sum, value| sum + part(value - mean), |a, b| a + b) / count(self.n)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a series has far fewer than 2^53 bars")]
pub(crate) fn count(n: usize) -> f64 {
    n as f64
}

fn capacity(n: usize) -> usize {
    n.saturating_mul(2).saturating_add(16)
}

fn sum(values: &[f64]) -> f64 {
    fold(values, 0.0, |sum, value| sum + value, |a, b| a + b)
}

/// Folds in eight lanes, which the compiler makes vectors of, and those in pairs: no step waits for more than a few others.
fn fold(values: &[f64], start: f64, step: impl Fn(f64, f64) -> f64, join: impl Fn(f64, f64) -> f64) -> f64 {
    let (blocks, rest) = values.as_chunks::<8>();
    let mut lanes = [start; 8];
    for block in blocks {
        for (lane, value) in lanes.iter_mut().zip(block) {
            *lane = step(*lane, *value);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane = step(*lane, *value);
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    join(join(join(a, e), join(b, f)), join(join(c, g), join(d, h)))
}
