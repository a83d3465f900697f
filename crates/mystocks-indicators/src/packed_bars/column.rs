//! One column of numbers, every bit of which comes back.

use super::varint::{read_signed, write_signed};

/// Marks a column of plain little-endian numbers; any other mark is a number of decimals.
const PLAIN: u8 = 0xff;
/// The powers of ten by which quoted numbers become integers.
const SCALES: [f64; 5] = [1.0, 1e1, 1e2, 1e3, 1e4];
/// Integers up to here are exact, and so is their quotient by a scale: the nearest number to the decimal one.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Appends `column`.
pub(super) fn write_column(bytes: &mut Vec<u8>, column: &[f64]) {
    let start = bytes.len();
    for (decimals, scale) in (0_u8..).zip(SCALES) {
        bytes.push(decimals);
        if write_scaled(bytes, column, scale) {
            return;
        }
        bytes.truncate(start);
    }
    bytes.push(PLAIN);
    bytes.extend(column.iter().flat_map(|value| value.to_le_bytes()));
}

/// Takes `count` numbers off the front of `bytes`.
pub(super) fn read_column(bytes: &mut &[u8], count: usize) -> Option<Vec<f64>> {
    let (mark, rest) = bytes.split_first()?;
    *bytes = rest;
    if *mark == PLAIN {
        let (plain, rest) = bytes.split_at_checked(count.checked_mul(8)?)?;
        *bytes = rest;
        return Some(plain.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect());
    }
    let scale = SCALES.get(usize::from(*mark))?;
    // A number takes a byte at least.
    if count > bytes.len() {
        return None;
    }
    let mut column = Vec::with_capacity(count);
    let mut integer = 0_i64;
    for _ in 0..count {
        integer = integer.checked_add(read_signed(bytes)?)?;
        #[expect(
            clippy::cast_precision_loss,
            reason = "what was written is exact, and what was not is refused as bars"
        )]
        column.push(integer as f64 / scale);
    }
    Some(column)
}

fn write_scaled(bytes: &mut Vec<u8>, column: &[f64], scale: f64) -> bool {
    let mut before = 0_i64;
    for value in column {
        // No integer is a negative zero: that makes it a positive one, which has other bits.
        let scaled = (value * scale).round() + 0.0;
        if scaled.abs() >= EXACT || (scaled / scale).to_bits() != value.to_bits() {
            return false;
        }
        #[expect(clippy::cast_possible_truncation, reason = "it is an integer below 2^53")]
        let integer = scaled as i64;
        write_signed(bytes, integer - before);
        before = integer;
    }
    true
}
