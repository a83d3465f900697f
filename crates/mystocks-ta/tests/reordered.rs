//! What TA-Lib reorders or lowers in silence, found by calling it both ways, is one request here; nothing else is.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod direct;
#[expect(dead_code, reason = "each test reads its own part of the figures")]
mod figures;

use direct::raw;
use figures::{carried_bars, section};
use mystocks_ta::{Bars, Given, Kind, Params, registry};
use ta_lib::abstract_api::{FuncId, get_func_handle};

type Pair<'a> = (&'a str, Given);

/// Pairs of parameters that TA-Lib treats alike.
const ALIKE: [&str; 10] = [
    "MACD fastperiod slowperiod",
    "MACDEXT fastperiod slowperiod",
    "APO fastperiod slowperiod",
    "COPPOCK roc1period roc2period",
    "PPO fastperiod slowperiod",
    "STC fastperiod slowperiod",
    "ULTOSC timeperiod1 timeperiod2",
    "ULTOSC timeperiod1 timeperiod3",
    "ULTOSC timeperiod2 timeperiod3",
    "PVO fastperiod slowperiod",
];

#[test]
fn pairs_that_ta_lib_treats_alike_are_one_request() {
    let bars = bars();
    let mut alike = Vec::new();
    for indicator in registry().iter() {
        let Some(function) = get_func_handle(indicator.abbreviation) else { continue };
        let offered: Vec<_> =
            indicator.parameters.iter().filter(|one| !one.name.ends_with("matype")).collect();
        for (at, first) in offered.iter().enumerate() {
            for second in offered.iter().skip(at + 1).filter(|second| second.kind == first.kind) {
                let values: [Given; 2] = match first.kind {
                    Kind::Int => [5.into(), 11.into()],
                    Kind::Float => [0.05.into(), 0.1.into()],
                };
                let given = |a: Given, b: Given| [(first.name, a), (second.name, b)];
                let (one, other) = (given(values[0], values[1]), given(values[1], values[0]));
                let is_alike = match (raw(function, &bars, &one), raw(function, &bars, &other)) {
                    (Some(one), Some(other)) => one == other,
                    _ => false,
                };
                if let (Ok(one), Ok(other)) = (indicator.canonical(&one), indicator.canonical(&other)) {
                    assert_eq!(
                        one == other,
                        is_alike,
                        "{} {} {}",
                        indicator.abbreviation,
                        first.name,
                        second.name
                    );
                }
                if is_alike {
                    alike.push(format!("{} {} {}", indicator.abbreviation, first.name, second.name));
                }
            }
        }
    }
    assert_eq!(alike, ALIKE);
}

#[test]
fn the_types_of_average_go_with_the_periods() {
    let given = |fast: i64, fast_type: i64, slow: i64, slow_type: i64| {
        let pairs = [
            ("fastperiod", fast),
            ("fastmatype", fast_type),
            ("slowperiod", slow),
            ("slowmatype", slow_type),
        ];
        pairs.map(|(name, value)| (name, Given::Int(value)))
    };
    let (one, other) = (given(12, 1, 26, 2), given(26, 2, 12, 1));
    assert_eq!(raw(FuncId::MACDEXT, &bars(), &one), raw(FuncId::MACDEXT, &bars(), &other));
    assert_eq!(canonical("MACDEXT", &one), canonical("MACDEXT", &other));
    assert_ne!(canonical("MACDEXT", &one), canonical("MACDEXT", &given(26, 1, 12, 2)));
}

#[test]
fn an_acceleration_beyond_its_maximum_is_lowered() {
    for (name, function, low, high) in [
        ("SAR", FuncId::SAR, "acceleration", "maximum"),
        ("SAREXT", FuncId::SAREXT, "accelerationinitlong", "accelerationmaxlong"),
        ("SAREXT", FuncId::SAREXT, "accelerationlong", "accelerationmaxlong"),
        ("SAREXT", FuncId::SAREXT, "accelerationinitshort", "accelerationmaxshort"),
        ("SAREXT", FuncId::SAREXT, "accelerationshort", "accelerationmaxshort"),
    ] {
        let (beyond, at) = ([(low, 0.2.into()), (high, 0.1.into())], [(low, 0.1.into()), (high, 0.1.into())]);
        assert_eq!(raw(function, &bars(), &beyond), raw(function, &bars(), &at), "{name} {low}");
        assert_ne!(
            raw(function, &bars(), &at),
            raw(function, &bars(), &[(low, 0.05.into()), (high, 0.1.into())])
        );
        assert_eq!(canonical(name, &beyond), canonical(name, &at));
    }
}

#[test]
fn the_word_for_the_default_average_is_the_default() {
    for indicator in registry().iter() {
        for parameter in indicator.parameters.iter().filter(|one| one.name.ends_with("matype")) {
            let function = get_func_handle(indicator.abbreviation).unwrap();
            let (word, spelled) =
                ([(parameter.name, 11.into())], [(parameter.name, parameter.default.into())]);
            assert_eq!(raw(function, &bars(), &word), raw(function, &bars(), &spelled));
            assert_eq!(indicator.canonical(&word).unwrap(), indicator.defaults());
        }
    }
}

#[test]
fn values_that_do_not_go_together_are_refused_as_ta_lib_refuses_them() {
    let mavp = "read the parameter \"MAVP\": expected minperiod <= maxperiod";
    let sqzmom = "read the parameter \"SQZMOM\": expected factornarrow <= factornormal <= factorwide";
    let cases: [(FuncId, [Pair<'_>; 2], &str); 3] = [
        (FuncId::MAVP, [("minperiod", 31.into()), ("maxperiod", 30.into())], mavp),
        (FuncId::SQZMOM, [("factorwide", 1.4.into()), ("factornormal", 1.5.into())], sqzmom),
        (FuncId::SQZMOM, [("factornormal", 1.5.into()), ("factornarrow", 1.6.into())], sqzmom),
    ];
    for (function, given, text) in cases {
        let error = registry().get(function.name()).unwrap().canonical(&given).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (mystocks_ta::ErrorKind::BadParameter, text));
        assert_eq!(raw(function, &bars(), &given), None);
    }
}

fn bars() -> Bars {
    let (bars, _) = carried_bars("sh.600519");
    section(&bars, 0, 400)
}

fn canonical(name: &str, given: &[(&str, Given)]) -> Params {
    registry().get(name).unwrap().canonical(given).unwrap()
}
