//! Streams that are saved and restored.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![expect(clippy::print_stdout, reason = "how near the windows come is part of the report")]

#[expect(dead_code, reason = "the golden files are read by other tests")]
mod figures;

use figures::{carried_bars, section};
use mystocks_ta::{Bar, Bars, ErrorKind, Keep, State, Stream, registry};
use proptest::prelude::*;

#[test]
fn with_all_bars_kept_a_restored_stream_goes_on_bit_for_bit() {
    let (bars, _) = carried_bars("sh.600519");
    let mut compared = 0;
    for indicator in registry().iter() {
        let need = indicator.minimum_bars(&indicator.defaults());
        for cut in [0, 1, need - 1, need, 450] {
            let mut stream = indicator
                .open_keeping(&section(&bars, 0, cut / 2), &indicator.defaults(), Keep::All)
                .unwrap();
            go_on(&mut stream, &bars, cut);
            let state = stream.save();
            assert!(state.is_exact() && state.version() == "1-exact", "{}", indicator.abbreviation);
            let mut restored = Stream::restore(&through_json(&state)).unwrap();
            assert_eq!(
                (restored.len(), restored.last_date(), bits(&restored)),
                (stream.len(), stream.last_date(), bits(&stream))
            );
            assert_eq!(restored.save(), state, "{}", indicator.abbreviation);
            for at in cut..(cut + 60).min(bars.len()) {
                let bar = bar_of(&bars, at);
                let (one, other) = (stream.update(&bar).unwrap(), restored.update(&bar).unwrap());
                assert!(
                    one.iter().zip(&*other).all(|(one, other)| one.to_bits() == other.to_bits()),
                    "{} bar {at}",
                    indicator.abbreviation
                );
                compared += one.len();
            }
            assert!(restored.is_exact());
        }
    }
    assert_eq!(compared, 102_000);
}

#[test]
fn what_a_formula_remembers_of_a_suspension_is_saved_too() {
    let (bars, _) = carried_bars("sh.600705");
    let formulas =
        registry().iter().filter(|one| ta_lib::abstract_api::get_func_handle(one.abbreviation).is_none());
    let mut saved = 0;
    for indicator in formulas {
        // Into flat windows and out of them.
        for start in [90, 1_380] {
            let mut stream = indicator.open(&section(&bars, 0, start), &indicator.defaults()).unwrap();
            for cut in start..start + 30 {
                let mut restored = Stream::restore(&through_json(&stream.save())).unwrap();
                let mut ahead = stream.clone();
                for at in cut..cut + 20 {
                    ahead.update(&bar_of(&bars, at)).unwrap();
                    restored.update(&bar_of(&bars, at)).unwrap();
                    assert_eq!(
                        bits(&ahead),
                        bits(&restored),
                        "{} saved at {cut}, bar {at}",
                        indicator.abbreviation
                    );
                }
                stream.update(&bar_of(&bars, cut)).unwrap();
                saved += 1;
            }
        }
    }
    assert_eq!(saved, 28 * 60);
}

#[test]
fn with_a_window_kept_a_restored_stream_agrees_to_8_digits() {
    let (bars, _) = carried_bars("sh.600705");
    let (mut all, mut equal, mut wide, mut worst) = (Vec::new(), Vec::new(), Vec::new(), (0.0, ""));
    for indicator in registry().iter() {
        let name = indicator.abbreviation;
        // Begun before the suspension of 1,302 days, saved 1,100 bars after it.
        let mut stream = indicator.open(&section(&bars, 0, 100), &indicator.defaults()).unwrap();
        go_on(&mut stream, &bars, 2_500);
        let state = stream.save();
        let mut restored = Stream::restore(&through_json(&state)).unwrap();
        assert_eq!((restored.len(), restored.is_exact()), (2_500, state.is_exact()), "{name}");
        let mut apart = distance(&stream, &restored);
        for at in 2_500..2_800 {
            stream.update(&bar_of(&bars, at)).unwrap();
            restored.update(&bar_of(&bars, at)).unwrap();
            apart = apart.max(distance(&stream, &restored));
        }
        if state.is_exact() {
            assert!(apart == 0.0 && state.version() == "1-exact", "{name}");
            all.push(name);
            continue;
        }
        assert_eq!((state.version(), restored.version()), ("1-window".to_owned(), "1-window".to_owned()));
        assert!(!restored.save().is_exact(), "{name}: what was rebuilt stays rebuilt");
        if apart == 0.0 {
            equal.push(name);
        } else if apart > 1e-6 {
            wide.push((name, apart));
        } else if apart > worst.0 {
            worst = (apart, name);
        }
    }
    println!(
        "exact {} {all:?}\nequal {} {equal:?}\nwide {} {wide:?}\nworst {worst:?}",
        all.len(),
        equal.len(),
        wide.len()
    );
    assert_eq!((all.len(), equal.len(), wide.len()), (47, 128, 0));
}

#[test]
fn while_nothing_is_dropped_a_window_is_exact() {
    let (bars, _) = carried_bars("sh.600519");
    let longest_exact = |name: &str| {
        let indicator = registry().get(name).unwrap();
        let mut stream = indicator.open(&section(&bars, 0, 100), &indicator.defaults()).unwrap();
        let exact = (100..450).filter(|at| {
            stream.update(&bar_of(&bars, *at)).unwrap();
            stream.save().is_exact()
        });
        exact.count() + 100
    };
    assert_eq!(["RSI", "EMA", "MACD"].map(longest_exact), [281, 210, 367]);
    let rsi = registry().get("RSI").unwrap();
    let stream = rsi.open(&bars, &rsi.defaults()).unwrap();
    assert!(!stream.save().is_exact());
    assert!(stream.is_exact(), "what is saved is not, what goes on is");
}

#[test]
fn a_state_is_refused_that_is_damaged_or_of_another_kind() {
    let (bars, _) = carried_bars("sh.600519");
    let state = |name: &str| {
        let indicator = registry().get(name).unwrap();
        serde_json::to_value(indicator.open(&section(&bars, 0, 50), &indicator.defaults()).unwrap().save())
            .unwrap()
    };
    let kind = |value: serde_json::Value| {
        Stream::restore(&serde_json::from_value(value).unwrap())
            .map(|stream| stream.len())
            .map_err(|error| error.kind())
    };
    for name in ["RSI", "TDX_RSI"] {
        assert_eq!(kind(state(name)), Ok(50));
        let with = |field: &str, value: serde_json::Value| {
            let mut damaged = state(name);
            damaged[field] = value;
            kind(damaged)
        };
        assert_eq!(with("format", 2.into()), Err(ErrorKind::BadState));
        assert_eq!(with("indicator", "RSY".into()), Err(ErrorKind::UnknownIndicator));
        assert_eq!(with("indicator", "DMI".into()), Err(ErrorKind::UnknownParameter));
        assert_eq!(
            with("parameters", serde_json::json!([["n", { "int": 0 }], ["timeperiod", { "int": 0 }]])),
            Err(if name == "RSI" { ErrorKind::UnknownParameter } else { ErrorKind::BadParameter })
        );
        assert_eq!(with("last", "2024-13-01".into()), Err(ErrorKind::BadState));
        assert_eq!(with("last", serde_json::Value::Null), Err(ErrorKind::BadState));
        assert_eq!(with("bars", 0.into()), Err(ErrorKind::BadState));
        assert_eq!(with("bars", u64::MAX.into()), Err(ErrorKind::BadState));
        assert_eq!(with("kept", serde_json::json!({ "cells": [] })), Err(ErrorKind::BadState));
        assert_eq!(
            with("kept", serde_json::json!({ "cells": [0, 0, 0, 0, u64::MAX] })),
            Err(ErrorKind::BadState)
        );
        assert_eq!(
            with("kept", serde_json::json!({ "bars": [f64::NAN.to_bits()] })),
            Err(ErrorKind::BadState)
        );
        assert_eq!(with("kept", serde_json::json!({ "bars": [] })), Err(ErrorKind::BadState));
    }
    // Four values, then the nine highest prices: one word more at the end, and one price more in the window.
    let kdj = |change: fn(&mut Vec<serde_json::Value>)| {
        let mut damaged = state("TDX_KDJ");
        change(damaged["kept"]["cells"].as_array_mut().unwrap());
        kind(damaged)
    };
    assert_eq!(kdj(|words| assert_eq!(words[4], 9)), Ok(50));
    assert_eq!(kdj(|words| words.push(0.into())), Err(ErrorKind::BadState));
    let longer = |words: &mut Vec<serde_json::Value>| {
        words[4] = 10.into();
        words.insert(5, words[5].clone());
    };
    assert_eq!(kdj(longer), Err(ErrorKind::BadState));
    let error = Stream::restore(
        &serde_json::from_value({
            let mut damaged = state("RSI");
            damaged["format"] = 2.into();
            damaged
        })
        .unwrap(),
    )
    .unwrap_err();
    assert_eq!(
        format!("failed to {error}"),
        "failed to restore the stream \"RSI\": another format, expected what was saved"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_state_makes_a_stream_panic(which in 0..6_usize, at in any::<prop::sample::Index>(), word in any::<u64>(), cut in any::<prop::sample::Index>()) {
        let (bars, _) = carried_bars("sh.688126");
        let indicator = registry().get(["TDX_KDJ", "XSII", "MASS", "RSI", "OBV", "HT_TRENDMODE"][which]).unwrap();
        let stream = indicator.open(&section(&bars, 0, 120), &indicator.defaults()).unwrap();
        let mut value = serde_json::to_value(stream.save()).unwrap();
        let words = value["kept"].as_object_mut().unwrap().values_mut().next().unwrap().as_array_mut().unwrap();
        let at = at.index(words.len());
        words[at] = word.into();
        if word % 3 == 0 {
            words.truncate(cut.index(words.len() + 1));
        }
        let state: State = serde_json::from_value(value).unwrap();
        if let Ok(mut stream) = Stream::restore(&state) {
            for at in 120..200 {
                let _ = stream.peek(&bar_of(&bars, at));
                let _ = stream.update(&bar_of(&bars, at));
            }
        }
    }
}

fn go_on(stream: &mut Stream, bars: &Bars, end: usize) {
    for at in stream.len()..end {
        stream.update(&bar_of(bars, at)).unwrap();
    }
}

fn through_json(state: &State) -> State {
    serde_json::from_str(&serde_json::to_string(state).unwrap()).unwrap()
}

fn bits(stream: &Stream) -> Vec<u64> {
    stream.values().iter().map(|value| value.to_bits()).collect()
}

/// How far the values of two streams are apart, beside the larger of the value and 1.
fn distance(one: &Stream, other: &Stream) -> f64 {
    let (one, other) = (one.values(), other.values());
    let apart = one.iter().zip(&*other).map(|(one, other)| match (one.is_nan(), other.is_nan()) {
        (true, true) => 0.0,
        (false, false) => (one - other).abs() / one.abs().max(1.0),
        _ => f64::INFINITY,
    });
    apart.fold(0.0, f64::max)
}

fn bar_of(bars: &Bars, at: usize) -> Bar {
    Bar {
        date: bars.dates()[at],
        open: bars.open()[at],
        high: bars.high()[at],
        low: bars.low()[at],
        close: bars.close()[at],
        volume: bars.volume()[at],
    }
}
