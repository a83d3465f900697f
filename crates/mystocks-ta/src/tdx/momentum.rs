//! Formulas of the speed of change.

use super::cells::Cells;
use super::formula::{Formula, Heads, Lines, Row, Settings};
use super::ratio::{maximum, ratio};
use super::window::count;

const NO: f64 = f64::NAN;

/// What an oscillator from 0 to 100 is before anything has moved.
const NEUTRAL: f64 = 50.0;

/// `RSV = (C - LLV(L, N)) / (HHV(H, N) - LLV(L, N)) * 100; K = EMA(RSV, M1 * 2 - 1); D = EMA(K, M2 * 2 - 1); J = K * 3 - D * 2`
pub(crate) static KDJ: Formula = Formula { step: kdj, heads: |s| [s.periods[0] - 1; 4], everywhere: true };

fn kdj(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    let [n, m1, m2, _] = s.periods;
    let (highest, lowest) = (x.hhv(bar.high, n), x.llv(bar.low, n));
    let rsv = if highest > lowest { (bar.close - lowest) / (highest - lowest) * 100.0 } else { NO };
    // Weight 1 / m, which is EMA's at 2 * m - 1.
    let k = x.sma(rsv, m1);
    let d = x.sma(k, m2);
    if highest.is_nan() {
        return [NO; 4];
    }
    let (k, d) = if k.is_nan() { (NEUTRAL, NEUTRAL) } else { (k, d) };
    [k, d, 3.0 * k - 2.0 * d, NO]
}

/// `DIF = C - REF(C, 1); SMA(MAX(DIF, 0), N) / SMA(ABS(DIF), N) * 100`
pub(crate) static RSI: Formula = Formula { step: rsi, heads: |_| [1; 4], everywhere: true };

fn rsi(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    // Both averages shrink by the same factor on every flat bar; below this their ratio loses its digits.
    const NOTHING: f64 = 1e-250;
    let change = bar.close - x.back(bar.close, 1);
    let gains = x.sma(maximum(change, 0.0), s.periods[0]);
    let all = x.sma(change.abs(), s.periods[0]);
    let rsi = x.hold(if all > NOTHING { gains / all * 100.0 } else { NO }, NEUTRAL);
    [if all.is_nan() { NO } else { rsi }, NO, NO, NO]
}

/// `WR = (HHV(H, N) - C) / (HHV(H, N) - LLV(L, N)) * 100`, and the same over N1
pub(crate) static WR: Formula =
    Formula { step: wr, heads: |s| [s.periods[0] - 1, s.periods[1] - 1, 0, 0], everywhere: true };

fn wr(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    let mut one = |n| {
        let (highest, lowest) = (x.hhv(bar.high, n), x.llv(bar.low, n));
        ratio(highest - bar.close, highest - lowest, NEUTRAL / 100.0) * 100.0
    };
    [one(s.periods[0]), one(s.periods[1]), NO, NO]
}

/// `(C - MA(C, L)) / MA(C, L) * 100` for L1, L2 and L3
pub(crate) static BIAS: Formula =
    Formula { step: bias, heads: |s| s.periods.map(|period| period - 1), everywhere: true };

fn bias(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    let mut one = |n| {
        let mean = x.ma(bar.close, n);
        (bar.close - mean) / mean * 100.0
    };
    [one(s.periods[0]), one(s.periods[1]), one(s.periods[2]), NO]
}

/// `PSY = COUNT(C > REF(C, 1), N) / N * 100; PSYMA = MA(PSY, M)`
pub(crate) static PSY: Formula = Formula {
    step: psy,
    heads: |s| [s.periods[0] - 1, s.periods[0] + s.periods[1] - 2, 0, 0],
    everywhere: true,
};

fn psy(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    let up = bar.close > x.back(bar.close, 1);
    let psy = x.sum(f64::from(u8::from(up)), s.periods[0]) / count(s.periods[0]) * 100.0;
    [psy, x.ma(psy, s.periods[1]), NO, NO]
}

/// `TP = (H + L + C) / 3; (TP - MA(TP, N)) / (0.015 * AVEDEV(TP, N))`
pub(crate) static CCI: Formula = Formula { step: cci, heads: |s| [s.periods[0] - 1; 4], everywhere: true };

fn cci(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    let price = (bar.high + bar.low + bar.close) / 3.0;
    let away = price - x.ma(price, s.periods[0]);
    [ratio(away, 0.015 * x.avedev(price, s.periods[0]), 0.0), NO, NO, NO]
}

/// `DPO = C - REF(MA(C, M1), M2); MADPO = MA(DPO, M3)`
pub(crate) static DPO: Formula = Formula { step: dpo, heads: dpo_heads, everywhere: true };

fn dpo(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    let mean = x.ma(bar.close, s.periods[0]);
    let dpo = bar.close - x.back(mean, s.periods[1]);
    [dpo, x.ma(dpo, s.periods[2]), NO, NO]
}

fn dpo_heads(s: &Settings) -> Heads {
    let [m1, m2, m3, _] = s.periods;
    [m1 + m2 - 1, m1 + m2 + m3 - 2, 0, 0]
}

/// `MTM = C - REF(C, N); MTMMA = MA(MTM, M)`
pub(crate) static MTM: Formula = Formula { step: mtm, heads: change_heads, everywhere: true };

fn mtm(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    let mtm = bar.close - x.back(bar.close, s.periods[0]);
    [mtm, x.ma(mtm, s.periods[1]), NO, NO]
}

/// `ROC = 100 * (C - REF(C, N)) / REF(C, N); MAROC = MA(ROC, M)`
pub(crate) static ROC: Formula = Formula { step: roc, heads: change_heads, everywhere: true };

fn roc(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    let before = x.back(bar.close, s.periods[0]);
    let roc = 100.0 * (bar.close - before) / before;
    [roc, x.ma(roc, s.periods[1]), NO, NO]
}

fn change_heads(s: &Settings) -> Heads {
    [s.periods[0], s.periods[0] + s.periods[1] - 1, 0, 0]
}

/// `LC = REF(C, 1); AA = ABS(H - LC); BB = ABS(L - LC); CC = ABS(H - REF(L, 1)); DD = ABS(LC - REF(O, 1));
/// R = IF(AA > BB & AA > CC, AA + BB / 2 + DD / 4, IF(BB > CC & BB > AA, BB + AA / 2 + DD / 4, CC + DD / 4));
/// X = C - LC + (C - O) / 2 + LC - REF(O, 1); SI = 16 * X / R * MAX(AA, BB); ASI = SUM(SI, M1); ASIT = MA(ASI, M2)`
pub(crate) static ASI: Formula = Formula { step: asi, heads: change_heads, everywhere: true };

fn asi(x: &mut Cells, bar: &Row, s: &Settings) -> Lines {
    let [m1, m2, _, _] = s.periods;
    let (open, low, close) = (x.back(bar.open, 1), x.back(bar.low, 1), x.back(bar.close, 1));
    let (up, down) = ((bar.high - close).abs(), (bar.low - close).abs());
    let (across, body) = ((bar.high - low).abs(), (close - open).abs());
    let reach = if up > down && up > across {
        up + down / 2.0 + body / 4.0
    } else if down > across && down > up {
        down + up / 2.0 + body / 4.0
    } else {
        across + body / 4.0
    };
    let swing = bar.close - close + (bar.close - bar.open) / 2.0 + close - open;
    let asi = x.sum(ratio(16.0 * swing, reach, 0.0) * maximum(up, down), m1);
    [asi, x.ma(asi, m2), NO, NO]
}
