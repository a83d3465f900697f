//! The stochastic oscillator: the place of the close in its window, in a pass that vectorises, and TA-Lib's own averages of it.

use ta_lib::{MAType, RetCode};

use super::extremes::{Extremes, TILE};
use crate::bars::Bars;
use crate::talib::CORE;

/// Computes K and D for the periods of the window and of the two averages.
///
/// TA-Lib scans on for the highest and lowest bar by bar, and branches; doubling does not.
pub(super) fn lines(
    bars: &Bars,
    [window, k_period, d_period]: [usize; 3],
    average: MAType,
) -> Result<[Vec<f64>; 2], RetCode> {
    let len = bars.len();
    let (mut k, mut d) = (vec![0.0; len], vec![0.0; len]);
    let short = RetCode::OutOfRangeEndIndex;
    // The place stands where D will be: nothing else is allocated.
    let from = window - 1;
    places(bars, window, d.get_mut(from..).ok_or(short)?);
    let k_from = from + smooth(d.get(from..), k.get_mut(from..), k_period, average)?;
    let lookback = k_from + smooth(k.get(k_from..), d.get_mut(k_from..), d_period, average)?;
    k.iter_mut().take(lookback).for_each(|value| *value = f64::NAN);
    d.iter_mut().take(lookback).for_each(|value| *value = f64::NAN);
    Ok([k, d])
}

/// Averages `values` and puts what comes out behind the head; returns the length of the head.
fn smooth(
    values: Option<&[f64]>,
    out: Option<&mut [f64]>,
    period: usize,
    average: MAType,
) -> Result<usize, RetCode> {
    let short = RetCode::OutOfRangeEndIndex;
    let (values, out) = (values.ok_or(short)?, out.ok_or(short)?);
    let last = values.len().checked_sub(1).ok_or(short)?;
    let head = period - 1;
    let period = i32::try_from(period).map_err(|_| RetCode::BadParam)?;
    let range = CORE.ma(0, last, values, period, average, out.get_mut(head..).ok_or(short)?)?;
    if range.beg_idx == head && head + range.count == values.len() {
        Ok(head)
    } else {
        Err(RetCode::InternalError)
    }
}

fn places(bars: &Bars, window: usize, out: &mut [f64]) {
    let (mut highest, mut lowest) = (Extremes::default(), Extremes::default());
    let closes = bars.close().get(window - 1..).unwrap_or_default();
    for (tile, (out, closes)) in out.chunks_mut(TILE).zip(closes.chunks(TILE)).enumerate() {
        let start = tile * TILE;
        let read = start..start + out.len() + window - 1;
        let highs = bars.high().get(read.clone()).unwrap_or_default();
        let lows = bars.low().get(read).unwrap_or_default();
        let high = highest.of(highs, window, |one, other| if one > other { one } else { other });
        let low = lowest.of(lows, window, |one, other| if one < other { one } else { other });
        for ((out, close), (high, low)) in out.iter_mut().zip(closes).zip(high.zip(low)) {
            let range = high - low;
            let is_flat = range.abs() <= 1e-14 * (high.abs() + low.abs());
            let place = (close - low) / range * 100.0;
            *out = if is_flat { 0.0 } else { place };
        }
    }
}
