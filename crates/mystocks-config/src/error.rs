//! What can go wrong when settings are loaded.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// Everything that is wrong with the settings, at once.
///
/// No message shows a value: a password can stand in any of them by mistake. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Error {
    first: Problem,
    others: Vec<Problem>,
}

/// One thing that is wrong: the key, where its value stands, and what was expected there.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: ErrorKind,
    key: Option<String>,
    place: String,
    expected: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// The kinds of [`Error`] and [`Problem`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A named file is missing, or a file cannot be read.
    Unreadable,
    /// A file breaks its own syntax: a line without `=`, an unclosed quote, bytes that are not UTF-8.
    Malformed,
    /// No setting has this name.
    UnknownKey,
    /// A value is not of the key's type, or out of its range.
    InvalidValue,
    /// A `${NAME}` in a value cannot be filled in.
    Unresolved,
}

impl Error {
    /// Makes an error of one problem; `None` when there is none.
    pub(crate) fn from_problems(problems: Vec<Problem>) -> Option<Self> {
        let mut problems = problems.into_iter();
        Some(Self { first: problems.next()?, others: problems.collect() })
    }

    /// Returns the kind of the first problem.
    pub fn kind(&self) -> ErrorKind {
        self.first.kind
    }

    /// Returns every problem, in the order in which the sources were read.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Returns whether the same call may succeed later without anybody changing anything: never.
    pub fn is_retryable(&self) -> bool {
        false
    }
}

impl From<Problem> for Error {
    fn from(first: Problem) -> Self {
        Self { first, others: Vec::new() }
    }
}

impl Problem {
    pub(crate) fn new(
        kind: ErrorKind,
        key: Option<&str>,
        place: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            key: key.map(str::to_string),
            place: place.into(),
            expected: expected.into(),
            source: None,
        }
    }

    pub(crate) fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Returns the kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the key; `None` when the problem is the file's.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Returns where the value stands: `line 3 of .env`, `the environment`, `the given URL`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Returns what would be right.
    pub fn expected(&self) -> &str {
        &self.expected
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = &self.key {
            write!(f, "{} in ", key.escape_debug())?;
        }
        let reason = match self.kind {
            ErrorKind::Unreadable => "cannot be read",
            ErrorKind::Malformed => "malformed",
            ErrorKind::UnknownKey => "unknown key",
            ErrorKind::InvalidValue => "invalid value",
            ErrorKind::Unresolved => "reference cannot be filled in",
        };
        write!(f, "{}: {reason}, expected {}", self.place, self.expected)?;
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "load settings: {}", self.first)?;
        for problem in &self.others {
            write!(f, "; {problem}")?;
        }
        Ok(())
    }
}

impl StdError for Problem {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.first.source()
    }
}
