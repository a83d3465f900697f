//! Parity with TA-Lib and MyTT on real A-share bars, a suspension of 1,302 days among them.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![expect(clippy::print_stdout, reason = "how much was compared is part of the report")]

#[expect(dead_code, reason = "each test reads its own part of the figures")]
mod figures;

use std::collections::{BTreeMap, BTreeSet};

use figures::{Figure, carried_bars, carried_figures, golden_figures, request_of, section};
use mystocks_ta::{Bars, Output, registry};

const SYMBOLS: [&str; 3] = ["sh.600519", "sh.600705", "sh.688126"];

#[test]
fn carried_bars_pass_cleaning_as_they_are() {
    let expected = [(600, 0), (3_600, 1_418), (355, 0)];
    for (symbol, (bars, suspended)) in SYMBOLS.into_iter().zip(expected) {
        let (cleaned, report) = carried_bars(symbol);
        assert_eq!((cleaned.len(), report.suspended.count), (bars, suspended), "{symbol}");
        assert!(report.is_unchanged(), "{symbol}: {report}");
    }
}

#[test]
fn all_123_series_of_ta_lib_agree() {
    let figures = carried_figures("core.csv.gz");
    let compared = compare_core(&figures);
    println!("carried: {} series, {compared} values", figures.len());
    assert_eq!((figures.len(), compared), (123, 56_368));
    if let Some(figures) = golden_figures("core.csv") {
        let compared = compare_core(&figures);
        println!("in full: {} series, {compared} values", figures.len());
        assert_eq!((figures.len(), compared), (123, 184_676));
    }
}

#[test]
fn tdx_kdj_agrees_with_mytt() {
    let figures = carried_figures("mytt.csv.gz");
    let compared = compare_kdj(&figures, |bars, _| section(bars, bars.len().saturating_sub(600), bars.len()));
    println!("carried: {} series, {compared} values", figures.len());
    assert_eq!((figures.len(), compared), (9, 3 * (592 + 592 + 347)));
    if let Some(figures) = golden_figures("mytt.csv") {
        let figures: Vec<Figure> = figures.into_iter().filter(|one| one.key.starts_with("KDJ(")).collect();
        let compared =
            compare_kdj(&figures, |bars, _| section(bars, bars.len().saturating_sub(600), bars.len()));
        assert_eq!((figures.len(), compared), (9, 3 * (592 + 592 + 347)));
    }
}

#[test]
fn tdx_kdj_agrees_with_mytt_over_flat_windows() {
    let figures = carried_figures("mytt_flat.csv.gz");
    let compared = compare_kdj(&figures, |bars, key| {
        let (start, end) = key.split_once("..").unwrap();
        section(bars, start.parse().unwrap(), end.parse().unwrap())
    });
    println!("{} series, {compared} values", figures.len());
    assert_eq!((figures.len(), compared), (6, 2_313));
}

#[test]
fn tdx_kdj_is_50_until_the_first_window_with_a_range() {
    let (bars, _) = carried_bars("sh.600705");
    let bars = section(&bars, 1_300, 1_700);
    let kdj = registry().get("TDX_KDJ").unwrap();
    let output = kdj.compute(&bars, &kdj.defaults()).unwrap();
    for series in &output.series {
        assert!(series.values[8..90].iter().all(|value| *value == 50.0), "{}", series.name);
        assert!((series.values[90] - 67.375_306_623_1).abs() < 1e-9);
    }
}

fn compare_core(figures: &[Figure]) -> usize {
    let bars: BTreeMap<&str, Bars> = SYMBOLS.map(|symbol| (symbol, carried_bars(symbol).0)).into();
    let mut met = BTreeSet::new();
    let mut position = (String::new(), 0);
    let mut compared = 0;
    for figure in figures {
        let request = format!("{} {}", figure.symbol, figure.key);
        position = if position.0 == request { (request, position.1 + 1) } else { (request, 0) };
        assert!(met.insert((position.0.clone(), figure.output.clone())), "{} twice", position.0);
        let (indicator, params) = request_of(&figure.key);
        let output = indicator.compute(&bars[figure.symbol.as_str()], &params).unwrap();
        let (relative, least, slack) = match indicator.abbreviation {
            "BBANDS" => (1e-8, 1.0, 0.0),
            "OBV" | "AD" => (1e-9, 0.0, 0.0),
            // The difference of two averages of AD: near 0 its last bits are those of AD.
            "ADOSC" => (1e-9, 0.0, 4.0 * f64::EPSILON * highest_ad(&bars[figure.symbol.as_str()])),
            _ => (1e-9, 1.0, 0.0),
        };
        // Patterns have no warm-up head: TA-Lib gives 0 there.
        let need = indicator.minimum_bars(&params);
        assert!(figure.first + 1 == need || indicator.abbreviation.starts_with("CDL"), "{}", position.0);
        compared += compare(figure, &output, position.1, |b: f64| (relative * b.abs().max(least)).max(slack));
    }
    let abbreviations: BTreeSet<&str> =
        figures.iter().map(|figure| request_of(&figure.key).0.abbreviation).collect();
    assert_eq!(abbreviations.len(), 24);
    compared
}

fn compare_kdj(figures: &[Figure], cut: impl Fn(&Bars, &str) -> Bars) -> usize {
    let kdj = registry().get("TDX_KDJ").unwrap();
    let compare_one = |figure: &Figure| {
        let bars = cut(&carried_bars(&figure.symbol).0, &figure.key);
        let mut output = kdj.compute(&bars, &kdj.defaults()).unwrap();
        // Before its first value MyTT has none; what stands there instead is tested by itself.
        for series in &mut output.series {
            series.values[..figure.first].fill(f64::NAN);
        }
        compare(figure, &output, figure.output.parse().unwrap(), |b: f64| 1e-9 * b.abs().max(1.0))
    };
    figures.iter().map(compare_one).sum()
}

fn compare(figure: &Figure, output: &Output, position: usize, tolerance: impl Fn(f64) -> f64) -> usize {
    let Figure { symbol, key, output: name, .. } = figure;
    let values = &output.series[position].values;
    for (bar, value) in values.iter().enumerate() {
        assert_eq!(value.is_nan(), bar < figure.first, "{symbol} {key} {name} bar {bar}: {value}");
    }
    for (bar, expected) in &figure.points {
        let (value, allowed) = (values[*bar], tolerance(*expected));
        assert!(
            (value - expected).abs() <= allowed,
            "{symbol} {key} {name} bar {bar}: {value}, expected {expected} within {allowed:e}"
        );
    }
    figure.points.len()
}

fn highest_ad(bars: &Bars) -> f64 {
    let ad = registry().get("AD").unwrap();
    let output = ad.compute(bars, &ad.defaults()).unwrap();
    output.series[0].values.iter().fold(0.0, |highest, value| value.abs().max(highest))
}
