//! What can go wrong with the bus.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// An error of the bus: its kind, the operation, the topic it was about, and the cause.
///
/// The message names the topic and never what was published. Cheap to clone. Messages that were missed are no error but a
/// [`Gap`](crate::Gap).
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
    /// The caller's argument cannot be served: a malformed topic or pattern, a queue without room.
    InvalidArgument,
    /// The event has no JSON form; nothing was published.
    Encode,
    /// The transport cannot be reached, or the connection broke: what was under way then may have been published.
    Unavailable,
    /// No answer came in time; whether it was published is not known.
    Unknown,
    /// The transport answered with an error.
    Transport,
    /// A durable topic has no room; nothing was published.
    Full,
    /// The bus has been shut down.
    Closed,
}

impl Error {
    /// Makes an error of `kind` in `operation` about `subject` (a topic or a pattern).
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
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the topic or pattern the error is about.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Returns whether the same call may succeed later without the caller changing anything.
    ///
    /// A second call may publish a second time.
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Unavailable | ErrorKind::Unknown)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.0.kind {
            ErrorKind::InvalidArgument => "invalid argument",
            ErrorKind::Encode => "it has no JSON form",
            ErrorKind::Unavailable => "the transport is unavailable",
            ErrorKind::Unknown => "the outcome is not known",
            ErrorKind::Transport => "the transport refused",
            ErrorKind::Full => "it is full",
            ErrorKind::Closed => "the bus is shut down",
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
