//! Every bit comes back, few bytes are needed, and nothing that was damaged is taken for bars.

use jiff::civil::date;

use super::*;

/// A walk of quoted prices over `count` days.
fn quoted(count: i32, step: f64) -> PackedBars {
    let day = |at: i32| day::date(day::number(date(2005, 1, 4)) + at + at / 5 * 2).unwrap();
    let price = |at: i32| f64::from(100_000 + at * 7 % 997 * 3) / 10_000.0 * step;
    let range = |from: f64| (0..count).map(|at| price(at) + from).collect::<Vec<f64>>();
    let volume = (0..count).map(|at| f64::from(at) * 1_234_567.0).collect();
    let bars =
        Bars::new((0..count).map(day).collect(), range(0.0), range(0.5), range(-0.5), range(0.25), volume);
    PackedBars(Arc::new(bars.unwrap()))
}

#[test]
fn quoted_prices_take_few_bytes_and_all_bits_come_back() {
    for bars in [quoted(1_000, 1.0), quoted(1_000, 1.0 / 3.0), quoted(1, 1.0), quoted(0, 1.0)] {
        assert_eq!(PackedBars::unpack(&bars.pack()).unwrap().0, bars.0);
    }
    let (packed, plain) = (quoted(1_000, 1.0).pack().len(), quoted(1_000, 1.0 / 3.0).pack().len());
    assert!(packed < 16_000, "{packed}");
    assert!(plain < 38_000, "{plain}");
}

#[test]
fn numbers_that_no_scale_holds_stay_as_they_are() {
    let extremes = [1e-9, 0.1 + 0.2, 1e15, 12.345_67, 0.000_1, 9_007_199_254_740_993.0];
    let mut bytes = Vec::new();
    write_column(&mut bytes, &extremes);
    let read = read_column(&mut bytes.as_slice(), extremes.len()).unwrap();
    assert_eq!(read.map_bits(), extremes.to_vec().map_bits());
    let negative_zero = [-0.0];
    bytes.clear();
    write_column(&mut bytes, &negative_zero);
    assert_eq!(read_column(&mut bytes.as_slice(), 1).unwrap().map_bits(), negative_zero.to_vec().map_bits());
}

trait Bits {
    fn map_bits(self) -> Vec<u64>;
}

impl Bits for Vec<f64> {
    fn map_bits(self) -> Vec<u64> {
        self.into_iter().map(f64::to_bits).collect()
    }
}

#[test]
fn what_is_cut_off_lengthened_or_lies_about_its_length_is_refused() {
    let packed = quoted(30, 1.0).pack();
    for end in 0..packed.len() {
        assert!(PackedBars::unpack(&packed[..end]).is_none(), "cut at {end}");
    }
    let longer = [packed.as_slice(), &[0]].concat();
    assert!(PackedBars::unpack(&longer).is_none());
    let mut huge = Vec::new();
    write_unsigned(&mut huge, u64::MAX);
    huge.extend_from_slice(&packed);
    assert!(PackedBars::unpack(&huge).is_none());
}

#[test]
fn no_damage_makes_a_panic_or_bars_that_break_their_promise() {
    let packed = quoted(60, 1.0).pack();
    for place in 0..packed.len() {
        for bit in 0..8 {
            let mut damaged = packed.clone();
            damaged[place] ^= 1 << bit;
            // Bars::new looks at all that is promised of them, so what comes out holds it.
            let _ = PackedBars::unpack(&damaged);
        }
    }
}

#[test]
fn integers_of_any_size_come_back_and_too_long_ones_do_not() {
    for value in [0, 1, -1, 63, 64, -65, i64::MAX, i64::MIN] {
        let mut bytes = Vec::new();
        write_signed(&mut bytes, value);
        assert_eq!(read_signed(&mut bytes.as_slice()), Some(value));
    }
    assert_eq!(read_unsigned(&mut [0xff; 11].as_slice()), None);
    assert_eq!(read_unsigned(&mut [0x80; 3].as_slice()), None);
}
