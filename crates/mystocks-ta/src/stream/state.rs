//! What a stream is saved as.

use serde::{Deserialize, Serialize};

use super::{Contents, Keep, Stream};
use crate::error::{Error, ErrorKind};
use crate::params::{Given, Value};
use crate::registry::registry;

/// Goes up with every change of what the numbers mean.
const FORMAT: u32 = 1;

/// A stream that was saved, in a form that serde writes and reads back.
///
/// Numbers stand in it as their bits, so that no text format rounds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    format: u32,
    indicator: String,
    parameters: Vec<(String, Number)>,
    bars: u64,
    last: Option<String>,
    keeps_all: bool,
    exact: bool,
    kept: Kept,
}

/// A parameter's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Number {
    Int(i64),
    Float(u64),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kept {
    /// What a formula remembers.
    Cells(Vec<u64>),
    /// The bars a function is opened on again.
    Bars(Vec<u64>),
}

/// The calendar has fewer days, from the year -9999 to 9999, and each bar has one of its own.
const DAYS: usize = 8_000_000;

impl State {
    /// Returns whether a stream restored from this goes on bit for bit like the one that was saved.
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// Returns which values a stream restored from this gives, as in [`Stream::version`].
    pub fn version(&self) -> String {
        version(self.exact)
    }

    pub(super) fn of(stream: &Stream) -> Self {
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect();
        let (kept, whole) = match &stream.contents {
            Contents::Formula(run) => (Kept::Cells(run.save()), true),
            Contents::Function(function) => {
                (Kept::Bars(bits(function.kept())), function.kept_bars() == stream.len)
            }
        };
        let parameters = stream.params.to_pairs().map(|(name, value)| {
            let number = match value {
                Value::Int(value) => Number::Int(value),
                Value::Float(value) => Number::Float(value.to_bits()),
            };
            (name.to_owned(), number)
        });
        Self {
            format: FORMAT,
            indicator: stream.indicator.abbreviation.to_owned(),
            parameters: parameters.collect(),
            bars: stream.len as u64,
            last: stream.last.map(|date| date.to_string()),
            keeps_all: stream.keep == Keep::All,
            exact: stream.exact && whole,
            kept,
        }
    }

    pub(super) fn restore(&self) -> Result<Stream, Error> {
        let damaged = |what: &str| {
            let detail = format!("{what}, expected what was saved");
            Error::new(ErrorKind::BadState, "restore the stream", &self.indicator, detail)
        };
        if self.format != FORMAT {
            return Err(damaged("another format"));
        }
        let indicator = registry().get(&self.indicator)?;
        let given: Vec<(&str, Given)> = self
            .parameters
            .iter()
            .map(|(name, number)| match number {
                Number::Int(value) => (name.as_str(), Given::Int(*value)),
                Number::Float(bits) => (name.as_str(), Given::Float(f64::from_bits(*bits))),
            })
            .collect();
        let params = indicator.canonical(&given)?;
        let keep = if self.keeps_all { Keep::All } else { Keep::Window };
        let mut stream = Stream::empty(indicator, params, keep)?;
        let bars = usize::try_from(self.bars).ok().filter(|bars| *bars <= DAYS);
        stream.len = bars.ok_or_else(|| damaged("more bars than the calendar has days"))?;
        stream.exact = self.exact;
        let last = self.last.as_deref().map(str::parse).transpose();
        stream.last = last.map_err(|_| damaged("a date that is none"))?;
        if stream.last.is_none() != (stream.len == 0) {
            return Err(damaged("a date without bars, or bars without a date"));
        }
        match (&mut stream.contents, &self.kept) {
            (Contents::Formula(run), Kept::Cells(words)) => {
                let lines = run.restore(words, stream.len > 0).ok_or_else(|| damaged("other cells"))?;
                stream.values = super::values_of(lines, indicator.outputs.len());
            }
            (Contents::Function(function), Kept::Bars(bits)) => {
                let stride = indicator.inputs.len().max(1);
                let kept = bits.len() / stride;
                let whole = kept == stream.len || (!self.exact && kept < stream.len);
                let values: Vec<f64> = bits.iter().copied().map(f64::from_bits).collect();
                if bits.len() % stride != 0 || !whole || !values.iter().all(|value| value.is_finite()) {
                    return Err(damaged("other bars"));
                }
                stream.values = function
                    .restore(values)
                    .map_err(|code| damaged("bars the kernel refused").with_source(code))?;
            }
            _ => return Err(damaged("another kind of state")),
        }
        Ok(stream)
    }
}

pub(super) fn version(exact: bool) -> String {
    format!("{FORMAT}-{}", if exact { "exact" } else { "window" })
}
