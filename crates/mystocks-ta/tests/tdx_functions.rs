//! The functions of level 0 and 1 against MyTT, against their definitions, and over missing values.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use mystocks_ta::tdx;
use proptest::prelude::*;

#[test]
fn every_function_answers_as_mytt_does() {
    let text = figures();
    let rows = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let (given, expected): (Vec<_>, Vec<_>) = rows.partition(|row| row[0].starts_with('='));
    let parse = |text: &str| text.split(' ').map(|value| value.parse().unwrap()).collect::<Vec<f64>>();
    let mut series: BTreeMap<&str, Vec<f64>> =
        given.iter().map(|row| (&row[0][1..], parse(row[3]))).collect();
    series.insert("9.5", vec![9.5; 60]);
    let mut functions = BTreeSet::new();
    for row in &expected {
        let [n, m] = [row[1], row[2]].map(|number| number.parse().unwrap_or(usize::MAX));
        let words: Vec<&str> = row[0].split(' ').collect();
        functions.insert(words[0]);
        let inputs: Vec<&[f64]> = words[1..].iter().map(|name| series[name].as_slice()).collect();
        let (found, expected) = (answer(words[0], &inputs, n, m), parse(row[3]));
        assert_eq!(found.len(), expected.len(), "{row:?}");
        for (bar, (found, expected)) in found.iter().zip(&expected).enumerate() {
            // Over equal values the running deviation of pandas keeps the root of its rounding.
            let allowed = if words[0] == "STD" && *found == 0.0 { 1e-7 } else { 1e-9 };
            let same = found.is_nan() && expected.is_nan() || (found - expected).abs() <= allowed;
            assert!(same, "{} {} {} bar {bar}: {found}, expected {expected}", row[0], row[1], row[2]);
        }
    }
    assert_eq!((functions.len(), expected.len()), (31, 146));
}

/// Calls a function by its Tongdaxin name; conditions are series of 0 and 1.
fn answer(name: &str, inputs: &[&[f64]], n: usize, m: usize) -> Vec<f64> {
    let s = inputs[0];
    let other = inputs.get(1).copied().unwrap_or_default();
    let held: Vec<bool> = s.iter().map(|value| *value > 0.0).collect();
    let yes = |flags: Vec<bool>| flags.into_iter().map(|flag| f64::from(u8::from(flag))).collect();
    let numbers = |counts: Vec<usize>| {
        counts.into_iter().map(|count| f64::from(u32::try_from(count).unwrap())).collect()
    };
    match name {
        "REF" => tdx::ref_(s, n),
        "DIFF" => tdx::diff(s, n),
        "CONST" => tdx::const_(s),
        "STD" => tdx::std(s, n),
        "SUM" => tdx::sum(s, n),
        "HHV" => tdx::hhv(s, n),
        "LLV" => tdx::llv(s, n),
        "HHVBARS" => tdx::hhvbars(s, n),
        "LLVBARS" => tdx::llvbars(s, n),
        "MA" => tdx::ma(s, n),
        "EMA" => tdx::ema(s, n),
        "SMA" => tdx::sma(s, n, m),
        "WMA" => tdx::wma(s, n),
        "DMA" => tdx::dma(s, &vec![0.25; s.len()]),
        "AVEDEV" => tdx::avedev(s, n),
        "SLOPE" => tdx::slope(s, n),
        "FORCAST" => tdx::forcast(s, n),
        "COUNT" => tdx::count(&held, n),
        "EVERY" => yes(tdx::every(&held, n)),
        "EXIST" => yes(tdx::exist(&held, n)),
        "LAST" => yes(tdx::last(&held, n, m)),
        "FILTER" => yes(tdx::filter(&held, n)),
        "BARSLAST" => numbers(tdx::barslast(&held)),
        "BARSLASTCOUNT" => numbers(tdx::barslastcount(&held)),
        "BARSSINCEN" => numbers(tdx::barssincen(&held, n)),
        "CROSS" => yes(tdx::cross(s, other)),
        "LONGCROSS" => yes(tdx::longcross(s, other, n)),
        "VALUEWHEN" => tdx::valuewhen(&held, other),
        "BETWEEN" => yes(tdx::between(s, &vec![9.5; s.len()], other)),
        "TOPRANGE" => numbers(tdx::toprange(s)),
        "LOWRANGE" => numbers(tdx::lowrange(s)),
        _ => panic!("{name}"),
    }
}

#[test]
fn by_hand() {
    let s = [1.0, 3.0, 2.0, 2.0, 5.0];
    let missing = f64::NAN;
    same(&tdx::diff(&s, 2), &[missing, missing, 1.0, -1.0, 3.0]);
    same(&tdx::sum(&s, 2), &[missing, 4.0, 5.0, 4.0, 7.0]);
    same(&tdx::sum(&s, 0), &[1.0, 4.0, 6.0, 8.0, 13.0]);
    same(&tdx::std(&s, 2), &[missing, 1.0, 0.5, 0.0, 1.5]);
    same(&tdx::wma(&s, 2), &[missing, 7.0 / 3.0, 7.0 / 3.0, 2.0, 4.0]);
    same(&tdx::ema(&s, 3), &[1.0, 2.0, 2.0, 2.0, 3.5]);
    same(&tdx::sma(&s, 4, 1), &[1.0, 1.5, 1.625, 1.71875, 2.539_062_5]);
    same(&tdx::dma(&s, &[0.5, 0.5, missing, 0.0, 1.0]), &[1.0, 2.0, 2.0, 2.0, 5.0]);
    same(&tdx::avedev(&s, 3), &[missing, missing, 2.0 / 3.0, 4.0 / 9.0, 4.0 / 3.0]);
    same(&tdx::slope(&s, 3), &[missing, missing, 0.5, -0.5, 1.5]);
    same(&tdx::forcast(&s, 3), &[missing, missing, 2.5, 2.333_333_333_333_333_5 - 0.5, 4.5]);
    same(&tdx::hhvbars(&s, 3), &[missing, missing, 1.0, 2.0, 0.0]);
    same(&tdx::llvbars(&s, 3), &[missing, missing, 2.0, 0.0, 1.0]);
    same(&tdx::slope(&s, 1), &[0.0; 5]);
    same(&tdx::forcast(&s, 1), &s);
    assert_eq!(tdx::toprange(&[3.0, 1.0, 2.0, 2.0, 3.0]), [0, 0, 1, 0, 3]);
    // Nothing before it is higher, nor as high: MyTT's 0.
    assert_eq!(tdx::toprange(&[1.0, 2.0, 3.0]), [0, 0, 0]);
    let held = [false, true, true, false, false, true];
    assert_eq!(tdx::barslast(&held), [1, 0, 0, 1, 2, 0]);
    assert_eq!(tdx::filter(&held, 1), [false, true, false, false, false, true]);
    assert_eq!(tdx::barssincen(&held, 3), [0, 0, 1, 2, 2, 0]);
    assert_eq!(tdx::last(&held, 2, 1), [true, true, false, true, false, false]);
}

#[test]
fn a_period_of_nothing_or_of_everything_is_no_panic() {
    let s = [1.0, 2.0, f64::INFINITY, 4.0];
    let held = [true, false, true, true];
    for n in [0, usize::MAX] {
        assert!(tdx::ma(&s, n).iter().all(|value| value.is_nan()));
        assert!(tdx::hhvbars(&s, n).iter().all(|value| value.is_nan()));
        assert_eq!(tdx::barssincen(&held, n), [0; 4]);
        assert_eq!(tdx::every(&held, n), [false; 4]);
    }
    assert_eq!(tdx::exist(&held, 0), [true; 4]);
    assert!(tdx::sma(&s, 3, 4).iter().chain(&tdx::sma(&s, 0, 0)).all(|value| value.is_nan()));
    assert!(tdx::ref_(&s, usize::MAX).iter().all(|value| value.is_nan()));
    // An infinity counts as missing in a window, and is a value elsewhere.
    assert!(tdx::sum(&s, 1)[2].is_nan() && tdx::ref_(&s, 1)[3].is_infinite());
    assert_eq!(tdx::last(&held, usize::MAX, 0), [true; 4]);
    assert_eq!(tdx::last(&held, 0, usize::MAX), [true; 4]);
    assert!(tdx::ma(&[], 3).is_empty() && tdx::const_(&[]).is_empty() && tdx::cross(&[], &s).is_empty());
}

#[test]
fn a_long_flat_stretch_leaves_no_dust() {
    let mut s: Vec<f64> = (0..400).map(|bar| 1e6 + f64::from(bar % 17) * 0.1).collect();
    s.extend([7.7; 1_302]);
    s.extend((0..400).map(|bar| 3.0 + f64::from(bar % 13) * 0.01));
    assert!(tdx::std(&s, 20)[419..1_702].iter().all(|value| *value == 0.0));
    assert!(tdx::ma(&s, 60)[459..1_702].iter().all(|value| *value == 7.7));
    let (all, tail) = (tdx::ma(&s, 60), tdx::ma(&s[1_702..], 60));
    assert_eq!(all[1_761..], tail[59..], "what was before has left nothing behind");
}

/// What a function is of the values of one window, and how many they are.
type Definition = fn(&[f64], f64) -> f64;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn windows_answer_as_their_definition(s in any_series(), n in 1_usize..40) {
        let full = |bar: usize| bar.checked_sub(n - 1).map(|from| &s[from..=bar]).filter(|window| window.iter().all(|value| value.is_finite()));
        let size = f64::from(u32::try_from(n).unwrap());
        let by_definition: [(Vec<f64>, Definition); 6] = [
            (tdx::sum(&s, n), |window, _| window.iter().sum()),
            (tdx::ma(&s, n), |window, size| window.iter().sum::<f64>() / size),
            (tdx::hhv(&s, n), |window, _| window.iter().copied().fold(f64::MIN, f64::max)),
            (tdx::llv(&s, n), |window, _| window.iter().copied().fold(f64::MAX, f64::min)),
            (tdx::std(&s, n), |window, size| {
                let mean = window.iter().sum::<f64>() / size;
                (window.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / size).sqrt()
            }),
            (tdx::avedev(&s, n), |window, size| {
                let mean = window.iter().sum::<f64>() / size;
                window.iter().map(|value| (value - mean).abs()).sum::<f64>() / size
            }),
        ];
        for (which, (found, definition)) in by_definition.iter().enumerate() {
            for (bar, value) in found.iter().enumerate() {
                match full(bar) {
                    None => prop_assert!(value.is_nan(), "{which} bar {bar}: {value}"),
                    Some(window) => {
                        let (expected, scale) = (definition(window, size), window.iter().fold(1.0, |most: f64, value| most.max(value.abs())));
                        prop_assert!((value - expected).abs() <= 1e-12 * scale * size, "{which} bar {bar}: {value}, expected {expected}");
                    }
                }
            }
        }
        for (bar, value) in tdx::hhvbars(&s, n).iter().enumerate() {
            let since = full(bar).map(|window| (0..n).find(|back| window[n - 1 - back] == tdx::hhv(&s, n)[bar]).unwrap());
            prop_assert_eq!(since.map(|since| f64::from(u32::try_from(since).unwrap())), (!value.is_nan()).then_some(*value));
        }
    }

    #[test]
    fn conditions_answer_as_their_definition(held in prop::collection::vec(any::<bool>(), 0..80), n in 1_usize..12, b in 0_usize..5) {
        let window = |bar: usize, size: usize| (bar + 1 >= size).then(|| &held[bar + 1 - size..=bar]);
        let a = b + n;
        for bar in 0..held.len() {
            let full = window(bar, n);
            prop_assert_eq!(tdx::every(&held, n)[bar], full.is_some_and(|window| window.iter().all(|held| *held)));
            prop_assert_eq!(tdx::exist(&held, n)[bar], full.is_some_and(|window| window.iter().any(|held| *held)));
            let since = full.and_then(|window| window.iter().position(|held| *held)).map_or(0, |first| n - 1 - first);
            prop_assert_eq!(tdx::barssincen(&held, n)[bar], since);
            let all = window(bar, a + 1).is_none_or(|window| window[..=a - b].iter().all(|held| *held));
            prop_assert_eq!(tdx::last(&held, a, b)[bar], all);
            let run = held[..=bar].iter().rev().take_while(|held| **held).count();
            prop_assert_eq!(tdx::barslastcount(&held)[bar], run);
            let since = held[..=bar].iter().rev().take_while(|held| !**held).count();
            prop_assert_eq!(tdx::barslast(&held)[bar], since);
        }
    }

    #[test]
    fn ranges_answer_as_their_definition(s in any_series()) {
        for bar in 0..s.len() {
            let run = |passed: &dyn Fn(f64) -> bool| {
                let run = s[..bar].iter().rev().take_while(|before| passed(**before)).count();
                if run == bar { 0 } else { run }
            };
            prop_assert_eq!(tdx::toprange(&s)[bar], run(&|before| before < s[bar]));
            prop_assert_eq!(tdx::lowrange(&s)[bar], run(&|before| before > s[bar]));
        }
    }
}

/// Few different values, so that equal ones are common, with missing ones and runs.
fn any_series() -> impl Strategy<Value = Vec<f64>> {
    let value = prop_oneof![
        6 => (1..8_i32).prop_map(f64::from),
        6 => 9.0..11.0_f64,
        1 => Just(f64::NAN),
        1 => Just(1e12),
    ];
    let runs = prop::collection::vec((value, 1..6_usize), 0..25);
    runs.prop_map(|runs| runs.into_iter().flat_map(|(value, times)| vec![value; times]).collect())
}

fn same(found: &[f64], expected: &[f64]) {
    let close = |(found, expected): (&f64, &f64)| {
        found.is_nan() && expected.is_nan() || (found - expected).abs() <= 1e-12
    };
    assert!(
        found.len() == expected.len() && found.iter().zip(expected).all(close),
        "{found:?}, expected {expected:?}"
    );
}

fn figures() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tdx_functions.csv.gz");
    let mut text = String::new();
    GzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}
