//! What can go wrong with a session.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// An error of a session: its kind, the operation, what it was about, and the cause.
///
/// The message names the handle of the session, and never an id, a user or data. Cheap to clone. A session that is not there is
/// no error where one is read.
#[derive(Debug, Clone)]
pub struct Error(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
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
    /// The caller's argument cannot be served: what is no id, no handle or no user, or a policy that contradicts itself.
    InvalidArgument,
    /// The data is larger than allowed, or is not what the type takes.
    Data,
    /// Somebody else has saved the session since it was loaded.
    Conflict,
    /// The session has ended or was revoked, and stays so.
    Gone,
    /// The system's random source failed.
    Random,
    /// The store could not be reached.
    Unavailable,
    /// No answer came in time; whether it was done is not known.
    Unknown,
    /// The store answered with an error.
    Backend,
}

impl Error {
    /// Makes an error of `kind` in `operation` about `subject` (a handle, what was asked for).
    pub fn new(kind: ErrorKind, operation: &'static str, subject: impl Into<String>) -> Self {
        Self(Box::new(Parts { kind, operation, subject: subject.into(), detail: None, source: None }))
    }

    /// Adds what was expected and what would be right.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// Returns the kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the handle or the thing the error is about.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Returns whether the same call may succeed later without the caller changing anything.
    ///
    /// After [`ErrorKind::Unknown`] it may have been done already. [`ErrorKind::Conflict`] asks for a new load first.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Unavailable | ErrorKind::Unknown | ErrorKind::Random)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.0.kind {
            ErrorKind::InvalidArgument => "invalid argument",
            ErrorKind::Data => "the data does not fit",
            ErrorKind::Conflict => "it was saved by somebody else meanwhile",
            ErrorKind::Gone => "the session has ended or was revoked",
            ErrorKind::Random => "the system's random source failed",
            ErrorKind::Unavailable => "the session store is unavailable",
            ErrorKind::Unknown => "the outcome is not known",
            ErrorKind::Backend => "the session store refused",
        };
        write!(f, "{} \"{}\": {reason}", self.0.operation, self.0.subject.escape_debug())?;
        if let Some(detail) = &self.0.detail {
            write!(f, ", {detail}")?;
        }
        if let Some(source) = &self.0.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
