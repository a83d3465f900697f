//! The bars of one version of one symbol: what the cache holds of them.

mod column;
mod varint;

use std::fmt;
use std::sync::Arc;

use mystocks_ta::Bars;
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use self::column::{read_column, write_column};
use self::varint::{read_signed, read_unsigned, write_signed, write_unsigned};
use crate::day;

/// The bars of one version of one symbol.
///
/// In the shared store they are one byte string: the number of bars, the days as differences, then open, high, low, close and volume. Numbers with
/// at most four decimals, as prices are quoted, stand there as differences of integers, about two bytes each; all others as they are in
/// memory. Either way every bit comes back.
#[derive(Debug, Clone)]
pub(crate) struct PackedBars(pub(crate) Arc<Bars>);

impl PackedBars {
    fn pack(&self) -> Vec<u8> {
        let bars = &*self.0;
        let mut bytes = Vec::with_capacity(bars.len() * 16 + 16);
        write_unsigned(&mut bytes, bars.len() as u64);
        let mut before = 0_i64;
        for date in bars.dates() {
            let day = i64::from(day::number(*date));
            write_signed(&mut bytes, day - before);
            before = day;
        }
        for column in [bars.open(), bars.high(), bars.low(), bars.close(), bars.volume()] {
            write_column(&mut bytes, column);
        }
        bytes
    }

    fn unpack(mut bytes: &[u8]) -> Option<Self> {
        let rest = &mut bytes;
        let count = usize::try_from(read_unsigned(rest)?).ok()?;
        // Each day takes a byte at least: no more is made room for than was sent.
        if count > rest.len() {
            return None;
        }
        let mut dates = Vec::with_capacity(count);
        let mut before = 0_i64;
        for _ in 0..count {
            before = before.checked_add(read_signed(rest)?)?;
            dates.push(day::date(i32::try_from(before).ok()?)?);
        }
        let mut columns = [const { Vec::new() }; 5];
        for column in &mut columns {
            *column = read_column(rest, count)?;
        }
        let [open, high, low, close, volume] = columns;
        let bars = Bars::new(dates, open, high, low, close, volume).ok()?;
        rest.is_empty().then(|| Self(Arc::new(bars)))
    }
}

impl Serialize for PackedBars {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.pack())
    }
}

impl<'de> Deserialize<'de> for PackedBars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Packed;
        impl Visitor<'_> for Packed {
            type Value = PackedBars;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("packed bars")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<PackedBars, E> {
                PackedBars::unpack(bytes).ok_or_else(|| E::custom("these bytes are no packed bars"))
            }
        }
        if deserializer.is_human_readable() {
            return Err(D::Error::custom("bars are packed for binary formats only"));
        }
        deserializer.deserialize_bytes(Packed)
    }
}

#[cfg(test)]
mod tests;
