//! Floats as Python's `repr` writes them.

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
            let size = exponent.unsigned_abs();
            if size < 10 {
                out.push('0');
            }
            out.push_str(&size.to_string());
        }
    }
}

/// Returns the significant digits and the decimal exponent of the first of them.
fn shortest(x: f64) -> (String, i32) {
    let (digits, exponent) = split(&format!("{x:e}"));
    // Of two shortest forms equally near, Python takes the one with an even last digit and Rust the upper one.
    // Formatting to a number of digits rounds such a tie to even; near a power of two it may miss the number itself.
    // Up to 15 digits no two forms mean the same float, so there is no tie.
    let precision = digits.len().saturating_sub(1);
    if precision < 15 {
        return (digits, exponent);
    }
    let rounded = format!("{x:.precision$e}");
    let (even, even_exponent) = split(&rounded);
    if even != digits && rounded.parse() == Ok(x) {
        return (even, even_exponent);
    }
    (digits, exponent)
}

fn split(scientific: &str) -> (String, i32) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    (
        mantissa.replace('.', ""),
        exponent.parse().unwrap_or_default(),
    )
}

fn zeros(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n('0', count));
}
