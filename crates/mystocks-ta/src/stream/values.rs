//! The values of one bar.

use std::ops::Deref;

/// How many outputs an indicator can have.
pub(crate) const MAX_OUTPUTS: usize = 4;

/// The values of an indicator at one bar, one per output, in the order of [`Indicator::outputs`](crate::Indicator::outputs).
///
/// NaN where an output has no value. A slice that copies without allocating.
#[derive(Debug, Clone, Copy)]
pub struct Values {
    values: [f64; MAX_OUTPUTS],
    len: usize,
}

impl Values {
    /// Takes at most [`MAX_OUTPUTS`] values; what is no finite number is no value, as in a batch.
    pub(crate) fn new<const N: usize>(values: [f64; N]) -> Self {
        let mut taken = Self { values: [f64::NAN; MAX_OUTPUTS], len: N.min(MAX_OUTPUTS) };
        for (slot, value) in taken.values.iter_mut().zip(values) {
            *slot = if value.is_finite() { value } else { f64::NAN };
        }
        taken
    }

    pub(crate) fn first(mut self, len: usize) -> Self {
        self.len = len.min(MAX_OUTPUTS);
        self
    }
}

impl Deref for Values {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        self.values.get(..self.len).unwrap_or_default()
    }
}
