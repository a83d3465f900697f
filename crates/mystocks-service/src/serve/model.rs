//! The answer to a calculation, as the platform writes it.

use std::ops::Range;

use mystocks_indicators::IndicatorResult;
use mystocks_ta::{Indicator, Panel, Params, Value};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::bars::Ohlcv;
use super::calculate::{Calculated, Values};

/// What stands in `data`.
#[derive(Debug, Serialize)]
pub(super) struct Data<'a> {
    symbol: &'a str,
    symbol_name: &'a str,
    start_date: String,
    end_date: String,
    ohlcv: Ohlcv<'a>,
    indicators: Vec<One<'a>>,
    calculation_time_ms: f64,
    cached: bool,
    statistics: Statistics,
}

#[derive(Debug, Serialize)]
struct One<'a> {
    abbreviation: &'static str,
    parameters: Parameters,
    outputs: Vec<Line<'a>>,
    panel_type: Panel,
    reference_lines: Option<&'static [f64]>,
    error: Option<&'a str>,
    success: bool,
}

/// One line; what is no number is written as `null`.
#[derive(Debug, Serialize)]
struct Line<'a> {
    output_name: &'a str,
    values: &'a [f64],
    display_name: String,
}

#[derive(Debug, Serialize)]
struct Statistics {
    total_indicators: usize,
    successful_calculations: usize,
    failed_calculations: usize,
    data_points: usize,
    date_range_days: i64,
}

impl<'a> Data<'a> {
    pub(super) fn of(done: &'a Calculated) -> Self {
        let asked = &done.asked;
        let indicators: Vec<One<'a>> = asked
            .wanted
            .iter()
            .zip(&done.answers)
            .map(|(wanted, answer)| One::of(wanted.indicator, wanted.params, answer, &done.range))
            .collect();
        let successes = indicators.iter().filter(|one| one.success).count();
        Self {
            symbol: asked.symbol.as_str(),
            symbol_name: &done.name,
            start_date: asked.start.to_string(),
            end_date: asked.end.to_string(),
            ohlcv: done.columns.slice(&done.range),
            calculation_time_ms: millis(done.took),
            cached: done.cached,
            statistics: Statistics {
                total_indicators: indicators.len(),
                successful_calculations: successes,
                failed_calculations: indicators.len() - successes,
                data_points: done.range.len(),
                date_range_days: asked.days(),
            },
            indicators,
        }
    }

    pub(super) fn successes(&self) -> usize {
        self.statistics.successful_calculations
    }
}

impl<'a> One<'a> {
    fn of(
        indicator: &'static Indicator,
        params: Params,
        answer: &'a Result<Values, String>,
        days: &Range<usize>,
    ) -> Self {
        let display = display_name(indicator, &params);
        let line = |output_name: &'a str, values: &'a [f64]| Line {
            output_name,
            values,
            display_name: display.clone(),
        };
        let outputs = match answer {
            Ok(Values::Read(result)) => read(result).map(|(name, values)| line(name, values)).collect(),
            Ok(Values::Computed(output)) => {
                let series = output.series.iter();
                series.map(|one| line(one.name, one.values.get(days.clone()).unwrap_or_default())).collect()
            }
            Err(_) => Vec::new(),
        };
        Self {
            abbreviation: indicator.abbreviation,
            parameters: Parameters { indicator, params },
            outputs,
            panel_type: indicator.panel,
            reference_lines: lines(indicator),
            error: answer.as_ref().err().map(String::as_str),
            success: answer.is_ok(),
        }
    }
}

fn read(result: &IndicatorResult) -> impl Iterator<Item = (&str, &[f64])> {
    result.outputs().map(|name| (name, result.values(name).unwrap_or_default()))
}

/// The values at which a chart draws a line, if there are any.
pub(super) fn lines(indicator: &'static Indicator) -> Option<&'static [f64]> {
    (!indicator.reference_lines.is_empty()).then_some(indicator.reference_lines)
}

/// In milliseconds, with two digits after the point.
pub(super) fn millis(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}

/// `SMA(20)`, `MACD(12,26,9)`, `OBV`.
fn display_name(indicator: &Indicator, params: &Params) -> String {
    let values: Vec<String> = pairs(indicator, params).map(|(_, value)| value.to_string()).collect();
    if values.is_empty() {
        return indicator.abbreviation.to_owned();
    }
    format!("{}({})", indicator.abbreviation, values.join(","))
}

/// Every parameter in the customary order.
#[derive(Debug)]
struct Parameters {
    indicator: &'static Indicator,
    params: Params,
}

impl Serialize for Parameters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.indicator.parameters.len()))?;
        for (name, value) in pairs(self.indicator, &self.params) {
            map.serialize_entry(name, &value)?;
        }
        map.end()
    }
}

fn pairs<'a>(
    indicator: &'a Indicator,
    params: &'a Params,
) -> impl Iterator<Item = (&'static str, Value)> + 'a {
    indicator.parameters.iter().filter_map(|one| Some((one.name, params.get(one.name)?)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mystocks_ta::registry;

    use super::*;

    #[test]
    fn a_name_to_show_has_the_parameters_in_their_customary_order() {
        let shown = |name: &str| {
            let indicator = registry().get(name).unwrap();
            display_name(indicator, &indicator.defaults())
        };
        assert_eq!(["SMA", "MACD", "OBV"].map(shown), ["SMA(20)", "MACD(12,26,9)", "OBV"]);
        let indicator = registry().get("MACD").unwrap();
        let written = serde_json::to_string(&Parameters { indicator, params: indicator.defaults() }).unwrap();
        assert_eq!(written, r#"{"fastperiod":12,"slowperiod":26,"signalperiod":9}"#);
        assert_eq!((lines(indicator), lines(registry().get("SMA").unwrap())), (Some(&[0.0][..]), None));
    }

    #[test]
    fn a_time_has_two_digits_and_what_is_no_number_is_null() {
        assert_eq!(millis(Duration::from_micros(12_345)).to_string(), "12.35");
        let line = Line { output_name: "a", values: &[f64::NAN, 1.0], display_name: "A".to_owned() };
        let expected = r#"{"output_name":"a","values":[null,1.0],"display_name":"A"}"#;
        assert_eq!(serde_json::to_string(&line).unwrap(), expected);
    }
}
