//! What every indicator holds on any bars, and what it gives on extreme ones.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[expect(dead_code, reason = "each test reads its own part of the figures")]
mod figures;
#[expect(dead_code, reason = "parameters are made up by another rule")]
mod series;

use figures::carried_bars;
use jiff::civil::date;
use jiff::{Span, civil::Date};
use mystocks_ta::{
    Bars, CleaningPolicy, ErrorKind, Given, Indicator, Output, Params, RawBar, Value, clean, registry,
};
use proptest::prelude::*;
use series::any_bars;
use ta_lib::abstract_api::get_func_handle;

#[test]
fn monotone_up() {
    let bars = closes(&(1..=120).map(f64::from).collect::<Vec<_>>(), 1e6);
    assert_eq!(last("RSI", &bars), [100.0]);
    assert_eq!(last("WILLR", &bars), [0.0]);
    assert_eq!(last("STOCH", &bars), [100.0, 100.0]);
    assert_eq!(last("TDX_KDJ", &bars), [100.0, 100.0, 100.0]);
    assert_eq!(last("MFI", &bars), [100.0]);
    assert_eq!((last("MOM", &bars), last("ATR", &bars)), (vec![10.0], vec![1.0]));
    assert_eq!(last("OBV", &bars), [120e6]);
    assert_eq!(last("SMA", &bars), [110.5]);
}

#[test]
fn flat() {
    let bars = closes(&[10.0; 120], 0.0);
    for name in [
        "STOCH",
        "CCI",
        "WILLR",
        "MFI",
        "ADX",
        "NATR",
        "ATR",
        "TRANGE",
        "ROC",
        "MOM",
        "OBV",
        "AD",
        "ADOSC",
        "CDLHAMMER",
    ] {
        assert!(last(name, &bars).iter().all(|value| *value == 0.0), "{name}: {:?}", last(name, &bars));
    }
    for name in ["SMA", "EMA", "WMA", "BBANDS", "SAR"] {
        assert!(last(name, &bars).iter().all(|value| *value == 10.0), "{name}: {:?}", last(name, &bars));
    }
    assert_eq!(last("MACD", &bars), [0.0; 3]);
    // TA-Lib up to 0.8.1 gave 0 for a series without any change; from 0.8.3 on it gives the middle.
    assert_eq!(last("RSI", &bars), [50.0]);
    assert_eq!(last("TDX_KDJ", &bars), [50.0; 3]);
}

#[test]
fn outside_of_what_a_function_is_defined_on_there_is_no_value() {
    let partial: Vec<&str> =
        registry().iter().filter(|one| !one.is_defined_everywhere()).map(|one| one.abbreviation).collect();
    let expected = ["VWMA", "BRAR", "CR", "VR", "RVOL", "KURTOSIS", "ACOS", "ASIN", "COSH", "EXP", "SINH"];
    assert_eq!(partial, expected);
    let (dear, cheap) = (closes(&[1_000.0; 120], 0.0), closes(&[0.5; 120], 1.0));
    for name in ["ACOS", "ASIN", "COSH", "EXP", "SINH", "VWMA", "RVOL", "KURTOSIS"] {
        assert!(last(name, &dear)[0].is_nan(), "{name}: {:?}", last(name, &dear));
    }
    for (name, value) in [("ACOS", 0.5_f64.acos()), ("EXP", 0.5_f64.exp()), ("VWMA", 0.5), ("RVOL", 1.0)] {
        assert!((last(name, &cheap)[0] - value).abs() < 1e-12, "{name}");
    }
    let jump: Vec<f64> = (0..120).map(|bar| if bar == 77 { 1_000.0 } else { 0.5 }).collect();
    let exp = registry().get("EXP").unwrap();
    let output = exp.compute(&closes(&jump, 1.0), &exp.defaults()).unwrap();
    let gaps = output.series[0].values.iter().enumerate().filter(|(_, value)| value.is_nan());
    assert_eq!(gaps.map(|(bar, _)| bar).collect::<Vec<_>>(), [77]);
}

#[test]
fn flat_after_trade_keeps_k_and_d_follows() {
    let mut prices: Vec<f64> = (1..=20).map(f64::from).collect();
    prices.extend((1..=10).map(|back| 20.0 - f64::from(back)));
    prices.extend([10.0; 60]);
    let bars = closes(&prices, 1e6);
    let kdj = registry().get("TDX_KDJ").unwrap();
    let output = kdj.compute(&bars, &kdj.defaults()).unwrap();
    let (k, d) = (output.get("k").unwrap(), output.get("d").unwrap());
    // Bar 29 is the last that moves, so the window of bar 37 is the last with a range.
    assert!(k[38..].iter().all(|value| *value == k[37]) && k[36] != k[37]);
    assert!((d[89] - k[89]).abs() < 1e-6 && (d[37] - k[37]).abs() > 0.1);
}

#[test]
fn alternating() {
    let prices: Vec<f64> = (0..121).map(|bar| if bar % 2 == 0 { 10.0 } else { 12.0 }).collect();
    let bars = closes(&prices, 1e6);
    assert!((last("SMA", &bars)[0] - 11.0).abs() < 1e-12);
    let bands = last("BBANDS", &bars);
    assert!((bands[0] - 13.0).abs() < 1e-9 && (bands[2] - 9.0).abs() < 1e-9, "{bands:?}");
    assert!((last("ATR", &bars)[0] - 2.0).abs() < 1e-12);
    assert_eq!((last("ROC", &bars), last("TRANGE", &bars)), (vec![0.0], vec![2.0]));
}

#[test]
fn volumes_of_1e12_stay_exact() {
    let prices: Vec<f64> = (0..500).map(|bar| 10.0 + f64::from(bar % 3)).collect();
    let bars = closes(&prices, 1e12);
    let obv = registry().get("OBV").unwrap();
    let output = obv.compute(&bars, &obv.defaults()).unwrap();
    // Up, up, down: one more volume every three bars.
    assert_eq!((output.series[0].values[3], output.series[0].values[498]), (1e12 * 2.0, 1e12 * 167.0));
    for name in ["AD", "ADOSC", "MFI"] {
        assert!(last(name, &bars)[0].is_finite(), "{name}");
    }
}

#[test]
fn too_few_bars_name_need_and_have() {
    let bars = closes(&[10.0; 120], 1.0);
    for indicator in registry().iter() {
        let params = indicator.defaults();
        let need = indicator.minimum_bars(&params);
        let error = indicator.compute(&head(&bars, need - 1), &params).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooFewBars { need, have: need - 1 });
        let label = indicator.label(&params);
        let cut: String = label.chars().take(64).collect();
        assert_eq!(error.subject(), if cut == label { label } else { format!("{cut}…") });
        assert!(error.to_string().contains(&format!("need {need}, have {}", need - 1)), "{error}");
        let output = indicator.compute(&head(&bars, need), &params).unwrap();
        let is_there = |value: f64| value.is_finite() || !indicator.is_defined_everywhere();
        assert!(output.series.iter().all(|series| is_there(series.values[need - 1])));
    }
}

#[test]
fn parameters_of_another_indicator_are_refused() {
    let (sma, ema) = (registry().get("SMA").unwrap(), registry().get("EMA").unwrap());
    let error = sma.compute(&closes(&[10.0; 120], 1.0), &ema.defaults()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadParameter);
    assert_eq!(error.to_string(), "compute \"SMA\": expected its own parameters, got those of EMA");
}

#[test]
fn bars_that_break_the_promise_are_refused() {
    let day = |day: i8| date(2024, 1, day);
    let make = |dates: Vec<Date>, high: f64, volume: f64| {
        let column = |value: f64| vec![value; 2];
        Bars::new(dates, column(10.0), column(high), column(9.0), column(10.0), column(volume))
    };
    assert_eq!(make(vec![day(1), day(2)], 11.0, 1.0).unwrap().len(), 2);
    let cases = [
        (make(vec![day(1)], 11.0, 1.0), "take the column \"open\": 2 values for 1 dates, expected as many"),
        (
            make(vec![day(2), day(2)], 11.0, 1.0),
            "take the column \"date\": row 1 is not after the row before it",
        ),
        (
            make(vec![day(1), day(2)], f64::NAN, 1.0),
            "take the column \"high\": row 0 is not from 1e-9 to 1e15",
        ),
        (
            make(vec![day(1), day(2)], 9.5, 1.0),
            "take the column \"high\": row 0 does not hold low <= open, close <= high",
        ),
        (make(vec![day(1), day(2)], 11.0, -1.0), "take the column \"volume\": row 0 is not from 0 to 1e18"),
    ];
    for (result, text) in cases {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidBars, text));
    }
}

#[test]
fn both_ends_of_every_range_compute() {
    // 7,200 bars: T3 over 1,000 needs 5,995.
    let (bars, _) = carried_bars("sh.600705");
    let twice = |column: &[f64]| column.repeat(2);
    let days = (0..7_200).map(|day| date(1990, 1, 1).saturating_add(Span::new().days(day)));
    let [open, high, low, close, volume] =
        [bars.open(), bars.high(), bars.low(), bars.close(), bars.volume()].map(twice);
    let bars = Bars::new(days.collect(), open, high, low, close, volume).unwrap();
    for indicator in registry().iter() {
        let ends: [fn(&mystocks_ta::Parameter) -> Value; 2] = [|one| one.min, |one| one.max];
        for end in ends {
            let all: Vec<(&str, Given)> =
                indicator.parameters.iter().map(|one| (one.name, end(one).into())).collect();
            let alone = all.iter().filter_map(|one| indicator.canonical(&[*one]).ok());
            for params in alone.chain([indicator.canonical(&all).unwrap()]) {
                let output = indicator.compute(&bars, &params);
                holds(indicator, &params, &bars, &output.unwrap()).unwrap();
            }
        }
    }
}

/// Returns what an output breaks of what every output holds.
fn holds(indicator: &Indicator, params: &Params, bars: &Bars, output: &Output) -> Result<(), String> {
    let label = indicator.label(params);
    let need = indicator.minimum_bars(params);
    let names: Vec<&str> = output.series.iter().map(|series| series.name).collect();
    if names != indicator.outputs {
        return Err(format!("{label} gives {names:?}"));
    }
    // Of the indicators that are not TA-Lib's, every output has a first bar of its own.
    let begins_alone = get_func_handle(indicator.abbreviation).is_none();
    for series in &output.series {
        if series.values.len() != bars.len() {
            return Err(format!("{label} {}: {} values", series.name, series.values.len()));
        }
        let is_integer = series.values[..need - 1].iter().all(|value| *value == 0.0);
        for (bar, value) in series.values.iter().enumerate() {
            let is_fine = if bar + 1 < need {
                value.is_nan() || is_integer || (begins_alone && value.is_finite())
            } else {
                value.is_finite() || (value.is_nan() && !indicator.is_defined_everywhere())
            };
            if !is_fine {
                return Err(format!("{label} {} bar {bar}: {value}", series.name));
            }
        }
        if indicator.abbreviation.starts_with("CDL") {
            let is_pattern = |value: &f64| value % 20.0 == 0.0 && value.abs() <= 200.0;
            if !is_integer || !series.values.iter().all(is_pattern) {
                return Err(format!("{label} gives no pattern"));
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn outputs_are_aligned_and_nan_only_in_the_head(bars in any_bars(30, 1.0), seeds in prop::array::uniform11(0.0..=1.0_f64)) {
        for indicator in registry().iter() {
            let params = any_params(indicator, seeds);
            let need = indicator.minimum_bars(&params);
            let result = indicator.compute(&bars, &params);
            if bars.len() < need {
                prop_assert_eq!(result.unwrap_err().kind(), ErrorKind::TooFewBars { need, have: bars.len() });
                continue;
            }
            prop_assert!(result.is_ok(), "{} {:?}", indicator.label(&params), result);
            prop_assert_eq!(holds(indicator, &params, &bars, &result.unwrap()), Ok(()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn cleaned_rows_are_bars_and_add_up(rows in prop::collection::vec(any_row(), 0..60), drop in any::<bool>()) {
        let suspended = if drop { mystocks_ta::SuspendedDays::Drop } else { mystocks_ta::SuspendedDays::Keep };
        let (bars, report) = clean(rows.clone(), &CleaningPolicy { suspended });
        let columns = [bars.open(), bars.high(), bars.low(), bars.close(), bars.volume()].map(<[f64]>::to_vec);
        let [open, high, low, close, volume] = columns;
        prop_assert!(Bars::new(bars.dates().to_vec(), open, high, low, close, volume).is_ok());
        let dropped = if drop { report.suspended.count } else { 0 };
        let gone = report.unusable_price.count + report.duplicate_identical.count + report.duplicate_conflicting.count + dropped;
        prop_assert_eq!((report.rows, report.bars), (rows.len(), bars.len()));
        prop_assert_eq!(bars.len() + gone, rows.len());
    }
}

/// Bars whose closes are these, with no range beyond open (the close before) and close.
fn closes(closes: &[f64], volume: f64) -> Bars {
    let start = date(2020, 1, 1);
    let rows = closes.iter().enumerate().map(|(at, close)| {
        let open = closes[at.saturating_sub(1)];
        RawBar {
            date: start.saturating_add(Span::new().days(i32::try_from(at).unwrap())),
            open,
            high: open.max(*close),
            low: open.min(*close),
            close: *close,
            volume: Some(volume),
        }
    });
    clean(rows.collect(), &CleaningPolicy::default()).0
}

fn head(bars: &Bars, len: usize) -> Bars {
    let cut = |column: &[f64]| column[..len].to_vec();
    let [open, high, low, close, volume] =
        [bars.open(), bars.high(), bars.low(), bars.close(), bars.volume()].map(cut);
    Bars::new(bars.dates()[..len].to_vec(), open, high, low, close, volume).unwrap()
}

fn last(name: &str, bars: &Bars) -> Vec<f64> {
    let indicator = registry().get(name).unwrap();
    let output = indicator.compute(bars, &indicator.defaults()).unwrap();
    output.series.iter().map(|series| *series.values.last().unwrap()).collect()
}

fn any_params(indicator: &'static Indicator, mut seeds: [f64; 11]) -> Params {
    // Their values have an order: others are refused.
    match indicator.abbreviation {
        "MAVP" => seeds.sort_by(f64::total_cmp),
        "SQZMOM" => seeds.sort_by(|a, b| b.total_cmp(a)),
        _ => {}
    }
    let pick = |(parameter, seed): (&mystocks_ta::Parameter, f64)| {
        let (min, max) = (parameter.min.to_f64(), parameter.max.to_f64());
        let at = min + seed.powi(4) * (max - min);
        #[expect(clippy::cast_possible_truncation, reason = "parameters are small")]
        let value = match parameter.default {
            // Odd ones are refused.
            Value::Int(_) if indicator.abbreviation == "FRAMA" => Given::Int(at as i64 & !1),
            Value::Int(_) => Given::Int(at as i64),
            Value::Float(_) => Given::Float(at.clamp(min, max)),
        };
        (parameter.name, value)
    };
    let given: Vec<(&str, Given)> = indicator.parameters.iter().zip(seeds).map(pick).collect();
    indicator.canonical(&given).unwrap()
}

fn any_row() -> impl Strategy<Value = RawBar> {
    let price = || prop_oneof![6 => 9.0..11.0_f64, 4 => Just(10.0), 1 => any::<f64>()];
    let volume =
        prop_oneof![Just(None), Just(Some(0.0)), any::<f64>().prop_map(Some), (0.0..1e9_f64).prop_map(Some)];
    (1..28_i8, price(), price(), price(), price(), volume).prop_map(
        |(day, open, high, low, close, volume)| RawBar {
            date: date(2024, 2, day),
            open,
            high,
            low,
            close,
            volume,
        },
    )
}
