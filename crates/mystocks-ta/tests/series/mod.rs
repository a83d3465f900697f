//! Bars and parameters made up by proptest.

use jiff::Span;
use jiff::civil::date;
use mystocks_ta::{Bars, CleaningPolicy, Given, Indicator, Params, RawBar, Value, clean};
use proptest::prelude::*;

/// Bars at every scale a bar may have, with stretches that do not move and days without trade.
pub(crate) fn any_bars(runs: usize, least_volume: f64) -> impl Strategy<Value = Bars> {
    let scale = prop_oneof![Just(1e-9), Just(1e-3), Just(10.0), Just(1e6), Just(9e14)];
    let step = prop_oneof![
        3 => (0.9..1.1_f64, 0.0..0.1_f64, 0.0..1e9_f64).boxed(),
        1 => Just((1.0, 0.0, 0.0)).boxed(),
        1 => (1e-3..1e3_f64, 0.0..10.0_f64, Just(1e18)).boxed(),
        1 => (0.99..1.01_f64, 0.0..0.01_f64, Just(least_volume)).boxed(),
    ];
    let runs = prop::collection::vec((step, 1..25_usize), 0..runs);
    (scale, runs).prop_map(|(scale, runs)| {
        let mut close = scale;
        let mut rows = Vec::new();
        for ((factor, spread, volume), repeat) in runs {
            for turn in 0..repeat {
                let open: f64 = close;
                let factor = if turn % 2 == 0 { factor } else { 1.0 / factor };
                close = (close * factor).clamp(1e-9, 1e15);
                rows.push(RawBar {
                    date: date(2000, 1, 1)
                        .saturating_add(Span::new().days(i32::try_from(rows.len()).unwrap())),
                    open,
                    high: (open.max(close) * (1.0 + spread)).min(1e15),
                    low: (open.min(close) / (1.0 + spread)).max(1e-9),
                    close,
                    volume: Some(volume),
                });
            }
        }
        clean(rows, &CleaningPolicy::default()).0
    })
}

/// Parameters within their ranges, small ones being likelier; the defaults where these do not go together.
pub(crate) fn params_of(indicator: &'static Indicator, seeds: &[f64]) -> Params {
    let pick = |(parameter, seed): (&mystocks_ta::Parameter, &f64)| {
        let (min, max) = (parameter.min.to_f64(), parameter.max.to_f64());
        let at = min + seed.powi(3) * (max - min);
        #[expect(clippy::cast_possible_truncation, reason = "parameters are small")]
        let value = match parameter.default {
            Value::Int(_) => Given::Int(at as i64),
            Value::Float(_) => Given::Float(at.clamp(min, max)),
        };
        (parameter.name, value)
    };
    let given: Vec<(&str, Given)> = indicator.parameters.iter().zip(seeds).map(pick).collect();
    indicator.canonical(&given).unwrap_or_else(|_| indicator.defaults())
}
