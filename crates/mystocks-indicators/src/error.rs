//! What can go wrong between a request for an indicator and its values.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::symbol::Symbol;

/// An error of the indicator path: its kind, the operation, what it was about, and the cause.
///
/// The message names the symbol, indicator, parameter, file, line or column, says what would be right, and never
/// repeats a value. Cheap to clone: every caller that waits for one load gets the same error.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    operation: &'static str,
    subject: String,
    detail: Option<String>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// The kinds of [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bar source does not know the symbol; the message names the nearest ones.
    UnknownSymbol,
    /// There is no such indicator; the message names the nearest ones.
    UnknownIndicator,
    /// A parameter, the text of a symbol or a range cannot be right.
    InvalidArgument,
    /// The symbol has fewer bars than the indicator needs for its first value.
    TooFewBars,
    /// The bars are there but cannot be read or computed with; the message names file, line and column.
    Malformed,
    /// The bar source or the store of results could not be reached, read or written.
    Source,
    /// The bars changed under the reader each time it looked.
    Changing,
    /// The cache gave up on the load: it panicked, passed its deadline, or the value is over the limit.
    Cache,
}

impl Error {
    /// Makes an error of `kind` in `operation` about `subject` (a symbol, an indicator, a file).
    pub fn new(kind: ErrorKind, operation: &'static str, subject: impl Into<String>) -> Self {
        Self { kind, operation, subject: subject.into(), detail: None, source: None }
    }

    /// Makes the error of a [`BarSource`](crate::BarSource) that has no bars of `symbol` and knows those of `known`.
    pub fn unknown_symbol<'a>(symbol: &Symbol, known: impl IntoIterator<Item = &'a Symbol>) -> Self {
        let nearest = nearest(symbol, known);
        let detail = if nearest.is_empty() {
            "the source has none like it".to_owned()
        } else {
            format!("the nearest are {}", nearest.join(", "))
        };
        Self::new(ErrorKind::UnknownSymbol, "find bars", symbol.as_str()).with_detail(detail)
    }

    /// Makes the error of a request that the registry refuses or cannot compute for `symbol`.
    pub(crate) fn of_registry(error: mystocks_ta::Error, symbol: &Symbol, label: &str) -> Self {
        let kind = match error.kind() {
            mystocks_ta::ErrorKind::UnknownIndicator => ErrorKind::UnknownIndicator,
            mystocks_ta::ErrorKind::TooFewBars { need, have } => {
                return Self::new(ErrorKind::TooFewBars, "compute", format!("{label} of {symbol}"))
                    .with_detail(format!("it needs {need}, there are {have}"));
            }
            mystocks_ta::ErrorKind::InvalidBars | mystocks_ta::ErrorKind::Kernel => {
                return Self::new(ErrorKind::Malformed, "compute", format!("{label} of {symbol}"))
                    .with_source(error);
            }
            _ => ErrorKind::InvalidArgument,
        };
        Self::new(kind, "read the request", error.subject().to_owned()).with_source(error)
    }

    /// Adds what was expected and what would be right.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// Returns the kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns what the error is about: a symbol, an indicator, a file.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns whether the same call may succeed later without the caller changing anything.
    ///
    /// An error of the cache says itself whether it does.
    pub fn is_retryable(&self) -> bool {
        match self.kind {
            ErrorKind::Source | ErrorKind::Changing => true,
            ErrorKind::Cache => self
                .source
                .as_deref()
                .and_then(|source| source.downcast_ref::<mystocks_cache::Error>())
                .is_some_and(mystocks_cache::Error::is_retryable),
            _ => false,
        }
    }
}

impl Error {
    /// What is wrong and what would be right, without the kind and the subject.
    pub(crate) fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// The registry's own error about a request, whose message says all of it.
    fn refused_by_the_registry(&self) -> Option<&mystocks_ta::Error> {
        let source = self.source.as_deref()?;
        matches!(self.kind, ErrorKind::UnknownIndicator | ErrorKind::InvalidArgument)
            .then(|| source.downcast_ref())
            .flatten()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(refused) = self.refused_by_the_registry() {
            return refused.fmt(f);
        }
        let reason = match self.kind {
            ErrorKind::UnknownSymbol => "unknown symbol",
            ErrorKind::UnknownIndicator => "unknown indicator",
            ErrorKind::InvalidArgument => "invalid argument",
            ErrorKind::TooFewBars => "too few bars",
            ErrorKind::Malformed => "the data is malformed",
            ErrorKind::Source => "unavailable",
            ErrorKind::Changing => "the bars keep changing",
            ErrorKind::Cache => "the cache gave up on the load",
        };
        write!(f, "{} \"{}\": {reason}", self.operation, self.subject.escape_debug())?;
        if let Some(detail) = &self.detail {
            write!(f, ", {detail}")?;
        }
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// The three known symbols most like `symbol`; the other spelling of the same code (`600519.SH`, `sh.600519`) leads.
fn nearest<'a>(symbol: &Symbol, known: impl IntoIterator<Item = &'a Symbol>) -> Vec<&'a str> {
    let code = code(symbol.as_str());
    let wanted = symbol.as_str().to_ascii_lowercase();
    let mut scored: Vec<(f64, &str)> = known
        .into_iter()
        .map(|other| {
            let likeness = if !code.is_empty() && self::code(other.as_str()) == code {
                2.0
            } else {
                strsim::jaro_winkler(&wanted, &other.as_str().to_ascii_lowercase())
            };
            (likeness, other.as_str())
        })
        .filter(|(likeness, _)| *likeness > 0.7)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}

fn code(symbol: &str) -> String {
    symbol.chars().filter(char::is_ascii_digit).collect()
}
