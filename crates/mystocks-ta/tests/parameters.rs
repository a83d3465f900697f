//! Parameters: what is one request, and what is refused.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use mystocks_ta::{ErrorKind, Given, Parameter, Params, Value, registry};

fn canonical(name: &str, given: &[(&str, Given)]) -> Params {
    registry().get(name).unwrap().canonical(given).unwrap()
}

fn refusal(name: &str, given: &[(&str, Given)]) -> (ErrorKind, String) {
    let error = registry().get(name).unwrap().canonical(given).unwrap_err();
    assert!(!error.is_retryable());
    (error.kind(), error.to_string())
}

#[test]
fn spelled_out_defaults_are_the_same_request() {
    for indicator in registry().iter() {
        let spelled: Vec<(&str, Given)> =
            indicator.parameters.iter().rev().map(|one| (one.name, one.default.into())).collect();
        assert_eq!(indicator.canonical(&[]).unwrap(), indicator.canonical(&spelled).unwrap());
        assert_eq!(indicator.canonical(&[]).unwrap(), indicator.defaults());
    }
}

#[test]
fn pairs_come_in_order_of_name() {
    let pairs: Vec<_> = canonical("MACD", &[]).to_pairs().collect();
    assert_eq!(
        pairs,
        [("fastperiod", Value::Int(12)), ("signalperiod", Value::Int(9)), ("slowperiod", Value::Int(26))]
    );
    assert_eq!(canonical("OBV", &[]).to_pairs().len(), 0);
    assert_ne!(canonical("OBV", &[]), canonical("AD", &[]));
    assert_ne!(canonical("SMA", &[]), canonical("SMA", &[("timeperiod", 21.into())]));
}

#[test]
fn an_integer_is_taken_for_a_float_but_not_a_float_for_an_integer() {
    assert_eq!(
        canonical("BBANDS", &[("nbdevup", 2.into())]),
        canonical("BBANDS", &[("nbdevup", 2.0.into())])
    );
    let (kind, text) = refusal("SMA", &[("timeperiod", 20.0.into())]);
    assert_eq!(kind, ErrorKind::BadParameter);
    assert_eq!(text, "read the parameter \"SMA.timeperiod\": expected an integer from 2 to 200, got a float");
}

#[test]
fn values_of_other_types_and_no_numbers_are_refused() {
    let cases = [
        (Given::Float(f64::NAN), "NaN"),
        (Given::Float(f64::NEG_INFINITY), "infinity"),
        (Given::Other("a string"), "a string"),
    ];
    for (given, name) in cases {
        for (indicator, parameter, expected) in [
            ("BBANDS", "nbdevdn", "a number from 0.1 to 5.0"),
            ("RSI", "timeperiod", "an integer from 2 to 100"),
        ] {
            let (kind, text) = refusal(indicator, &[(parameter, given)]);
            assert_eq!(kind, ErrorKind::BadParameter);
            assert_eq!(
                text,
                format!("read the parameter \"{indicator}.{parameter}\": expected {expected}, got {name}")
            );
        }
    }
}

#[test]
fn both_ends_of_every_range_are_held() {
    for indicator in registry().iter() {
        let all = |end: fn(&Parameter) -> Value| {
            let given: Vec<(&str, Given)> =
                indicator.parameters.iter().map(|one| (one.name, end(one).into())).collect();
            indicator.canonical(&given).unwrap()
        };
        // One by one they may not go together with the defaults of the others.
        let _ = (all(|one| one.min), all(|one| one.max));
        for parameter in indicator.parameters {
            for (end, is_max) in [(parameter.min, false), (parameter.max, true)] {
                let beyond = match end {
                    Value::Int(end) => Given::Int(if is_max { end + 1 } else { end - 1 }),
                    Value::Float(end) => Given::Float(if is_max { end.next_up() } else { end.next_down() }),
                };
                let error = indicator.canonical(&[(parameter.name, beyond)]).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::BadParameter);
                let range = format!("from {} to {}", parameter.min, parameter.max);
                assert!(error.to_string().ends_with(&range), "{error}");
            }
        }
    }
    for extreme in [i64::MIN, i64::MAX] {
        assert_eq!(refusal("SMA", &[("timeperiod", extreme.into())]).0, ErrorKind::BadParameter);
        assert_eq!(refusal("BBANDS", &[("nbdevup", extreme.into())]).0, ErrorKind::BadParameter);
    }
}

#[test]
fn an_unknown_parameter_is_answered_with_the_nearest() {
    let (kind, text) = refusal("SMA", &[("period", 5.into())]);
    assert_eq!(kind, ErrorKind::UnknownParameter);
    assert_eq!(text, "read the parameter \"SMA.period\": unknown parameter, nearest: timeperiod");
    assert!(refusal("MACD", &[("slow_period", 5.into())]).1.contains("nearest: slowperiod"));
    assert!(refusal("MACD", &[("x", 5.into())]).1.ends_with("it takes fastperiod, slowperiod, signalperiod"));
    assert!(refusal("OBV", &[("timeperiod", 5.into())]).1.ends_with("it takes none"));
    assert_eq!(refusal("SMA", &[("timeperiod", 5.into()), ("", 5.into())]).0, ErrorKind::UnknownParameter);
}

#[test]
fn a_parameter_given_twice_is_refused() {
    let (kind, text) = refusal("SMA", &[("timeperiod", 5.into()), ("timeperiod", 5.into())]);
    assert_eq!(kind, ErrorKind::BadParameter);
    assert!(text.ends_with("given twice, expected once"), "{text}");
}

#[test]
fn what_ta_lib_reorders_in_silence_is_reordered_in_the_canonical_form() {
    let swapped = canonical("MACD", &[("fastperiod", 26.into()), ("slowperiod", 12.into())]);
    assert_eq!(swapped, canonical("MACD", &[]));
    let lowered = canonical("SAR", &[("acceleration", 0.2.into()), ("maximum", 0.1.into())]);
    assert_eq!(lowered, canonical("SAR", &[("acceleration", 0.1.into()), ("maximum", 0.1.into())]));
    // ADOSC tells the two apart.
    assert_ne!(
        canonical("ADOSC", &[("fastperiod", 10.into()), ("slowperiod", 3.into())]),
        canonical("ADOSC", &[])
    );
}
