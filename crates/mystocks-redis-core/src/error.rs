//! What can go wrong between this process and Redis.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// An error of a call to Redis: its kind, the operation, what it was about, and the cause.
///
/// The message may name a key and never holds a value or a password. Cheap to clone.
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
    /// There is no connection, it broke, or the server cannot serve now (loading, busy with a script, a replica, cluster down).
    Unavailable,
    /// No answer came in time; the command may have been executed.
    Timeout,
    /// The server refuses the user, the password or, for this user, the command.
    Auth,
    /// The server answered with an error.
    Server,
    /// The reply is not of the type asked for.
    Reply,
    /// A setting or an argument is wrong.
    Config,
    /// Every dedicated connection is in use.
    Exhausted,
    /// The manager has been shut down.
    Closed,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, operation: &'static str, subject: impl Into<String>) -> Self {
        Self { kind, operation, subject: subject.into(), detail: None, source: None }
    }

    pub(crate) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        self.detail = Some(match self.detail {
            Some(earlier) => format!("{earlier}: {detail}"),
            None => detail,
        });
        self
    }

    pub(crate) fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Returns the kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns what the operation was about: a command with its key, a script, a setting.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns whether the same call may succeed later without the caller changing anything.
    ///
    /// For a command that must not happen twice this is no permission: after [`ErrorKind::Timeout`], and after
    /// [`ErrorKind::Unavailable`] of a connection that broke, it may have been executed.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Exhausted)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.kind {
            ErrorKind::Unavailable => "redis is unavailable",
            ErrorKind::Timeout => "no answer in time",
            ErrorKind::Auth => "access denied",
            ErrorKind::Server => "redis refused",
            ErrorKind::Reply => "unexpected reply",
            ErrorKind::Config => "wrong setting or argument",
            ErrorKind::Exhausted => "no dedicated connection is free",
            ErrorKind::Closed => "the manager is shut down",
        };
        write!(f, "{} {}: {reason}", self.operation, self.subject)?;
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
