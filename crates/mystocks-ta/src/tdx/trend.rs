//! Formulas of direction and of range.

use super::cells::Cells;
use super::formula::{Formula, Heads, Lines, Row, Settings};
use super::ratio::{maximum, ratio};

const NO: f64 = f64::NAN;

/// `DIF = EMA(C, SHORT) - EMA(C, LONG); DEA = EMA(DIF, M); MACD = (DIF - DEA) * 2`
pub(crate) static MACD: Formula = Formula { step: macd, heads: |_| [0; 4], everywhere: true };

fn macd(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    let [short, long, m, _] = s.periods;
    let dif = x.ema(bar.close, short) - x.ema(bar.close, long);
    let dea = x.ema(dif, m);
    [dif, dea, (dif - dea) * 2.0, NO]
}

/// `MID = MA(C, N); UPPER = MID + STD(C, N) * P; LOWER = MID - STD(C, N) * P`
pub(crate) static BOLL: Formula = Formula { step: boll, heads: |s| [s.periods[0] - 1; 4], everywhere: true };

fn boll(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    let mid = x.ma(bar.close, s.periods[0]);
    let width = x.std(bar.close, s.periods[0]) * s.numbers[1];
    [mid + width, mid, mid - width, NO]
}

/// `(MA(C, M1) + MA(C, M2) + MA(C, M3) + MA(C, M4)) / 4`
pub(crate) static BBI: Formula =
    Formula { step: bbi, heads: |s| [longest(&s.periods) - 1; 4], everywhere: true };

fn bbi(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    let sum: f64 = s.periods.iter().map(|period| x.ma(bar.close, *period)).sum();
    [sum / 4.0, NO, NO, NO]
}

/// `TR = SUM(MAX(MAX(H - L, ABS(H - REF(C, 1))), ABS(L - REF(C, 1))), M1); HD = H - REF(H, 1); LD = REF(L, 1) - L;
/// PDI = SUM(IF(HD > 0 & HD > LD, HD, 0), M1) * 100 / TR; MDI = SUM(IF(LD > 0 & LD > HD, LD, 0), M1) * 100 / TR;
/// ADX = MA(ABS(MDI - PDI) / (PDI + MDI) * 100, M2); ADXR = (ADX + REF(ADX, M2)) / 2`
pub(crate) static DMI: Formula = Formula { step: dmi, heads: dmi_heads, everywhere: true };

fn dmi(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    let [m1, m2, _, _] = s.periods;
    let range = true_range(x, bar);
    let sum = x.sum(range, m1);
    let up = bar.high - x.back(bar.high, 1);
    let down = x.back(bar.low, 1) - bar.low;
    let plus = x.sum(if up > 0.0 && up > down { up } else { 0.0 }, m1);
    let minus = x.sum(if down > 0.0 && down > up { down } else { 0.0 }, m1);
    let (pdi, mdi) = (ratio(plus * 100.0, sum, 0.0), ratio(minus * 100.0, sum, 0.0));
    let adx = x.ma(ratio((mdi - pdi).abs(), pdi + mdi, 0.0) * 100.0, m2);
    [pdi, mdi, adx, f64::midpoint(adx, x.back(adx, m2))]
}

fn dmi_heads(s: &Settings) -> Heads {
    let [m1, m2, _, _] = s.periods;
    [m1, m1, m1 + m2 - 1, m1 + 2 * m2 - 1]
}

/// `UP = HHV(H, N); DOWN = LLV(L, N); MID = (UP + DOWN) / 2`
pub(crate) static TAQ: Formula = Formula { step: taq, heads: |s| [s.periods[0] - 1; 4], everywhere: true };

fn taq(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    let (up, down) = (x.hhv(bar.high, s.periods[0]), x.llv(bar.low, s.periods[0]));
    [up, f64::midpoint(up, down), down, NO]
}

/// `MID = EMA((H + L + C) / 3, N); UPPER = MID + 2 * ATR(M); LOWER = MID - 2 * ATR(M)`
pub(crate) static KTN: Formula =
    Formula { step: ktn, heads: |s| [s.periods[1], 0, s.periods[1], 0], everywhere: true };

fn ktn(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    let mid = x.ema((bar.high + bar.low + bar.close) / 3.0, s.periods[0]);
    let range = true_range(x, bar);
    let atr = x.ma(range, s.periods[1]);
    [mid + 2.0 * atr, mid, mid - 2.0 * atr, NO]
}

/// `TR = EMA(EMA(EMA(C, M1), M1), M1); TRIX = (TR - REF(TR, 1)) / REF(TR, 1) * 100; TRMA = MA(TRIX, M2)`
pub(crate) static TRIX: Formula =
    Formula { step: trix, heads: |s| [1, s.periods[1], 0, 0], everywhere: true };

fn trix(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    let once = x.ema(bar.close, s.periods[0]);
    let twice = x.ema(once, s.periods[0]);
    let line = x.ema(twice, s.periods[0]);
    let before = x.back(line, 1);
    let trix = (line - before) / before * 100.0;
    [trix, x.ma(trix, s.periods[1]), NO, NO]
}

/// `DIF = MA(C, N1) - MA(C, N2); DIFMA = MA(DIF, M)`
pub(crate) static DFMA: Formula = Formula { step: dfma, heads: dfma_heads, everywhere: true };

fn dfma(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    let dif = x.ma(bar.close, s.periods[0]) - x.ma(bar.close, s.periods[1]);
    [dif, x.ma(dif, s.periods[2]), NO, NO]
}

fn dfma_heads(s: &Settings) -> Heads {
    let first = s.periods[0].max(s.periods[1]) - 1;
    [first, first + s.periods[2] - 1, 0, 0]
}

/// `EMA(C, N1); EMA(C, N2)`
pub(crate) static EXPMA: Formula = Formula { step: expma, heads: |_| [0; 4], everywhere: true };

fn expma(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    [x.ema(bar.close, s.periods[0]), x.ema(bar.close, s.periods[1]), NO, NO]
}

/// `P = (2 * C + H + L) / 4; AA = MA(P, 5); TD1 = AA * N / 100; TD2 = AA * (200 - N) / 100; CC = ABS(P - MA(C, 20)) / MA(C, 20);
/// DD = DMA(C, CC); TD3 = (1 + M / 100) * DD; TD4 = (1 - M / 100) * DD`
pub(crate) static XSII: Formula = Formula { step: xsii, heads: |_| [4, 4, 0, 0], everywhere: true };

fn xsii(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    let [n, m, _, _] = s.numbers;
    let price = (2.0 * bar.close + bar.high + bar.low) / 4.0;
    let (near, far) = (x.ma(price, 5), x.ma(bar.close, 20));
    let line = x.dma(bar.close, (price - far).abs() / far);
    [near * n / 100.0, near * (200.0 - n) / 100.0, (1.0 + m / 100.0) * line, (1.0 - m / 100.0) * line]
}

/// `MA(MAX(MAX(H - L, ABS(REF(C, 1) - H)), ABS(REF(C, 1) - L)), N)`
pub(crate) static ATR: Formula = Formula { step: atr, heads: |s| [s.periods[0]; 4], everywhere: true };

fn atr(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    let range = true_range(x, bar);
    [x.ma(range, s.periods[0]), NO, NO, NO]
}

/// `MASS = SUM(MA(H - L, N1) / MA(MA(H - L, N1), N1), N2); MA_MASS = MA(MASS, M)`
pub(crate) static MASS: Formula = Formula { step: mass, heads: mass_heads, everywhere: true };

fn mass(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    let [n1, n2, m, _] = s.periods;
    let near = x.ma(bar.high - bar.low, n1);
    let far = x.ma(near, n1);
    let mass = x.sum(ratio(near, far, 1.0), n2);
    [mass, x.ma(mass, m), NO, NO]
}

fn mass_heads(s: &Settings) -> Heads {
    let [n1, n2, m, _] = s.periods;
    let first = 2 * (n1 - 1) + n2 - 1;
    [first, first + m - 1, 0, 0]
}

fn true_range(x: &mut Cells, bar: &Row) -> f64 {
    let before = x.back(bar.close, 1);
    maximum(maximum(bar.high - bar.low, (bar.high - before).abs()), (bar.low - before).abs())
}

fn longest(periods: &[usize]) -> usize {
    periods.iter().copied().max().unwrap_or(1)
}
