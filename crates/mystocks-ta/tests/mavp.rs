//! MAVP with one period for all bars, which is computed as an average, against TA-Lib's own MAVP.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use mystocks_ta::{Bars, Given, registry};
use ta_lib::Core;
use ta_lib::abstract_api::FuncId;

fn bars() -> Bars {
    let begin = jiff::civil::date(2020, 1, 1);
    let dates = (0..300).map(|day| begin.saturating_add(jiff::ToSpan::days(day))).collect();
    let close: Vec<f64> = (0..300)
        .map(|day| 20.0 + 5.0 * (f64::from(day) / 9.0).sin() + f64::from(day * 7 % 13) / 4.0)
        .collect();
    let [open, high, low] = [0.0, 0.5, -0.5].map(|by| close.iter().map(|price| price + by).collect());
    Bars::new(dates, open, high, low, close, vec![1e6; 300]).unwrap()
}

fn raw(bars: &Bars, periods: i32, [least, most, average]: [i32; 3]) -> Option<Vec<u64>> {
    let core = Core::new();
    let periods = vec![f64::from(periods); bars.len()];
    let mut call = FuncId::MAVP.new_call(&core);
    for (slot, value) in [least, most, average].into_iter().enumerate() {
        call.set_opt_input(slot, value).unwrap();
    }
    call.set_input(0, bars.close()).unwrap();
    call.set_input(1, &periods).unwrap();
    let lookback = call.lookback().ok()?;
    let mut values = vec![0.0; bars.len()];
    call.set_output(0, values.get_mut(lookback..)?).unwrap();
    call.call(0, bars.len() - 1).ok()?;
    Some(values[lookback..].iter().map(|value| value.to_bits()).collect())
}

#[test]
fn it_is_the_average_of_each_kind_with_the_period_that_its_bounds_leave() {
    let bars = bars();
    let mavp = registry().get("MAVP").unwrap();
    let mut compared = 0;
    for average in 0..16 {
        for [least, most] in [[2, 30], [1, 10], [10, 10], [20, 60]] {
            for periods in [1, 2, 5, 14, 40, 100] {
                let Some(expected) = raw(&bars, periods, [least, most, average]) else { continue };
                let given =
                    [("periods", periods), ("minperiod", least), ("maxperiod", most), ("matype", average)];
                let given = given.map(|(name, value)| (name, Given::Int(i64::from(value))));
                let what = format!("{periods} within {least} to {most}, average {average}");
                let output = mavp.compute(&bars, &mavp.canonical(&given).unwrap()).unwrap();
                let values = &output.series[0].values;
                let (head, tail) = values.split_at(values.len() - expected.len());
                assert!(head.iter().all(|value| value.is_nan()), "{what}");
                assert_eq!(tail.iter().map(|value| value.to_bits()).collect::<Vec<_>>(), expected, "{what}");
                compared += 1;
            }
        }
    }
    assert!(compared >= 300, "{compared}");
}
