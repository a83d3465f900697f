//! Floats as Python's `repr` writes them.

use std::fmt::Write as _;

/// Appends `x` to `out` as `json.dumps` writes it.
pub(crate) fn write(out: &mut String, x: f64) {
    if x.is_nan() {
        out.push_str("NaN");
        return;
    }
    if x.is_sign_negative() {
        out.push('-');
    }
    if x.is_infinite() {
        out.push_str("Infinity");
        return;
    }
    let (digits, exponent) = shortest(x.abs());
    let (first, rest) = digits.split_at_checked(1).unwrap_or(("0", ""));
    match usize::try_from(exponent) {
        Ok(whole) if whole < 16 => {
            let (head, tail) = rest.split_at_checked(whole).unwrap_or((rest, ""));
            out.push_str(first);
            out.push_str(head);
            zeros(out, whole - head.len());
            out.push('.');
            out.push_str(if tail.is_empty() { "0" } else { tail });
        }
        Err(_) if exponent >= -4 => {
            out.push_str("0.");
            zeros(out, usize::try_from(-1 - exponent).unwrap_or_default());
            out.push_str(&digits);
        }
        _ => {
            out.push_str(first);
            if !rest.is_empty() {
                out.push('.');
                out.push_str(rest);
            }
            out.push_str(if exponent < 0 { "e-" } else { "e+" });
            // Writing to a String cannot fail.
            let _ = write!(out, "{:02}", exponent.unsigned_abs());
        }
    }
}

/// Returns the significant digits and the decimal exponent of the first of them.
fn shortest(x: f64) -> (String, i32) {
    let (digits, exponent) = split(format!("{x:e}"));
    if !halfway(x, &digits, exponent) {
        return (digits, exponent);
    }
    // Of two shortest forms equally near, Python takes the one with an even last digit and Rust the upper one.
    // Formatting to a number of digits rounds to even. Below a power of two that may miss the number: floats are denser there.
    let precision = digits.len().saturating_sub(1);
    let even = format!("{x:.precision$e}");
    if even.parse() == Ok(x) {
        return split(even);
    }
    (digits, exponent)
}

/// Returns whether `x` lies halfway between `digits` and a neighbour of as many digits.
///
/// A number with k fractional bits has exactly k decimal places, the last of them a 5. So it does when it has one place more than
/// `digits` show.
fn halfway(x: f64, digits: &str, exponent: i32) -> bool {
    const FRACTION: u64 = (1 << 52) - 1;
    let bits = x.to_bits();
    let (fraction, binary_exponent) = (bits & FRACTION, bits >> 52);
    let significand = fraction | u64::from(binary_exponent > 0) << 52;
    let fractional_bits = 1075
        - i64::try_from(binary_exponent.max(1)).unwrap_or_default()
        - i64::from(significand.trailing_zeros());
    let places = i64::try_from(digits.len()).unwrap_or_default() - 1 - i64::from(exponent);
    fractional_bits > 0 && fractional_bits == places + 1
}

/// Splits `1.25e-7` into `125` and -7.
fn split(mut scientific: String) -> (String, i32) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let (length, exponent) = (mantissa.len(), exponent.parse().unwrap_or_default());
    scientific.truncate(length);
    if scientific.chars().nth(1) == Some('.') {
        scientific.remove(1);
    }
    (scientific, exponent)
}

fn zeros(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n('0', count));
}
