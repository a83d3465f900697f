//! Integers in as few bytes as they need: seven bits a byte, the lowest first (LEB128), signed ones in zigzag order.

/// Appends `value`.
pub(super) fn write_unsigned(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push((value & 0x7f) as u8);
}

/// Appends `value`; small ones of either sign are short.
pub(super) fn write_signed(bytes: &mut Vec<u8>, value: i64) {
    write_unsigned(bytes, (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned());
}

/// Takes a number off the front of `bytes`; `None` when they end too early or it has more than 64 bits.
#[inline]
pub(super) fn read_unsigned(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        let low = u64::from(first & 0x7f);
        if shift == 63 && low > 1 {
            return None;
        }
        value |= low << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Takes a number off the front that [`write_signed`] wrote.
#[inline]
pub(super) fn read_signed(bytes: &mut &[u8]) -> Option<i64> {
    let value = read_unsigned(bytes)?;
    Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}
