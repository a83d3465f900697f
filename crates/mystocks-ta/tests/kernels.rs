//! Own kernels give the bits of TA-Lib, on real series and on adversarial ones.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod direct;
#[expect(dead_code, reason = "each test reads its own part of the figures")]
mod figures;

use direct::raw;
use figures::{carried_bars, section};
use jiff::{Span, civil::date};
use mystocks_ta::{Bars, Given, registry};
use proptest::prelude::*;
use ta_lib::abstract_api::{FuncId, get_func_handle};

type Pair = (&'static str, Given);

#[test]
fn on_real_bars_whatever_the_period() {
    for (symbol, start, end) in [("sh.600519", 0, 600), ("sh.600705", 0, 3_600), ("sh.600705", 1_200, 1_700)]
    {
        let bars = section(&carried_bars(symbol).0, start, end);
        let periods = if bars.len() > 1_000 { vec![2, 14, 99] } else { (1..=100).collect() };
        for period in periods {
            same_bits(&bars, i64::from(period), 3, 3).unwrap();
        }
        for (k, d) in [(1, 1), (1, 5), (7, 1), (100, 100), (2, 3)] {
            same_bits(&bars, 9, k, d).unwrap();
        }
    }
}

#[test]
fn on_every_length_around_a_tile() {
    let bars = carried_bars("sh.600705").0;
    for len in (1..40).chain(220..300).chain(500..530) {
        for period in [2, 9, 14, 31] {
            same_bits(&section(&bars, 3_000, 3_000 + len), period, 3, 3).unwrap();
        }
    }
}

#[test]
fn zero_keeps_its_sign() {
    let days = (0..4).map(|day| date(2000, 1, 1).saturating_add(Span::new().days(day)));
    let [open, high, low, close] = [const { [10.0; 4] }; 4].map(Vec::from);
    let bars = Bars::new(days.collect(), open, high, low, close, vec![-0.0; 4]).unwrap();
    same_bits(&bars, 2, 1, 1).unwrap();
}

/// Not only kernels: whatever the registry answers is what TA-Lib gives, head and gaps aside.
#[test]
fn every_function_with_its_defaults() {
    let bars = carried_bars("sh.600705").0;
    let mut compared = 0;
    for indicator in registry().iter() {
        let Some(function) = get_func_handle(indicator.abbreviation) else { continue };
        let params = indicator.defaults();
        let given: Vec<(&str, Given)> = params
            .to_pairs()
            .filter(|(name, _)| *name != "periods")
            .map(|(name, value)| (name, value.into()))
            .collect();
        same(function, &bars, &given).unwrap();
        compared += 1;
    }
    assert_eq!(compared, 237);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn on_adversarial_bars(bars in adversarial(), period in 1..=100_i64, k in 1..=100_i64, d in 1..=12_i64) {
        prop_assert_eq!(same_bits(&bars, period, k, d), Ok(()));
    }
}

fn same_bits(bars: &Bars, period: i64, k: i64, d: i64) -> Result<(), String> {
    let stochastic: [Pair; 3] =
        [("fastk_period", period.into()), ("slowk_period", k.into()), ("slowd_period", d.into())];
    same(FuncId::CCI, bars, &[("timeperiod", period.max(2).into())])?;
    same(FuncId::OBV, bars, &[])?;
    same(FuncId::STOCH, bars, &stochastic)?;
    same(FuncId::KDJ, bars, &stochastic)
}

fn same(function: FuncId, bars: &Bars, given: &[(&str, Given)]) -> Result<(), String> {
    let indicator = registry().get(function.name()).unwrap();
    let params = indicator.canonical(given).unwrap();
    let need = indicator.minimum_bars(&params);
    if bars.len() < need {
        return indicator.compute(bars, &params).map_or(Ok(()), |_| Err("too few bars suffice".to_owned()));
    }
    let output = indicator.compute(bars, &params).map_err(|error| error.to_string())?;
    let expected = raw(function, bars, given).ok_or("refused")?;
    for (series, expected) in output.series.iter().zip(&expected) {
        let settled = series.values[need - 1..].iter();
        for (at, (value, expected)) in settled.zip(expected).enumerate() {
            let is_gap = value.is_nan() && !f64::from_bits(*expected).is_finite();
            if value.to_bits() != *expected && !is_gap {
                let (label, bar, expected) =
                    (indicator.label(&params), at + need - 1, f64::from_bits(*expected));
                return Err(format!("{label} {} bar {bar}: {value:e}, expected {expected:e}", series.name));
            }
        }
    }
    Ok(())
}

/// Flat stretches, one-price bars, jumps over many orders of magnitude, alternation, days without volume.
fn adversarial() -> impl Strategy<Value = Bars> {
    let step = prop_oneof![
        3 => (0.9..1.1_f64, 0.0..0.1_f64, 0.0..1e9_f64).boxed(),
        2 => Just((1.0, 0.0, 0.0)).boxed(),
        1 => (0.99..1.01_f64, Just(0.0), Just(0.0)).boxed(),
        1 => (1e-6..1e6_f64, 0.0..10.0_f64, Just(1e18)).boxed(),
        1 => (1.0..(1.0 + 1e-14), 0.0..1e-15_f64, Just(-0.0)).boxed(),
    ];
    let scale = prop_oneof![Just(1e-9), Just(10.0), Just(9e14)];
    (scale, prop::collection::vec((step, 1..60_usize), 1..25)).prop_map(|(scale, runs)| {
        let [mut open, mut high, mut low, mut close, mut volume] = [const { Vec::new() }; 5];
        let mut last: f64 = scale;
        for ((factor, spread, traded), repeat) in runs {
            for turn in 0..repeat {
                let factor = if turn % 2 == 0 { factor } else { 1.0 / factor };
                let next = (last * factor).clamp(1e-9, 1e15);
                open.push(last);
                close.push(next);
                high.push((last.max(next) * (1.0 + spread)).min(1e15));
                low.push((last.min(next) / (1.0 + spread)).max(1e-9));
                volume.push(traded);
                last = next;
            }
        }
        let days = (0..open.len())
            .map(|day| date(2000, 1, 1).saturating_add(Span::new().days(i32::try_from(day).unwrap())));
        Bars::new(days.collect(), open, high, low, close, volume).unwrap()
    })
}
