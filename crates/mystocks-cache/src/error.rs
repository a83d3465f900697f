//! What can go wrong in the cache.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// An error of the cache: its kind, the operation, the key it was about, and the cause.
///
/// The message names the key and never the value. Cheap to clone: the callers that wait for one load share its error.
#[derive(Debug, Clone)]
pub struct Error(Box<Parts>);

/// Boxed, so that a `Result` is no larger than its value: results pass through every hit.
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
    /// The caller's argument cannot be served: a malformed key, a time to live of zero.
    InvalidArgument,
    /// The store could not be reached or did not answer in time.
    Unavailable,
    /// The store answered with an error.
    Store,
    /// A value could not be encoded or decoded.
    Codec,
    /// A value is larger than the configured limit.
    TooLarge,
    /// The loader returned an error; see [`Error::load_error`].
    Load,
    /// The loader panicked.
    Panicked,
    /// The load passed its deadline.
    Timeout,
}

impl Error {
    /// Makes an error of `kind` in `operation` about `subject` (a key or a pattern).
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

    pub(crate) fn with_shared_source(mut self, source: Arc<dyn StdError + Send + Sync>) -> Self {
        self.0.source = Some(source);
        self
    }

    /// Returns the kind.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the key or pattern the error is about.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Returns the loader's own error when it is an `E`.
    pub fn load_error<E: StdError + 'static>(&self) -> Option<&E> {
        self.0.source.as_deref().and_then(|source| source.downcast_ref::<E>())
    }

    /// Returns whether the same call may succeed later without the caller changing anything.
    pub fn is_retryable(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Unavailable | ErrorKind::Timeout)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.0.kind {
            ErrorKind::InvalidArgument => "invalid argument",
            ErrorKind::Unavailable => "the store is unavailable",
            ErrorKind::Store => "the store refused",
            ErrorKind::Codec => "the value does not encode or decode",
            ErrorKind::TooLarge => "the value is too large",
            ErrorKind::Load => "the loader failed",
            ErrorKind::Panicked => "the loader panicked",
            ErrorKind::Timeout => "the load passed its deadline",
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
