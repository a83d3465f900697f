//! What the Tongdaxin indicators give where their formulas divide by 0.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod series;

use jiff::Span;
use jiff::civil::date;
use mystocks_ta::{Bars, registry};
use proptest::prelude::*;
use series::{any_bars, params_of};

/// The family, but for VR, BRAR and CR, which may have no value anywhere.
const EVERYWHERE: [&str; 25] = [
    "BBI", "BIAS", "DFMA", "DMI", "EXPMA", "KTN", "MASS", "MTM", "PSY", "TAQ", "TDX_ASI", "TDX_ATR",
    "TDX_BOLL", "TDX_CCI", "TDX_DPO", "TDX_EMV", "TDX_KDJ", "TDX_MACD", "TDX_MFI", "TDX_OBV", "TDX_ROC",
    "TDX_RSI", "TDX_TRIX", "WR", "XSII",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn from_its_first_bar_on_every_output_is_a_number(bars in any_bars(30, 5e-324), which in 0..25_usize, seeds in prop::array::uniform4(0.0..=1.0_f64)) {
        let indicator = registry().get(EVERYWHERE[which]).unwrap();
        let params = params_of(indicator, &seeds);
        let need = indicator.minimum_bars(&params);
        let Ok(output) = indicator.compute(&bars, &params) else {
            prop_assert!(bars.len() < need);
            return Ok(());
        };
        let mut last = 0;
        for series in &output.series {
            let first = series.values.iter().position(|value| !value.is_nan()).unwrap();
            let settled = series.values[first..].iter().all(|value| value.is_finite());
            prop_assert!(settled, "{} {}", indicator.label(&params), series.name);
            last = last.max(first);
        }
        prop_assert_eq!(last + 1, need, "{}", indicator.label(&params));
    }

    #[test]
    fn a_ratio_of_sums_is_a_number_or_missing(bars in any_bars(30, 5e-324), which in 0..3_usize, n in 1..60_i64) {
        let indicator = registry().get(["VR", "BRAR", "CR"][which]).unwrap();
        let name = if which == 2 { "n" } else { "m1" };
        let params = indicator.canonical(&[(name, n.into())]).unwrap();
        let Ok(output) = indicator.compute(&bars, &params) else { return Ok(()) };
        for series in &output.series {
            prop_assert!(series.values.iter().all(|value| value.is_nan() || value.is_finite() && *value >= 0.0));
        }
    }
}

#[test]
fn nothing_moves_and_nothing_is_traded() {
    let bars = flat(120, 0.0);
    let cases: [(&str, &[f64]); 17] = [
        ("TDX_KDJ", &[50.0, 50.0, 50.0]),
        ("TDX_RSI", &[50.0]),
        ("WR", &[50.0, 50.0]),
        ("TDX_CCI", &[0.0]),
        ("DMI", &[0.0, 0.0, 0.0, 0.0]),
        ("TDX_MFI", &[50.0]),
        ("TDX_EMV", &[0.0, 0.0]),
        ("TDX_ASI", &[0.0, 0.0]),
        ("MASS", &[25.0, 25.0]),
        ("TDX_MACD", &[0.0, 0.0, 0.0]),
        ("TDX_BOLL", &[10.0, 10.0, 10.0]),
        ("BIAS", &[0.0, 0.0, 0.0]),
        ("PSY", &[0.0, 0.0]),
        ("TDX_TRIX", &[0.0, 0.0]),
        ("TDX_OBV", &[0.0]),
        ("TDX_ATR", &[0.0]),
        ("EXPMA", &[10.0, 10.0]),
    ];
    for (name, expected) in cases {
        assert_eq!(last(name, &bars), expected, "{name}");
    }
    for name in ["VR", "BRAR", "CR"] {
        let indicator = registry().get(name).unwrap();
        assert!(!indicator.is_defined_everywhere(), "{name}");
        let output = indicator.compute(&bars, &indicator.defaults()).unwrap();
        assert!(
            output.series.iter().all(|series| series.values.iter().all(|value| value.is_nan())),
            "{name}"
        );
    }
}

#[test]
fn nothing_falls() {
    // Every bar opens at its low, a step above the close before, and closes at its high.
    let steps = |bar: i32| 10.0 + f64::from(bar);
    let bars = bars((0..120).map(|bar| [steps(bar), steps(bar) + 0.5, steps(bar), steps(bar) + 0.5, 1e6]));
    for name in ["VR", "BRAR", "CR"] {
        assert!(last(name, &bars).iter().all(|value| value.is_nan()), "{name}");
    }
    assert_eq!(last("TDX_MFI", &bars), [100.0]);
    assert_eq!(last("TDX_RSI", &bars), [100.0]);
    assert_eq!(last("PSY", &bars), [100.0, 100.0]);
    let dmi = last("DMI", &bars);
    assert_eq!((dmi[1], dmi[2], dmi[3]), (0.0, 100.0, 100.0));
}

#[test]
fn rsi_keeps_its_value_when_its_averages_have_died_away() {
    let mut rows: Vec<[f64; 5]> = [10.0, 11.0, 10.5].map(|close| [close, close, close, close, 1.0]).to_vec();
    rows.extend([[10.5, 10.5, 10.5, 10.5, 0.0]; 3_000]);
    let rsi = registry().get("TDX_RSI").unwrap();
    let params = rsi.canonical(&[("n", 2.into())]).unwrap();
    let output = rsi.compute(&bars(rows.into_iter()), &params).unwrap();
    let values = output.get("rsi").unwrap();
    // Gains 1 then 0.5, changes 1 then 0.75.
    assert!((values[2] - 200.0 / 3.0).abs() < 1e-9 && values[1] == 100.0, "{:?}", &values[..4]);
    assert!(values[2..].iter().all(|value| (value - values[2]).abs() < 1e-9));
}

#[test]
fn one_day_without_trade_adds_nothing_to_emv() {
    let row =
        |bar: i32| [10.0, 10.5, 9.5, 10.0 + f64::from(bar % 2) * 0.2, if bar == 60 { 0.0 } else { 1e6 }];
    let moved = |bar: i32| {
        let [open, high, low, close, volume] = row(bar);
        let up = f64::from(bar) * 0.01;
        [open + up, high + up, low + up, close + up, volume]
    };
    let emv = registry().get("TDX_EMV").unwrap();
    let output = emv.compute(&bars((0..120).map(moved)), &emv.defaults()).unwrap();
    let values = output.get("emv").unwrap();
    assert!(values[26..].iter().all(|value| value.is_finite()));
    assert!(values[60] < values[59] * 0.95, "one of fourteen days is 0: {} {}", values[59], values[60]);
}

fn last(name: &str, bars: &Bars) -> Vec<f64> {
    let indicator = registry().get(name).unwrap();
    let output = indicator.compute(bars, &indicator.defaults()).unwrap();
    output.series.iter().map(|series| *series.values.last().unwrap()).collect()
}

fn flat(len: usize, volume: f64) -> Bars {
    bars(std::iter::repeat_n([10.0, 10.0, 10.0, 10.0, volume], len))
}

/// Bars of open, high, low, close and volume, a day each.
fn bars(rows: impl Iterator<Item = [f64; 5]>) -> Bars {
    let mut columns = [const { Vec::new() }; 5];
    for row in rows {
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(value);
        }
    }
    let start = date(2000, 1, 1);
    let dates =
        (0..columns[0].len()).map(|day| start.saturating_add(Span::new().days(i64::try_from(day).unwrap())));
    let [open, high, low, close, volume] = columns;
    Bars::new(dates.collect(), open, high, low, close, volume).unwrap()
}
