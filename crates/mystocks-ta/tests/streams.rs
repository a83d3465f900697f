//! Streams against batches, bit for bit, for every indicator.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![expect(clippy::print_stdout, reason = "how much was compared is part of the report")]

#[expect(dead_code, reason = "the golden files are read by other tests")]
mod figures;
mod series;

use figures::{carried_bars, section};
use mystocks_ta::{Bar, Bars, ErrorKind, Indicator, Params, Stream, registry};
use proptest::prelude::*;
use series::{any_bars, params_of};

/// All of TA-Lib and the Tongdaxin family.
const INDICATORS: usize = 237 + 28;

#[test]
fn every_indicator_has_a_stream() {
    assert_eq!(registry().iter().filter(|one| one.streams()).count(), INDICATORS);
    assert_eq!(registry().iter().count(), INDICATORS);
}

#[test]
fn streams_on_real_bars_are_batches_bit_for_bit() {
    let (mut streams, mut values) = (0, 0);
    for symbol in ["sh.600519", "sh.600705", "sh.688126"] {
        let (bars, _) = carried_bars(symbol);
        for indicator in registry().iter() {
            let params = indicator.defaults();
            let need = indicator.minimum_bars(&params);
            for history in [0, 1, need, bars.len() / 2] {
                values += compare(indicator, &params, &bars, history);
                streams += 1;
            }
        }
    }
    println!("{streams} streams, {values} values");
    assert_eq!((streams, values), (3 * INDICATORS * 4, 10_803_212));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn streams_are_batches_bit_for_bit(bars in any_bars(25, 1.0), seeds in prop::collection::vec(0.0..=1.0_f64, 11), cut in 0.0..=1.0_f64) {
        for indicator in registry().iter() {
            let params = params_of(indicator, &seeds);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a few hundred bars")]
            let history = (bars.len() as f64 * cut) as usize;
            compare(indicator, &params, &bars, history);
        }
    }
}

/// Opens on `history` bars, goes on to the end with a peek of another and of the same bar before every update, and returns how many values
/// were compared.
fn compare(indicator: &'static Indicator, params: &Params, bars: &Bars, history: usize) -> usize {
    let label = indicator.label(params);
    let history = history.min(bars.len());
    let batch = match indicator.compute(bars, params) {
        Ok(output) => output.series.into_iter().map(|series| series.values).collect(),
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::TooFewBars { .. }), "{label}: {error}");
            Vec::new()
        }
    };
    let mut stream = indicator.open(&section(bars, 0, history), params).unwrap();
    let mut compared = 0;
    let mut check = |values: &[f64], at: usize, what: &str| {
        assert_eq!(values.len(), indicator.outputs.len(), "{label}");
        for (value, line) in values.iter().zip(&batch) {
            let line: &Vec<f64> = line;
            assert_eq!(
                value.to_bits(),
                line[at].to_bits(),
                "{label} {what} bar {at}: {value}, batch {}",
                line[at]
            );
            compared += 1;
        }
        // Too few bars for a batch: no value.
        assert!(
            !batch.is_empty()
                || values.iter().all(|value| value.is_nan() || *value == 0.0)
                || begins_alone(indicator),
            "{label}"
        );
    };
    if let Some(last) = history.checked_sub(1) {
        check(&stream.values(), last, "opened");
    }
    for at in history..bars.len() {
        let bar = bar_of(bars, at);
        let other = Bar { high: bar.high * 1.25, close: bar.high * 1.125, volume: bar.volume / 2.0, ..bar };
        if other.high <= 1e15 {
            stream.peek(&other).unwrap();
        }
        let peeked = stream.peek(&bar).unwrap();
        check(&peeked, at, "peeked");
        let updated = stream.update(&bar).unwrap();
        check(&updated, at, "updated");
    }
    assert_eq!((stream.len(), stream.is_empty()), (bars.len(), bars.is_empty()));
    assert!(stream.is_exact() && stream.last_date() == bars.dates().last().copied());
    compared
}

#[test]
fn a_bar_that_cannot_be_taken_changes_nothing() {
    let (bars, _) = carried_bars("sh.600519");
    let next = bar_of(&bars, 300);
    let cases = [
        (Bar { close: f64::NAN, ..next }, "take the column \"close\": the bar is not from 1e-9 to 1e15"),
        (Bar { open: f64::INFINITY, ..next }, "take the column \"open\": the bar is not from 1e-9 to 1e15"),
        (Bar { volume: -1.0, ..next }, "take the column \"volume\": the bar is not from 0 to 1e18"),
        (
            Bar { low: next.high * 2.0, ..next },
            "take the column \"high\": the bar does not hold low <= open, close <= high",
        ),
        (bar_of(&bars, 299), "take the column \"date\": the bar is not after the last one"),
        (bar_of(&bars, 7), "take the column \"date\": the bar is not after the last one"),
    ];
    for name in ["RSI", "TDX_RSI", "BBANDS", "CDLDOJI", "OBV"] {
        let indicator = registry().get(name).unwrap();
        let open = |len: usize| indicator.open(&section(&bars, 0, len), &indicator.defaults()).unwrap();
        // Both before and after it has a value.
        for len in [300, 2] {
            let mut stream = open(len);
            let before = (stream.len(), stream.last_date(), bits(&stream));
            for (bar, text) in &cases {
                let date = if text.contains("date") && len == 2 { bars.dates()[1] } else { bar.date };
                let bar = Bar { date, ..*bar };
                for error in [stream.update(&bar).unwrap_err(), stream.peek(&bar).unwrap_err()] {
                    assert_eq!(
                        (error.kind(), error.to_string().as_str()),
                        (ErrorKind::InvalidBars, *text),
                        "{name}"
                    );
                }
            }
            assert_eq!((stream.len(), stream.last_date(), bits(&stream)), before, "{name}");
            let went_on: Vec<u64> =
                stream.update(&next).unwrap().iter().map(|value| value.to_bits()).collect();
            let mut undisturbed = open(len);
            undisturbed.update(&next).unwrap();
            assert_eq!(went_on, bits(&undisturbed), "{name}");
        }
    }
}

#[test]
fn parameters_of_another_indicator_open_nothing() {
    let (rsi, sma) = (registry().get("RSI").unwrap(), registry().get("SMA").unwrap());
    let error = rsi.open(&Bars::default(), &sma.defaults()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadParameter);
    assert_eq!(error.to_string(), "open the stream \"RSI\": expected its own parameters, got those of SMA");
}

#[test]
fn a_period_that_ta_lib_refuses_opens_nothing_either() {
    let frama = registry().get("FRAMA").unwrap();
    let error = frama.canonical(&[("timeperiod", 17.into())]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadParameter);
    assert_eq!(error.to_string(), "read the parameter \"FRAMA\": expected an even timeperiod");
    assert!(frama.canonical(&[("timeperiod", 18.into())]).is_ok());
}

#[test]
fn a_stream_that_is_forked_goes_two_ways() {
    let (bars, _) = carried_bars("sh.600519");
    for name in ["MACD", "TDX_MACD", "BBANDS"] {
        let indicator = registry().get(name).unwrap();
        let mut one = indicator.open(&section(&bars, 0, 100), &indicator.defaults()).unwrap();
        let mut other = one.clone();
        other.update(&bar_of(&bars, 150)).unwrap();
        one.update(&bar_of(&bars, 100)).unwrap();
        let output = indicator.compute(&section(&bars, 0, 101), &indicator.defaults()).unwrap();
        let last: Vec<u64> = output.series.iter().map(|series| series.values[100].to_bits()).collect();
        assert_eq!(bits(&one), last, "{name}");
        assert_ne!(bits(&other), last, "{name}");
    }
}

#[test]
fn a_stream_of_nothing_has_no_value() {
    let stream = registry().get("DMI").unwrap();
    let stream = stream.open(&Bars::default(), &stream.defaults()).unwrap();
    assert_eq!((stream.len(), stream.values().len(), stream.last_date()), (0, 4, None));
    assert!(stream.values().iter().all(|value| value.is_nan()));
    assert_eq!((stream.indicator().abbreviation, stream.params().indicator()), ("DMI", "DMI"));
}

fn bits(stream: &Stream) -> Vec<u64> {
    stream.values().iter().map(|value| value.to_bits()).collect()
}

/// Whether every output has a first bar of its own, so that there are values where there is no batch yet.
fn begins_alone(indicator: &Indicator) -> bool {
    ta_lib::abstract_api::get_func_handle(indicator.abbreviation).is_none()
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
