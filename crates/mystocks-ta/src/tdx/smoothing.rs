//! Exponential smoothing.

/// An exponential average seeded with the first value: `y += weight * (x - y)`.
///
/// A missing value leaves the average as it is, and the older average weighs `1 - weight` less when the next value comes; pandas'
/// `ewm(adjust=False, ignore_na=False)` does the same.
#[derive(Debug, Clone)]
pub(crate) struct Smoothing {
    weight: f64,
    // NaN until the first value.
    value: f64,
    // What the average so far weighs against the next value.
    past: f64,
}

impl Smoothing {
    pub(crate) fn new(weight: f64) -> Self {
        Self { weight, value: f64::NAN, past: 1.0 }
    }

    pub(crate) fn push(&mut self, next: f64) -> f64 {
        if self.value.is_nan() {
            self.value = next;
            return next;
        }
        self.past *= 1.0 - self.weight;
        if next.is_nan() {
            return self.value;
        }
        // Of equal values the average is that value to the last bit.
        #[expect(clippy::float_cmp, reason = "equal to the bit is what counts")]
        if self.value != next {
            let sum = self.past * self.value + self.weight * next;
            self.value = sum / (self.past + self.weight);
        }
        self.past = 1.0;
        self.value
    }

    /// Returns what it remembers.
    pub(crate) fn parts(&self) -> [f64; 2] {
        [self.value, self.past]
    }

    /// Takes what [`parts`](Self::parts) gave.
    pub(crate) fn restore(&mut self, [value, past]: [f64; 2]) {
        self.value = value;
        self.past = past;
    }
}
