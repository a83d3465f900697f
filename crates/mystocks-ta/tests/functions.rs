//! Every function of TA-Lib on real A-share bars: against figures of the C library, and against its own manifest.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![expect(clippy::print_stdout, reason = "how much was compared is part of the report")]

#[expect(dead_code, reason = "each test reads its own part of the figures")]
mod figures;

use std::collections::{BTreeMap, BTreeSet};

use figures::{
    Figure, carried_bars, carried_figures, carried_rows, golden_functions, golden_rows, request_of, section,
};
use mystocks_ta::{Bars, Given, Kind, registry};

/// Where several values tie these name the newest from 0.8.3 on; the figures are older, and name the one that the start of the scan gave.
const NEWEST_OF_A_TIE: [&str; 3] = ["MAXINDEX", "MININDEX", "MINMAXINDEX"];
/// No price has one, so there is nothing to compare but that.
const NO_VALUES: [&str; 2] = ["ACOS", "ASIN"];
/// Where the registry is not the manifest: the contract with the Python backend (defaults, names of outputs, types of average), the one
/// name for all patterns, and the default of PERCENTILE, 30 before 0.8.3.
const DIFFERENCES: [&str; 26] = [
    "AD gives ad",
    "ADOSC gives adosc",
    "ADX gives adx",
    "ATR gives atr",
    "BBANDS without matype",
    "CCI gives cci",
    "EMA.timeperiod 20",
    "EMA gives ema",
    "KDJ without slowk_matype, slowd_matype",
    "MACD gives macd, signal, hist",
    "MFI gives mfi",
    "MOM gives mom",
    "NATR gives natr",
    "OBV gives obv",
    "PERCENTILE.timeperiod 100",
    "ROC gives roc",
    "RSI gives rsi",
    "SAR gives sar",
    "SMA.timeperiod 20",
    "SMA gives sma",
    "STOCH without slowk_matype, slowd_matype",
    "STOCH.fastk_period 9",
    "TRANGE gives trange",
    "WILLR gives willr",
    "WMA.timeperiod 20",
    "WMA gives wma",
];
const SYMBOLS: [&str; 3] = ["sh.600519", "sh.600705", "sh.688126"];

#[test]
fn all_140_functions_agree() {
    let figures = carried_figures("functions.csv.gz");
    let compared = compare_functions(&figures);
    println!("carried: {} series, {compared} values", figures.len());
    assert_eq!((figures.len(), compared), (519, 14_610));
    if let Some(figures) = golden_functions() {
        let compared = compare_functions(&figures);
        println!("in full: {} series, {compared} values", figures.len());
        assert_eq!((figures.len(), compared), (519, 256_878));
    }
}

#[test]
fn all_61_patterns_agree() {
    let hits = compare_patterns(&carried_rows("patterns.csv.gz"));
    println!("carried: {hits} patterns met");
    assert_eq!(hits, 3_179);
    if let Some(rows) = golden_rows("cdl.csv") {
        assert_eq!(compare_patterns(&rows), hits);
    }
}

#[test]
fn the_manifest_of_201_functions_holds() {
    let rows = carried_rows("manifest.csv.gz");
    assert_eq!(rows.len(), 201);
    let mut differ = Vec::new();
    for row in &rows {
        let indicator = registry().get(&row[0]).unwrap();
        let stated: Vec<(&str, &str)> = row[3].split(';').filter_map(|pair| pair.split_once('=')).collect();
        // Types of average that the contract with the Python backend fixes are not offered.
        let offered = |name: &str| indicator.parameters.iter().any(|one| one.name == name);
        let hidden: Vec<&str> = stated.iter().map(|(name, _)| *name).filter(|name| !offered(name)).collect();
        if !hidden.is_empty() {
            differ.push(format!("{} without {}", &row[0], hidden.join(", ")));
        }
        let names: Vec<&str> = stated.iter().map(|(name, _)| *name).filter(|name| offered(name)).collect();
        let ours: Vec<&str> =
            indicator.parameters.iter().map(|one| one.name).filter(|name| *name != "periods").collect();
        assert_eq!(ours, names, "{}", &row[0]);
        let mut given: Vec<(&str, Given)> = Vec::new();
        for parameter in indicator.parameters.iter().filter(|one| one.name != "periods") {
            let value = stated.iter().find(|(name, _)| *name == parameter.name).unwrap().1;
            let value: Given = match parameter.kind {
                Kind::Int => value.parse::<i64>().unwrap().into(),
                Kind::Float => value.parse::<f64>().unwrap().into(),
            };
            if value != Given::from(parameter.default) {
                differ.push(format!("{}.{} {}", &row[0], parameter.name, parameter.default));
            }
            given.push((parameter.name, value));
        }
        let outputs: Vec<&str> = row[4].split(';').collect();
        if indicator.outputs != outputs {
            differ.push(format!("{} gives {}", &row[0], indicator.outputs.join(", ")));
        }
        let lookback: usize = row[5].parse().unwrap();
        assert_eq!(
            indicator.minimum_bars(&indicator.canonical(&given).unwrap()),
            lookback + 1,
            "{}",
            &row[0]
        );
    }
    differ.retain(|one| !(one.starts_with("CDL") && one.ends_with("gives pattern")));
    assert_eq!(differ, DIFFERENCES);
}

#[test]
fn a_tie_names_the_newest_bar() {
    let (bars, _) = carried_bars("sh.600705");
    // From inside the long suspension, where every bar ties.
    let bars = section(&bars, 1_200, 1_800);
    let close = bars.close();
    for period in [2_usize, 30, 100] {
        let newest = |bar: usize, better: fn(f64, f64) -> bool| {
            let window = bar + 1 - period..=bar;
            window.fold(bar + 1 - period, |best, at| if better(close[best], close[at]) { best } else { at })
        };
        let compute = |name: &str| {
            let indicator = registry().get(name).unwrap();
            let given = [("timeperiod", Given::Int(i64::try_from(period).unwrap()))];
            indicator.compute(&bars, &indicator.canonical(&given).unwrap()).unwrap().series
        };
        let (highest, lowest, both) = (compute("MAXINDEX"), compute("MININDEX"), compute("MINMAXINDEX"));
        for bar in period - 1..bars.len() {
            #[expect(clippy::cast_precision_loss, reason = "a bar's number is small")]
            let expected =
                [newest(bar, |best, at| best < at), newest(bar, |best, at| best > at)].map(|at| at as f64);
            assert_eq!(lowest[0].values[bar], expected[0], "lowest, period {period} bar {bar}");
            assert_eq!(highest[0].values[bar], expected[1], "highest, period {period} bar {bar}");
            assert_eq!(
                [both[0].values[bar], both[1].values[bar]],
                expected,
                "both, period {period} bar {bar}"
            );
        }
    }
}

#[test]
fn a_percentile_is_the_nearest_rank_of_100_bars() {
    let (bars, _) = carried_bars("sh.600519");
    let percentile = registry().get("PERCENTILE").unwrap();
    let output = percentile.compute(&bars, &percentile.defaults()).unwrap();
    for (bar, value) in output.series[0].values.iter().enumerate().skip(99) {
        let mut window = bars.close()[bar - 99..=bar].to_vec();
        window.sort_by(f64::total_cmp);
        assert_eq!(*value, window[49], "bar {bar}");
    }
    assert!(output.series[0].values[..99].iter().all(|value| value.is_nan()));
}

fn last_600(symbol: &str) -> Bars {
    let (bars, _) = carried_bars(symbol);
    section(&bars, bars.len().saturating_sub(600), bars.len())
}

fn compare_functions(figures: &[Figure]) -> usize {
    let bars: BTreeMap<&str, Bars> = SYMBOLS.map(|symbol| (symbol, last_600(symbol))).into();
    let mut met = BTreeSet::new();
    let mut position = (String::new(), 0);
    let mut compared = 0;
    for figure in figures {
        let request = format!("{} {}", figure.symbol, figure.key);
        position = if position.0 == request { (request, position.1 + 1) } else { (request, 0) };
        let bars = &bars[figure.symbol.as_str()];
        let (indicator, params) = request_of(&figure.key);
        assert!(
            met.insert((figure.symbol.clone(), indicator.abbreviation, position.1)),
            "{} twice",
            position.0
        );
        let output = indicator.compute(bars, &params).unwrap();
        assert!(position.1 < output.series.len(), "{} has more series", position.0);
        let values = &output.series[position.1].values;
        let label = format!("{} {} {}", figure.symbol, figure.key, figure.output);
        assert_eq!(values.len(), bars.len());
        let has_none = NO_VALUES.contains(&indicator.abbreviation);
        assert_eq!(figure.points.is_empty(), has_none, "{label}");
        assert!(!has_none || values.iter().all(|value| value.is_nan()), "{label}");
        let first = values.iter().position(|value| !value.is_nan()).unwrap_or(bars.len());
        let overflows = figure.points.iter().all(|(_, expected)| !expected.is_finite());
        assert!(first == figure.first || overflows, "{label} begins at {first}, not {}", figure.first);
        let slack = slack(indicator.abbreviation, bars);
        for (bar, expected) in &figure.points {
            let value = values[*bar];
            let close_enough = if NEWEST_OF_A_TIE.contains(&indicator.abbreviation) {
                let close = |at: f64| {
                    bars.close().iter().zip(0_i32..).find(|(_, bar)| f64::from(*bar) == at).unwrap().0
                };
                close(value) == close(*expected) && value >= *expected
            } else if expected.is_finite() {
                (value - expected).abs() <= slack + 1e-9 * expected.abs().max(1.0)
            } else {
                value.is_nan()
            };
            assert!(close_enough, "{label} bar {bar}: {value}, expected {expected}");
        }
        compared += figure.points.len();
    }
    let functions: BTreeSet<&str> = met.iter().map(|(_, name, _)| *name).collect();
    assert_eq!(functions.len(), 140);
    for (symbol, name) in SYMBOLS.iter().flat_map(|symbol| functions.iter().map(move |name| (symbol, name))) {
        let series = met.iter().filter(|(met, function, _)| met == symbol && function == name).count();
        assert_eq!(series, registry().get(name).unwrap().outputs.len(), "{symbol} {name}");
    }
    compared
}

/// What a value may differ by beside 1e-9 of it: sums of volumes lose their last bits when what is left of them is small.
fn slack(name: &str, bars: &Bars) -> f64 {
    let of_sums = |name: &str| {
        let indicator = registry().get(name).unwrap();
        let output = indicator.compute(bars, &indicator.defaults()).unwrap();
        output.series[0].values.iter().fold(0.0_f64, |highest, value| value.abs().max(highest))
    };
    match name {
        "ADOSC" => 4.0 * f64::EPSILON * of_sums("AD"),
        "BBANDS" => 9e-9,
        _ => 0.0,
    }
}

fn compare_patterns(rows: &[csv::StringRecord]) -> usize {
    assert_eq!(rows.len(), 61 * 3);
    let bars: BTreeMap<&str, Bars> = SYMBOLS.map(|symbol| (symbol, last_600(symbol))).into();
    let mut met = BTreeSet::new();
    let mut hits = 0;
    for row in rows {
        assert!(row[1].starts_with("CDL") && met.insert((row[0].to_owned(), row[1].to_owned())));
        let (indicator, params) = request_of(&row[1]);
        let output = indicator.compute(&bars[&row[0]], &params).unwrap();
        let values = &output.get("pattern").unwrap();
        let found = values.iter().enumerate().filter(|(_, value)| **value != 0.0);
        let found: Vec<String> = found.map(|(bar, value)| format!("{bar}:{value}")).collect();
        assert_eq!(found.join(";"), &row[2], "{} {}", &row[0], &row[1]);
        hits += found.len();
    }
    hits
}
