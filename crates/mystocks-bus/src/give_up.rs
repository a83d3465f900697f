//! Giving an event up before its deliveries are used up.

use std::error::Error as StdError;
use std::fmt;

/// The error of a handler that knows that its event can never be handled: it is a dead letter at once, for this reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GiveUp(pub String);

impl fmt::Display for GiveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for GiveUp {}
