//! What is asked for, read from JSON: every field that cannot be right is named.

use jiff::civil::Date;
use mystocks_indicators::{DateRange, IndicatorRequest, Symbol};
use mystocks_ta::{ErrorKind, Given, Indicator, Params, registry};
use serde_json::Value;

use super::envelope::Fault;

/// So many indicators one request may ask for.
pub(super) const MOST_INDICATORS: usize = 10;
/// So many requests may come together.
pub(super) const MOST_CALCULATIONS: usize = 10;
/// So many days one request may span, as in the Python backend: ten years.
const MOST_DAYS: i64 = 3_650;

/// A request that can be answered if the bars allow.
#[derive(Debug, Clone)]
pub(super) struct Calculation {
    pub(super) symbol: Symbol,
    pub(super) start: Date,
    pub(super) end: Date,
    pub(super) wanted: Vec<Wanted>,
    pub(super) use_cache: bool,
}

/// An indicator with its parameters, each spelled out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) indicator: &'static Indicator,
    pub(super) params: Params,
}

impl Calculation {
    pub(super) fn days(&self) -> i64 {
        days(self.start, self.end)
    }

    pub(super) fn requests(&self) -> Vec<IndicatorRequest> {
        let range = DateRange::new(self.start, self.end).unwrap_or(DateRange::ALL);
        let request = |one: &Wanted| IndicatorRequest::of(self.symbol.clone(), &one.params).within(range);
        self.wanted.iter().map(request).collect()
    }
}

/// Reads a request.
///
/// # Errors
/// Every field that cannot be right, in their order.
pub(super) fn calculation(body: &Value) -> Result<Calculation, Vec<Fault>> {
    let mut faults = Faults(Vec::new());
    let Value::Object(fields) = body else {
        faults.add("body", "type", format!("expected an object, got {}", kind(body)));
        return Err(faults.0);
    };
    let symbol = match faults.text(fields.get("symbol"), "symbol") {
        Some(text) => Symbol::new(text)
            .map_err(|error| faults.add("symbol", "invalid", format!("failed to {error}")))
            .ok(),
        None => None,
    };
    let start = faults.date(fields.get("start_date"), "start_date");
    let end = faults.date(fields.get("end_date"), "end_date");
    if let (Some(start), Some(end)) = (start, end) {
        if end < start {
            faults.add("end_date", "range", "it is before start_date".to_owned());
        } else if days(start, end) > MOST_DAYS {
            faults.add("end_date", "range", format!("expected at most {MOST_DAYS} days after start_date"));
        }
    }
    let wanted = faults.indicators(fields.get("indicators"));
    let use_cache = match fields.get("use_cache") {
        None => true,
        Some(Value::Bool(use_cache)) => *use_cache,
        Some(other) => {
            faults.add("use_cache", "type", format!("expected true or false, got {}", kind(other)));
            true
        }
    };
    match (symbol, start, end, faults.0.is_empty()) {
        (Some(symbol), Some(start), Some(end), true) => {
            Ok(Calculation { symbol, start, end, wanted, use_cache })
        }
        _ => Err(faults.0),
    }
}

/// Reads the requests of a batch, not what each of them says.
///
/// # Errors
/// When it is no list of them, or they are too many.
pub(super) fn batch(body: &Value) -> Result<&[Value], Vec<Fault>> {
    let fault = |code, message| Fault { field: "calculations".to_owned(), code, message };
    match body.get("calculations") {
        None => Err(vec![fault("missing", "expected a list of requests".to_owned())]),
        Some(Value::Array(all)) if (1..=MOST_CALCULATIONS).contains(&all.len()) => Ok(all),
        Some(Value::Array(all)) => {
            let message = format!("expected 1 to {MOST_CALCULATIONS} requests, got {}", all.len());
            Err(vec![fault("range", message)])
        }
        Some(other) => Err(vec![fault("type", format!("expected a list, got {}", kind(other)))]),
    }
}

struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, field: impl Into<String>, code: &'static str, message: String) {
        self.0.push(Fault { field: field.into(), code, message });
    }

    fn text<'a>(&mut self, value: Option<&'a Value>, field: &str) -> Option<&'a str> {
        match value {
            Some(Value::String(text)) => return Some(text),
            None => self.add(field, "missing", "expected a string".to_owned()),
            Some(other) => self.add(field, "type", format!("expected a string, got {}", kind(other))),
        }
        None
    }

    fn date(&mut self, value: Option<&Value>, field: &str) -> Option<Date> {
        let text = self.text(value, field)?;
        // A date and a time would be read as well.
        let date = (text.len() == "2024-01-31".len()).then(|| text.parse().ok()).flatten();
        if date.is_none() {
            self.add(field, "invalid", "expected a day of the calendar as YYYY-MM-DD".to_owned());
        }
        date
    }

    fn indicators(&mut self, value: Option<&Value>) -> Vec<Wanted> {
        const FIELD: &str = "indicators";
        let all = match value {
            Some(Value::Array(all)) if (1..=MOST_INDICATORS).contains(&all.len()) => all,
            Some(Value::Array(all)) => {
                let message = format!("expected 1 to {MOST_INDICATORS} indicators, got {}", all.len());
                self.add(FIELD, "range", message);
                return Vec::new();
            }
            None => {
                self.add(FIELD, "missing", "expected a list of indicators".to_owned());
                return Vec::new();
            }
            Some(other) => {
                self.add(FIELD, "type", format!("expected a list, got {}", kind(other)));
                return Vec::new();
            }
        };
        all.iter()
            .enumerate()
            .filter_map(|(at, one)| self.indicator(&format!("{FIELD}[{at}]"), one))
            .collect()
    }

    fn indicator(&mut self, field: &str, value: &Value) -> Option<Wanted> {
        let Value::Object(fields) = value else {
            self.add(field, "type", format!("expected an object, got {}", kind(value)));
            return None;
        };
        let name = format!("{field}.abbreviation");
        let abbreviation = self.text(fields.get("abbreviation"), &name)?;
        let indicator = match registry().get(abbreviation) {
            Ok(indicator) => indicator,
            Err(error) => {
                self.add(name, "unknown", format!("failed to {error}"));
                return None;
            }
        };
        let field = format!("{field}.parameters");
        let given: Vec<(&str, Given)> = match fields.get("parameters") {
            None => Vec::new(),
            Some(Value::Object(all)) => {
                all.iter().map(|(name, value)| (name.as_str(), given(value))).collect()
            }
            Some(other) => {
                self.add(field, "type", format!("expected an object, got {}", kind(other)));
                return None;
            }
        };
        match indicator.canonical(&given) {
            Ok(params) => Some(Wanted { indicator, params }),
            Err(error) => {
                let code = if error.kind() == ErrorKind::UnknownParameter { "unknown" } else { "invalid" };
                let field = match error.subject().split_once('.') {
                    Some((_, parameter)) => format!("{field}.{}", parameter.escape_debug()),
                    None => field,
                };
                self.add(field, code, format!("failed to {error}"));
                None
            }
        }
    }
}

fn given(value: &Value) -> Given {
    match value {
        Value::Number(number) => number
            .as_i64()
            .map(Given::Int)
            .or_else(|| number.as_f64().map(Given::Float))
            .unwrap_or(Given::Other("a number out of range")),
        other => Given::Other(kind(other)),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn days(start: Date, end: Date) -> i64 {
    start.duration_until(end).as_hours() / 24
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked() -> Value {
        json!({"symbol": "600519.SH", "start_date": "2021-01-04", "end_date": "2021-09-30",
            "indicators": [{"abbreviation": "SMA", "parameters": {"timeperiod": 5}}, {"abbreviation": "RSI"}]})
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let read = calculation(&asked()).unwrap();
        assert_eq!((read.symbol.as_str(), read.days(), read.use_cache), ("600519.SH", 269, true));
        let labels: Vec<String> = read.wanted.iter().map(|one| one.indicator.label(&one.params)).collect();
        assert_eq!(labels, ["SMA(timeperiod=5)", "RSI(timeperiod=14)"]);
        let mut fresh = asked();
        fresh["use_cache"] = json!(false);
        assert!(!calculation(&fresh).unwrap().use_cache);
    }

    #[test]
    fn every_field_that_cannot_be_right_is_named() {
        let indicator = |one: Value| json!([one]);
        for (field, value, named, code) in [
            ("symbol", json!("a\0b"), "symbol", "invalid"),
            ("symbol", json!(600_519), "symbol", "type"),
            ("symbol", json!("../x"), "symbol", "invalid"),
            ("start_date", json!("2021-02-30"), "start_date", "invalid"),
            ("start_date", json!("2021-01-04T00:00"), "start_date", "invalid"),
            ("start_date", json!("2021-10-01"), "end_date", "range"),
            ("start_date", json!("1999-01-01"), "end_date", "range"),
            ("end_date", json!(null), "end_date", "type"),
            ("indicators", json!([]), "indicators", "range"),
            ("indicators", json!(vec![json!({"abbreviation": "SMA"}); 11]), "indicators", "range"),
            ("indicators", json!("SMA"), "indicators", "type"),
            ("indicators", indicator(json!("SMA")), "indicators[0]", "type"),
            ("indicators", indicator(json!({})), "indicators[0].abbreviation", "missing"),
            (
                "indicators",
                indicator(json!({"abbreviation": "SMB"})),
                "indicators[0].abbreviation",
                "unknown",
            ),
            (
                "indicators",
                indicator(json!({"abbreviation": "SMA", "parameters": [1]})),
                "indicators[0].parameters",
                "type",
            ),
            (
                "indicators",
                indicator(json!({"abbreviation": "SMA", "parameters": {"timeperiod": "20"}})),
                "indicators[0].parameters.timeperiod",
                "invalid",
            ),
            (
                "indicators",
                indicator(json!({"abbreviation": "SMA", "parameters": {"timeperiod": 1e300}})),
                "indicators[0].parameters.timeperiod",
                "invalid",
            ),
            (
                "indicators",
                indicator(json!({"abbreviation": "SMA", "parameters": {"timeperiod": u64::MAX}})),
                "indicators[0].parameters.timeperiod",
                "invalid",
            ),
            (
                "indicators",
                indicator(json!({"abbreviation": "SMA", "parameters": {"periods": 5}})),
                "indicators[0].parameters.periods",
                "unknown",
            ),
            ("use_cache", json!("no"), "use_cache", "type"),
        ] {
            let mut body = asked();
            body[field] = value;
            let faults = calculation(&body).unwrap_err();
            let found: Vec<_> = faults.iter().map(|fault| (fault.field.as_str(), fault.code)).collect();
            assert_eq!(found, [(named, code)], "{body}");
        }
        let all: Vec<String> =
            calculation(&json!({})).unwrap_err().into_iter().map(|fault| fault.field).collect();
        assert_eq!(all, ["symbol", "start_date", "end_date", "indicators"]);
        assert_eq!(calculation(&json!([])).unwrap_err()[0].field, "body");
    }

    #[test]
    fn a_batch_is_a_list_of_one_to_ten() {
        assert_eq!(batch(&json!({"calculations": [1, 2]})).unwrap().len(), 2);
        for body in [json!({}), json!({"calculations": []}), json!({"calculations": vec![0; 11]}), json!([])]
        {
            assert_eq!(batch(&body).unwrap_err()[0].field, "calculations", "{body}");
        }
    }
}
