//! On-balance volume without a branch on the direction of the price.

use crate::bars::Bars;

/// Adds the volume of a bar that closed higher than the one before, and subtracts it of one that closed lower.
///
/// TA-Lib branches on the direction, which no processor foresees.
pub(super) fn obv(bars: &Bars) -> Vec<f64> {
    const SIGN: u32 = 63;
    let mut total = bars.volume().first().copied().unwrap_or_default();
    let mut values = Vec::with_capacity(bars.len());
    values.extend(bars.volume().first());
    let steps = bars.close().windows(2).zip(bars.volume().iter().skip(1));
    values.extend(steps.map(|(pair, volume)| {
        let (before, close) = (pair[0], pair[1]);
        // The volume, its negative, or -0.0: the one number that changes none it is added to.
        let moved = u64::from(close != before).wrapping_neg();
        let down = u64::from(close <= before) << SIGN;
        total += f64::from_bits((volume.to_bits() & moved) ^ down);
        total
    }));
    values
}
