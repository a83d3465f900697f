//! What can go wrong with an indicator request.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// An error of this crate: its kind, the operation, what it was about, and the cause.
///
/// The message is a fragment that fits "failed to {error}". It names the indicator or parameter and what would be right,
/// never the value that was given.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    operation: &'static str,
    subject: String,
    detail: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// The kinds of [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No indicator has this abbreviation.
    UnknownIndicator,
    /// The indicator has no parameter of this name.
    UnknownParameter,
    /// A parameter has the wrong type, is out of range or given twice, or the parameters belong to another indicator.
    BadParameter,
    /// The series is shorter than the indicator's minimum.
    TooFewBars {
        /// Bars the indicator needs with these parameters.
        need: usize,
        /// Bars there are.
        have: usize,
    },
    /// Columns that do not form a valid series of bars.
    InvalidBars,
    /// The kernel failed or gave a value that is no number.
    Kernel,
    /// A saved stream that is damaged or of another format.
    BadState,
}

impl Error {
    pub(crate) fn new(
        kind: ErrorKind,
        operation: &'static str,
        subject: &str,
        detail: impl Into<String>,
    ) -> Self {
        const LONGEST_SUBJECT: usize = 64;
        let mut shown: String = subject.chars().take(LONGEST_SUBJECT).collect();
        if shown.len() < subject.len() {
            shown.push('…');
        }
        Self { kind, operation, subject: shown, detail: detail.into(), source: None }
    }

    pub(crate) fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Returns the kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the indicator, `INDICATOR.parameter` or column the error is about, cut to 64 characters.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns whether the same call may succeed later without the caller changing anything: never, this crate does no I/O.
    pub fn is_retryable(&self) -> bool {
        false
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operation, subject) = (self.operation, self.subject.escape_debug());
        write!(f, "{operation} \"{subject}\": {}", self.detail)?;
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
