//! Parity of the Tongdaxin family with MyTT, on real A-share bars and a suspension of 1,302 days among them.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![expect(clippy::print_stdout, reason = "how much was compared is part of the report")]

#[expect(dead_code, reason = "the golden files of TA-Lib are read by another test")]
mod figures;

use std::collections::{BTreeMap, BTreeSet};

use figures::{Figure, carried_bars, carried_figures, golden_figures, section};
use mystocks_ta::{Bars, Given, Indicator, Params, registry};

/// The indicators of the family.
const NAMES: [&str; 28] = [
    "BBI", "BIAS", "BRAR", "CR", "DFMA", "DMI", "EXPMA", "KTN", "MASS", "MTM", "PSY", "TAQ", "TDX_ASI",
    "TDX_ATR", "TDX_BOLL", "TDX_CCI", "TDX_DPO", "TDX_EMV", "TDX_KDJ", "TDX_MACD", "TDX_MFI", "TDX_OBV",
    "TDX_ROC", "TDX_RSI", "TDX_TRIX", "VR", "WR", "XSII",
];

#[test]
fn all_159_series_of_mytt_agree() {
    let figures = carried_figures("tdx.csv.gz");
    let compared = compare_last_600(&figures);
    println!("carried: {} series, {compared} values", figures.len());
    assert_eq!((figures.len(), compared), (159, 4_392));
    if let Some(figures) = golden_figures("mytt.csv") {
        let compared = compare_last_600(&figures);
        println!("in full: {} series, {compared} values", figures.len());
        assert_eq!((figures.len(), compared), (159, 79_693));
    }
}

#[test]
fn a_suspension_of_1302_days_moves_nothing_away() {
    let figures = carried_figures("tdx_whole.csv.gz");
    let bars: BTreeMap<&str, Bars> = symbols().into();
    let (mut compared, mut flat_bands, mut without) = (0, 0, BTreeMap::new());
    for figure in &figures {
        let (indicator, params) = request_of(&figure.key);
        let output = indicator.compute(&bars[figure.symbol.as_str()], &params).unwrap();
        let at: usize = figure.output.parse().unwrap();
        let values = &output.series[at].values;
        for (bar, expected) in &figure.points {
            if expected.is_nan() {
                // What stands where MyTT divides by 0 is tested by itself.
                *without.entry(indicator.abbreviation).or_insert(0) += 1;
                continue;
            }
            compared += 1;
            let mid = output.get("mid").map_or(f64::NAN, |mid| mid[*bar]);
            if indicator.abbreviation == "TDX_BOLL" && at != 1 && values[*bar] == mid {
                // Over equal closes the deviation is 0; the running one of pandas keeps the root of its rounding.
                assert!((mid - expected).abs() < 1e-5, "bar {bar}: {mid} {expected}");
                flat_bands += 1;
                continue;
            }
            agree(values[*bar], *expected, &format!("{} {} {at} bar {bar}", figure.symbol, figure.key));
        }
    }
    println!("{} series, {compared} values; without a value in MyTT: {without:?}", figures.len());
    assert_eq!((figures.len(), compared, flat_bands), (68, 4_200, 38));
    let expected = [
        ("BRAR", 36),
        ("CR", 20),
        ("DMI", 89),
        ("MASS", 54),
        ("TDX_ASI", 98),
        ("TDX_EMV", 87),
        ("TDX_MFI", 21),
        ("VR", 18),
        ("WR", 46),
    ];
    assert_eq!(without, BTreeMap::from(expected));
}

#[test]
fn the_family_has_28_indicators() {
    let mut figures = carried_figures("tdx.csv.gz");
    figures.extend(carried_figures("tdx_whole.csv.gz"));
    let compared: BTreeSet<&str> =
        figures.iter().map(|figure| request_of(&figure.key).0.abbreviation).collect();
    assert_eq!(compared, BTreeSet::from(NAMES));
    assert_eq!(registry().iter().filter(|one| one.abbreviation.starts_with("TDX_")).count(), 13);
}

#[test]
fn every_output_begins_at_its_own_first_bar() {
    let firsts: [(&str, &[usize]); 28] = [
        ("BBI", &[19]),
        ("BIAS", &[5, 11, 23]),
        ("BRAR", &[25, 26]),
        ("CR", &[20]),
        ("DFMA", &[49, 58]),
        ("DMI", &[14, 14, 19, 25]),
        ("EXPMA", &[0, 0]),
        ("KTN", &[10, 0, 10]),
        ("MASS", &[40, 45]),
        ("MTM", &[12, 17]),
        ("PSY", &[11, 16]),
        ("TAQ", &[19, 19, 19]),
        ("TDX_ASI", &[26, 35]),
        ("TDX_ATR", &[20]),
        ("TDX_BOLL", &[19, 19, 19]),
        ("TDX_CCI", &[13]),
        ("TDX_DPO", &[29, 34]),
        ("TDX_EMV", &[26, 34]),
        ("TDX_KDJ", &[8, 8, 8]),
        ("TDX_MACD", &[0, 0, 0]),
        ("TDX_MFI", &[13]),
        ("TDX_OBV", &[0]),
        ("TDX_ROC", &[12, 17]),
        ("TDX_RSI", &[1]),
        ("TDX_TRIX", &[1, 20]),
        ("VR", &[25]),
        ("WR", &[9, 5]),
        ("XSII", &[4, 4, 0, 0]),
    ];
    let (bars, _) = carried_bars("sh.600519");
    for (name, firsts) in firsts {
        let indicator = registry().get(name).unwrap();
        let params = indicator.defaults();
        assert_eq!(indicator.minimum_bars(&params), firsts.iter().max().unwrap() + 1, "{name}");
        let output = indicator.compute(&bars, &params).unwrap();
        assert_eq!(output.series.len(), firsts.len(), "{name}");
        for (series, first) in output.series.iter().zip(firsts) {
            let found = series.values.iter().position(|value| value.is_finite());
            assert_eq!(found, Some(*first), "{name} {}", series.name);
            assert!(series.values[*first..].iter().all(|value| value.is_finite()), "{name} {}", series.name);
        }
    }
}

fn compare_last_600(figures: &[Figure]) -> usize {
    let bars = symbols().map(|(symbol, bars)| {
        let len = bars.len();
        (symbol, section(&bars, len.saturating_sub(600), len))
    });
    let bars: BTreeMap<&str, Bars> = bars.into();
    let mut compared = 0;
    for figure in figures {
        let Figure { symbol, key, output: at, first, .. } = figure;
        let (indicator, params) = request_of(key);
        let output = indicator.compute(&bars[symbol.as_str()], &params).unwrap();
        let values = &output.series[at.parse::<usize>().unwrap()].values;
        for (bar, value) in values.iter().enumerate() {
            // Until something moves MyTT divides 0 by 0.
            let unmoved = bar < *first && indicator.abbreviation == "TDX_RSI" && *value == 50.0;
            assert_eq!(value.is_nan(), bar < *first && !unmoved, "{symbol} {key} {at} bar {bar}: {value}");
        }
        for (bar, expected) in &figure.points {
            agree(values[*bar], *expected, &format!("{symbol} {key} {at} bar {bar}"));
        }
        compared += figure.points.len();
    }
    compared
}

fn agree(value: f64, expected: f64, what: &str) {
    let allowed = 1e-9 * expected.abs().max(1.0);
    assert!((value - expected).abs() <= allowed, "{what}: {value}, expected {expected} within {allowed:e}");
}

fn symbols() -> [(&'static str, Bars); 3] {
    ["sh.600519", "sh.600705", "sh.688126"].map(|symbol| (symbol, carried_bars(symbol).0))
}

/// Reads `NAME(PARAMETER=value,...)` as MyTT has it.
fn request_of(key: &str) -> (&'static Indicator, Params) {
    let (name, pairs) = key.trim_end_matches(')').split_once('(').unwrap();
    let plain = NAMES.contains(&name);
    let indicator = registry().get(&if plain { name.to_owned() } else { format!("TDX_{name}") }).unwrap();
    let pairs: Vec<(String, i64)> = pairs
        .split(',')
        .filter_map(|pair| pair.split_once('='))
        .map(|(parameter, value)| (parameter.to_lowercase(), value.parse().unwrap()))
        .collect();
    let given: Vec<(&str, Given)> =
        pairs.iter().map(|(parameter, value)| (parameter.as_str(), (*value).into())).collect();
    (indicator, indicator.canonical(&given).unwrap())
}
