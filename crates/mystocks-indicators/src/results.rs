//! The seam between indicators and wherever their newest values are recorded.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::Date;
use mystocks_cache::Json;
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind};
use crate::symbol::Symbol;
use crate::task_record::TaskRecord;
use crate::version::hexadecimal;

/// Records values of indicators by symbol, code and day, and how far the tasks have come that compute them.
///
/// [`MemoryResults`](crate::MemoryResults) and, with the feature `postgres`, `PostgresResults` implement it; the module
/// `conformance::results` (feature `conformance`) holds one function per promise made below and runs against both.
///
/// # Cancel safety
/// A call that is dropped was made wholly or not at all; which of the two is not known. Making it again is right.
#[async_trait]
pub trait Results: Debug + Send + Sync + 'static {
    /// Returns for each series of `symbols` × `codes` the newest of `days` that is recorded; series without any are left out.
    async fn recorded(
        &self,
        symbols: &[Symbol],
        codes: &[Arc<str>],
        days: &[Date],
    ) -> Result<HashMap<(Symbol, Arc<str>), Date>, Error>;

    /// Records `rows` and returns how many are new or other than what was recorded before.
    ///
    /// # Behavior
    /// - All of them or, with an error, none; after an error on the way to a server it may be all, and the same call again is right.
    /// - Of rows with one symbol, code and day the last stays.
    /// - Rows that stand there already are not written again.
    /// - [`ErrorKind::InvalidArgument`] before anything is written: a symbol of more than 20 or a code of more than 50
    ///   characters, a row without values, a day outside the years 1 to 9999.
    async fn write(&self, rows: &[ResultRow]) -> Result<u64, Error>;

    /// Returns the task `task_id` as it was recorded last.
    async fn task(&self, task_id: &str) -> Result<Option<TaskRecord>, Error>;

    /// Records `task` instead of what was recorded under its id.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when an id or type is empty or has more than 50 characters, or the progress is not
    /// from 0 to 100.
    async fn record_task(&self, task: &TaskRecord) -> Result<(), Error>;
}

/// The most characters of a symbol in the platform's tables.
pub(crate) const MAX_SYMBOL: usize = 20;
/// The most characters of a code.
const MAX_CODE: usize = 50;
/// How many hexadecimal digits of a digest stand in a shortened code.
const DIGEST: usize = 12;

/// The values of one indicator of one symbol on one day.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultRow {
    /// Whose values; at most 20 characters.
    pub symbol: Symbol,
    /// What was computed, by [`ResultRow::code`]: `SMA(timeperiod=20)`.
    pub code: Arc<str>,
    /// The trading day.
    pub day: Date,
    /// The outputs in the order of the indicator, by name; what is not finite is recorded as missing.
    pub values: Vec<(Cow<'static, str>, f64)>,
}

impl ResultRow {
    /// Returns the code that `label` (an [`IndicatorResult::label`](crate::IndicatorResult::label)) is recorded under.
    ///
    /// That is the label itself up to 50 characters, as many as the platform's table has. A longer one is its first 36, a
    /// `#`, 12 hexadecimal digits of the SHA-256 of the whole label, and `)`:
    /// `STOCH(fastk_period=5,slowk_period=3,#…)`.
    pub fn code(label: &str) -> Arc<str> {
        if label.chars().count() <= MAX_CODE {
            return label.into();
        }
        let head: String = label.chars().take(MAX_CODE - DIGEST - 2).collect();
        format!("{head}#{})", hexadecimal(&Sha256::digest(label), DIGEST / 2)).into()
    }

    /// Returns the first output, `None` when it is not finite.
    pub fn value(&self) -> Option<f64> {
        self.values.first().map(|(_, value)| *value).filter(|value| value.is_finite())
    }

    /// Returns all outputs as the text of one JSON object when there are several, as Python's `json.dumps` writes it, with
    /// `null` for what is not finite.
    pub fn complex_value(&self) -> Option<String> {
        if self.values.len() < 2 {
            return None;
        }
        let json = |value: f64| if value.is_finite() { Json::Float(value) } else { Json::Null };
        let members = self.values.iter().map(|(name, value)| (name.to_string(), json(*value)));
        Some(Json::Object(members.collect()).dumps())
    }

    /// Refuses what the platform's tables cannot hold.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |detail: String| {
            let subject = format!("{} of {}", self.code, self.symbol);
            Err(Error::new(ErrorKind::InvalidArgument, "record a result", subject).with_detail(detail))
        };
        let code = self.code.chars().count();
        if code == 0 || code > MAX_CODE || self.code.contains('\0') {
            return refuse(format!(
                "a code has 1 to {MAX_CODE} characters, this one {code}; ResultRow::code makes one"
            ));
        }
        if self.symbol.as_str().len() > MAX_SYMBOL {
            return refuse(format!("the table has room for symbols of {MAX_SYMBOL} characters"));
        }
        if self.values.is_empty() {
            return refuse("there is no value; give what is missing as NaN".to_owned());
        }
        if !(1..=9999).contains(&self.day.year()) {
            return refuse(format!("{} is not in the years 1 to 9999", self.day));
        }
        Ok(())
    }
}

#[async_trait]
impl<R: Results + ?Sized> Results for Arc<R> {
    async fn recorded(
        &self,
        symbols: &[Symbol],
        codes: &[Arc<str>],
        days: &[Date],
    ) -> Result<HashMap<(Symbol, Arc<str>), Date>, Error> {
        (**self).recorded(symbols, codes, days).await
    }
    async fn write(&self, rows: &[ResultRow]) -> Result<u64, Error> {
        (**self).write(rows).await
    }
    async fn task(&self, task_id: &str) -> Result<Option<TaskRecord>, Error> {
        (**self).task(task_id).await
    }
    async fn record_task(&self, task: &TaskRecord) -> Result<(), Error> {
        (**self).record_task(task).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_label_or_a_shortened_form_that_still_tells_two_apart() {
        let fits = "MACD(fastperiod=12,slowperiod=26,signalperiod=999)";
        assert_eq!((fits.len(), &*ResultRow::code(fits)), (50, fits));
        let stoch = |matype| {
            format!(
                "STOCH(fastk_period=5,slowk_period=3,slowk_matype=0,slowd_period=3,slowd_matype={matype})"
            )
        };
        let (one, other) = (ResultRow::code(&stoch(0)), ResultRow::code(&stoch(1)));
        assert_eq!((one.len(), other.len()), (50, 50));
        assert_eq!(&*one, "STOCH(fastk_period=5,slowk_period=3,#6795a4a0d01c)");
        assert_ne!(one, other);
        assert_eq!(ResultRow::code(&stoch(0)), one);
        assert_eq!(ResultRow::code(&"均".repeat(51)).chars().count(), 50);
    }

    #[test]
    fn several_outputs_are_an_object_as_python_writes_it() {
        let row = |values: &[f64]| ResultRow {
            symbol: Symbol::new("600519").unwrap(),
            code: "X".into(),
            day: jiff::civil::date(2024, 1, 2),
            values: ["a", "b", "c"].into_iter().map(Cow::Borrowed).zip(values.iter().copied()).collect(),
        };
        assert_eq!((row(&[1.5]).value(), row(&[1.5]).complex_value()), (Some(1.5), None));
        assert_eq!((row(&[f64::NAN]).value(), row(&[f64::NAN]).complex_value()), (None, None));
        let several = row(&[1e-5, f64::NAN, f64::INFINITY]);
        assert_eq!(several.value(), Some(1e-5));
        assert_eq!(several.complex_value().unwrap(), r#"{"a": 1e-05, "b": null, "c": null}"#);
    }
}
