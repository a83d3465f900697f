//! Formulas of the trade and of the will behind a change.

use super::cells::Cells;
use super::formula::{Formula, Heads, Lines, Row, Settings};
use super::ratio::{finite_ratio, maximum, ratio};

const NO: f64 = f64::NAN;

/// `LC = REF(C, 1); SUM(IF(C > LC, V, 0), M1) / SUM(IF(C <= LC, V, 0), M1) * 100`
pub(crate) static VR: Formula = Formula { step: vr, heads: |s| [s.periods[0] - 1; 4], everywhere: false };

fn vr(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    let before = x.back(bar.close, 1);
    // On the first bar neither holds: there is no day before.
    let up = x.sum(if bar.close > before { bar.volume } else { 0.0 }, s.periods[0]);
    let down = x.sum(if bar.close <= before { bar.volume } else { 0.0 }, s.periods[0]);
    [finite_ratio(up * 100.0, down), NO, NO, NO]
}

/// `VOLUME = MA(V, N) / V; MID = 100 * (H + L - REF(H + L, 1)) / (H + L); EMV = MA(MID * VOLUME * (H - L) / MA(H - L, N), N);
/// MAEMV = MA(EMV, M)`
pub(crate) static EMV: Formula = Formula { step: emv, heads: emv_heads, everywhere: true };

fn emv(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    // A day of next to no trade has a volume ratio beyond all measure.
    const BEYOND: f64 = 1e100;
    let [n, m, _, _] = s.periods;
    let (sum, range) = (bar.high + bar.low, bar.high - bar.low);
    let mid = 100.0 * (sum - x.back(sum, 1)) / sum;
    let (volume, spread) = (x.ma(bar.volume, n), x.ma(range, n));
    let ease = mid * (volume / bar.volume) * range / spread;
    let begun = !mid.is_nan() && !volume.is_nan();
    let known = ease.abs() < BEYOND;
    let emv = x.ma(if begun && !known { 0.0 } else { ease }, n);
    [emv, x.ma(emv, m), NO, NO]
}

fn emv_heads(s: &Settings) -> Heads {
    let [n, m, _, _] = s.periods;
    let first = (n - 1).max(1) + n - 1;
    [first, first + m - 1, 0, 0]
}

/// `AR = SUM(H - O, M1) / SUM(O - L, M1) * 100; BR = SUM(MAX(0, H - REF(C, 1)), M1) / SUM(MAX(0, REF(C, 1) - L), M1) * 100`
pub(crate) static BRAR: Formula =
    Formula { step: brar, heads: |s| [s.periods[0] - 1, s.periods[0], 0, 0], everywhere: false };

fn brar(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    let n = s.periods[0];
    let before = x.back(bar.close, 1);
    let (above, below) = (x.sum(bar.high - bar.open, n), x.sum(bar.open - bar.low, n));
    let (up, down) = (x.sum(maximum(bar.high - before, 0.0), n), x.sum(maximum(before - bar.low, 0.0), n));
    [finite_ratio(above * 100.0, below), finite_ratio(up * 100.0, down), NO, NO]
}

/// `MID = REF(H + L + C, 1) / 3; SUM(MAX(0, H - MID), N) / SUM(MAX(0, MID - L), N) * 100`
pub(crate) static CR: Formula = Formula { step: cr, heads: |s| [s.periods[0]; 4], everywhere: false };

fn cr(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    let n = s.periods[0];
    let middle = x.back(bar.high + bar.low + bar.close, 1) / 3.0;
    let (up, down) = (x.sum(maximum(bar.high - middle, 0.0), n), x.sum(maximum(middle - bar.low, 0.0), n));
    [finite_ratio(up * 100.0, down), NO, NO, NO]
}

/// `SUM(IF(C > REF(C, 1), V, IF(C < REF(C, 1), -V, 0)), 0) / 10000`
pub(crate) static OBV: Formula = Formula { step: obv, heads: |_| [0; 4], everywhere: true };

fn obv(x: &mut Cells, bar: &Row, _: &Settings) -> Lines {
    let before = x.back(bar.close, 1);
    let signed = if bar.close > before {
        bar.volume
    } else if bar.close < before {
        -bar.volume
    } else {
        0.0
    };
    [x.total(signed) / 10_000.0, NO, NO, NO]
}

/// `TYP = (H + L + C) / 3; V1 = SUM(IF(TYP > REF(TYP, 1), TYP * V, 0), N) / SUM(IF(TYP < REF(TYP, 1), TYP * V, 0), N);
/// 100 - 100 / (1 + V1)`
pub(crate) static MFI: Formula = Formula { step: mfi, heads: |s| [s.periods[0] - 1; 4], everywhere: true };

fn mfi(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    let price = (bar.high + bar.low + bar.close) / 3.0;
    let before = x.back(price, 1);
    let flow = price * bar.volume;
    let up = x.sum(if price > before { flow } else { 0.0 }, s.periods[0]);
    let down = x.sum(if price < before { flow } else { 0.0 }, s.periods[0]);
    // 100 - 100 / (1 + up / down), which also has a value where nothing went down.
    [ratio(up, up + down, 0.5) * 100.0, NO, NO, NO]
}
