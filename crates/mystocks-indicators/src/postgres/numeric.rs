//! `numeric` as PostgreSQL sends it in binary: taken as it is, because a cast to `float8` goes through text on the server.

/// Powers of ten that an `f64` holds exactly.
const EXACT: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];
/// The largest integer below which an `f64` holds all of them.
const WHOLE: u64 = 1 << 53;

/// Returns the `f64` nearest to the number in `raw`, as parsing its decimal text would; `None` when `raw` is no `numeric`.
pub(super) fn to_f64(raw: &[u8]) -> Option<f64> {
    let (head, digits) = raw.split_at_checked(8)?;
    let short = |at: usize| Some(u16::from_be_bytes(head.get(at..at + 2)?.try_into().ok()?));
    let (count, weight, sign) = (usize::from(short(0)?), short(2)?.cast_signed(), short(4)?);
    if digits.len() != count * 2 {
        return None;
    }
    let negative = match sign {
        0x0000 => false,
        0x4000 => true,
        0xC000 => return Some(f64::NAN),
        0xD000 => return Some(f64::INFINITY),
        0xF000 => return Some(f64::NEG_INFINITY),
        _ => return None,
    };
    let mut mantissa = Some(0_u64);
    for digit in digits.chunks_exact(2) {
        let digit = u64::from(u16::from_be_bytes(digit.try_into().ok()?));
        mantissa = mantissa.and_then(|sum| sum.checked_mul(10_000)?.checked_add(digit));
    }
    // The last digit, in base 10,000, stands for 10,000 to this power.
    let last = i32::from(weight) - i32::try_from(count).ok()? + 1;
    let power = last.unsigned_abs() as usize * 4;
    let value = match (mantissa, EXACT.get(power)) {
        _ if count == 0 => 0.0,
        // Both are exact, so the one rounding of the division or product is the right one.
        #[expect(clippy::cast_precision_loss, reason = "it is below 2^53")]
        (Some(whole), Some(scale)) if whole < WHOLE => {
            if last < 0 {
                whole as f64 / scale
            } else {
                whole as f64 * scale
            }
        }
        _ => parsed(digits, last)?,
    };
    Some(if negative { -value } else { value })
}

/// Goes the long way, by decimal text.
fn parsed(digits: &[u8], last: i32) -> Option<f64> {
    let mut text = String::with_capacity(digits.len() * 2 + 8);
    for digit in digits.chunks_exact(2) {
        let digit = u16::from_be_bytes(digit.try_into().ok()?);
        text.push_str(&format!("{digit:04}"));
    }
    format!("{text}e{}", i64::from(last) * 4).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes `text` as the server does.
    fn numeric(text: &str) -> Vec<u8> {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let whole = format!("{:0>width$}", whole, width = whole.len().div_ceil(4) * 4);
        let part = format!("{fraction:0<width$}", width = fraction.len().div_ceil(4) * 4);
        let all = format!("{whole}{part}");
        let mut digits: Vec<u16> = all
            .as_bytes()
            .chunks(4)
            .map(|four| std::str::from_utf8(four).unwrap().parse().unwrap())
            .collect();
        let mut weight = i16::try_from(whole.len() / 4).unwrap() - 1;
        while digits.first() == Some(&0) {
            digits.remove(0);
            weight -= 1;
        }
        while digits.last() == Some(&0) {
            digits.pop();
        }
        let mut raw = u16::try_from(digits.len()).unwrap().to_be_bytes().to_vec();
        raw.extend(weight.to_be_bytes());
        raw.extend(if negative { 0x4000_u16 } else { 0 }.to_be_bytes());
        raw.extend(u16::try_from(fraction.len()).unwrap().to_be_bytes());
        raw.extend(digits.into_iter().flat_map(u16::to_be_bytes));
        raw
    }

    #[test]
    fn a_number_is_what_its_text_says() {
        for text in [
            "0",
            "0.0000",
            "1",
            "10.5000",
            "-10.5",
            "0.0001",
            "999999.9999",
            "1688.0000",
            "10000",
            "100000000.25",
            "0.000001",
            "1.234567",
            "123456789012345678901234567890.1234",
            "0.1",
            "0.3",
            "-0.7",
            "9007199254740993",
            "9007199254740992.0001",
            "0.00000000000000000000000000001",
            "99999999999999999999999999999999999999",
        ] {
            let expected: f64 = text.parse().unwrap();
            assert_eq!(to_f64(&numeric(text)).unwrap().to_bits(), expected.to_bits(), "{text}");
        }
    }

    #[test]
    fn every_price_of_four_decimals_is_the_nearest() {
        let mut seed = 7_u64;
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let text = format!("{}.{:04}", (seed >> 33) % 1_000_000, (seed >> 20) % 10_000);
            let expected: f64 = text.parse().unwrap();
            assert_eq!(to_f64(&numeric(&text)).unwrap().to_bits(), expected.to_bits(), "{text}");
        }
    }

    #[test]
    fn what_an_f64_cannot_hold_is_rounded_once() {
        let mut seed = 11_u64;
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let text = format!("{}.{:08}", (seed >> 30) % 10_000_000_000, seed % 100_000_000);
            let expected: f64 = text.parse().unwrap();
            assert_eq!(to_f64(&numeric(&text)).unwrap().to_bits(), expected.to_bits(), "{text}");
        }
    }

    #[test]
    fn what_is_no_finite_number_and_what_is_no_number() {
        let special = |sign: u16| [0_u16, 0, sign, 0].map(u16::to_be_bytes).concat();
        assert!(to_f64(&special(0xC000)).unwrap().is_nan());
        assert_eq!(to_f64(&special(0xD000)), Some(f64::INFINITY));
        assert_eq!(to_f64(&special(0xF000)), Some(f64::NEG_INFINITY));
        assert_eq!(to_f64(&special(0x1234)), None);
        assert_eq!(to_f64(&[]), None);
        assert_eq!(to_f64(&numeric("1.5")[..9]), None);
        let mut longer = numeric("1.5");
        longer.push(0);
        assert_eq!(to_f64(&longer), None);
        let mut wild = numeric("1");
        wild[2..4].copy_from_slice(&i16::MAX.to_be_bytes());
        assert_eq!(to_f64(&wild), Some(f64::INFINITY));
    }
}
