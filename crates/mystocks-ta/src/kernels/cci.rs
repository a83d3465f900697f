//! The commodity channel index, sixteen bars at a time.

use crate::bars::Bars;

/// How many bars are done at once.
const LANES: usize = 8;

type Lanes = [f64; LANES];

/// Computes `(tp - mean) / (0.015 * mean deviation)` over `period` typical prices, for every bar from `period - 1` on.
///
/// TA-Lib keeps the window in a ring and adds it up in the order of the ring, twice per bar. Bars a whole `period` apart have the same
/// place in the ring, so they are added up in the same order: side by side here, to the same bits. A bar at place `c` sees the
/// places up to `c` of its own turn of the ring and the rest of the turn before.
pub(super) fn cci(bars: &Bars, period: usize) -> Vec<f64> {
    let len = bars.len();
    let mut values = vec![f64::NAN; len];
    let typical = |at: usize| -> f64 {
        match (bars.high().get(at), bars.low().get(at), bars.close().get(at)) {
            (Some(high), Some(low), Some(close)) => (high + low + close) / 3.0,
            _ => 0.0,
        }
    };
    // Of every place of the ring, the prices of as many turns as there are lanes, and of one turn less.
    let mut own: Vec<Lanes> = vec![[0.0; LANES]; period];
    let mut before: Vec<Lanes> = vec![[0.0; LANES]; period];
    #[expect(clippy::cast_precision_loss, reason = "a period is at most 100")]
    let count = period as f64;
    for tile in (0..len).step_by(period * LANES) {
        for (place, (own, before)) in own.iter_mut().zip(&mut before).enumerate() {
            let last = own[LANES - 1];
            for (turn, price) in own.iter_mut().enumerate() {
                *price = typical(tile + turn * period + place);
            }
            before[0] = last;
            before[1..].copy_from_slice(&own[..LANES - 1]);
        }
        let mut sums = [0.0; LANES];
        for (place, prices) in own.iter().enumerate() {
            add(&mut sums, prices);
            let (newer, older) = (own.get(..=place), before.get(place + 1..));
            let (newer, older) = (newer.unwrap_or_default(), older.unwrap_or_default());
            let mut means = sums;
            older.iter().for_each(|prices| add(&mut means, prices));
            means.iter_mut().for_each(|mean| *mean /= count);
            let mut deviations = [0.0; LANES];
            newer.iter().chain(older).for_each(|prices| add_distance(&mut deviations, prices, &means));
            let places = values.iter_mut().skip(tile + place).step_by(period);
            for (value, ((price, mean), sum)) in places.zip(prices.iter().zip(&means).zip(&deviations)) {
                *value = index(*price, *mean, sum / count);
            }
        }
    }
    values.iter_mut().take(period - 1).for_each(|value| *value = f64::NAN);
    values
}

fn add(sums: &mut Lanes, values: &Lanes) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}

fn add_distance(sums: &mut Lanes, values: &Lanes, means: &Lanes) {
    for ((sum, value), mean) in sums.iter_mut().zip(values).zip(means) {
        *sum += (value - mean).abs();
    }
}

/// A window is flat by TA-Lib's measure if what is left of it is no more than rounding. What is more than that can be divided by: no
/// price of a bar is below 1e-9.
fn index(price: f64, mean: f64, deviation: f64) -> f64 {
    let distance = price - mean;
    let rounding = 1e-14 * mean.abs();
    let is_flat = distance.abs() <= rounding || deviation.abs() <= rounding;
    if is_flat { 0.0 } else { distance / (0.015 * deviation) }
}
