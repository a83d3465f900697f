//! Arithmetic where a value may be missing.

/// Returns `a / b`, and `otherwise` where `b` is 0; a missing value stays missing.
pub(crate) fn ratio(a: f64, b: f64, otherwise: f64) -> f64 {
    if b != 0.0 {
        a / b
    } else if a.is_nan() {
        a
    } else {
        otherwise
    }
}

/// Returns `a / b`, and NaN where that is no finite number.
pub(crate) fn finite_ratio(a: f64, b: f64) -> f64 {
    let quotient = a / b;
    if quotient.is_finite() { quotient } else { f64::NAN }
}

/// Returns the larger; a missing value on either side makes the result missing, which `f64::max` would not.
pub(crate) fn maximum(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}
