//! The one rule for a time to live, wherever it comes from.

use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// A century: beyond what a server's clock arithmetic takes, `Duration::MAX` would be refused.
pub(crate) const LONGEST_MS: u64 = 100 * 365 * 24 * 60 * 60 * 1000;

/// Returns `ttl` in whole milliseconds, rounded down and at most a century.
pub(crate) fn whole_millis(operation: &'static str, key: &str, ttl: Duration) -> Result<u64, Error> {
    match u64::try_from(ttl.as_millis()) {
        Ok(0) => Err(Error::new(ErrorKind::InvalidArgument, operation, key).with_detail(format!(
            "a time to live must be at least 1 ms, got {ttl:?}; to remove the entry, remove it"
        ))),
        Ok(millis) => Ok(millis.min(LONGEST_MS)),
        Err(_) => Ok(LONGEST_MS),
    }
}
