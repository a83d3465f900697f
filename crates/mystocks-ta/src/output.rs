//! What an indicator computes.

/// The series of one indicator, aligned with the bars.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// One series per output, in the order of [`Indicator::outputs`](crate::Indicator::outputs).
    pub series: Vec<Series>,
}

/// One series of values, one per bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The name of the output.
    pub name: &'static str,
    /// The values, NaN only in the warm-up head.
    pub values: Vec<f64>,
}

impl Output {
    /// Returns the values of the output `name`.
    pub fn get(&self, name: &str) -> Option<&[f64]> {
        let found = self.series.iter().find(|series| series.name == name)?;
        Some(&found.values)
    }
}
