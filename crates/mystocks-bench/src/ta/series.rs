//! A million bars of a price that wanders as a stock does.

use anyhow::{Context, Result};
use jiff::{Span, civil::date};
use mystocks_ta::Bars;

pub(super) const BARS: usize = 1_000_000;

/// Makes the same bars in every run: prices in hundredths between 2 and 500, a day of 2 %, every fiftieth day without trade.
///
/// # Errors
/// Bars that are none: a mistake in here.
pub(super) fn bars() -> Result<Bars> {
    let mut random = fastrand::Rng::with_seed(20_261_123);
    let [mut open, mut high, mut low, mut close, mut volume] = [const { Vec::new() }; 5];
    let cent = |price: f64| (price * 100.0).round() / 100.0;
    let mut last: f64 = 20.0;
    for _ in 0..BARS {
        let mut step = || (random.f64() + random.f64() + random.f64() - 1.5) * 0.04;
        let (up, down) = (step().abs() / 2.0, step().abs() / 2.0);
        let (first, next) =
            (cent(last * (1.0 + step() / 4.0)), cent((last * (1.0 + step())).clamp(2.0, 500.0)));
        let is_suspended = random.u8(..50) == 0;
        let (first, next) = if is_suspended { (last, last) } else { (first, next) };
        let spread = if is_suspended { (0.0, 0.0) } else { (up, down) };
        open.push(first);
        high.push(cent(first.max(next) * (1.0 + spread.0)));
        low.push(cent(first.min(next) * (1.0 - spread.1)));
        close.push(next);
        volume.push(if is_suspended { 0.0 } else { f64::from(random.u32(1_000..50_000_000)) });
        last = next;
    }
    let first = date(1000, 1, 1);
    let day = |at: usize| {
        first.checked_add(Span::new().days(i32::try_from(at)?)).context("a day beyond the calendar")
    };
    let dates: Result<Vec<_>> = (0..BARS).map(day).collect();
    Bars::new(dates?, open, high, low, close, volume).context("failed to make the bars")
}
