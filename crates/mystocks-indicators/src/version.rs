//! Which content a series of bars has.

use std::fmt;
use std::sync::Arc;

use mystocks_ta::{Bars, CleaningPolicy, SuspendedDays};
use sha2::{Digest, Sha256};

use crate::day;

/// Which content a series of bars has: equal exactly when the cleaned bars and the way they were cleaned are.
///
/// It is a digest of the content (32 hexadecimal digits), not a counter: every process that reads the same bars
/// gets the same version, and one revised volume fifteen years ago gives another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesVersion(Arc<str>);

impl SeriesVersion {
    /// Returns the version of `bars` that were cleaned by `policy`.
    pub fn of(bars: &Bars, policy: &CleaningPolicy) -> Self {
        // Taken apart whole, so that a new field of the policy cannot be forgotten here.
        let CleaningPolicy { suspended } = policy;
        let mut digest = Sha256::new();
        digest.update(b"mystocks series 1\0");
        digest.update([match suspended {
            SuspendedDays::Keep => 0,
            SuspendedDays::Drop => 1,
        }]);
        digest.update((bars.len() as u64).to_le_bytes());
        let mut bytes = Vec::with_capacity(bars.len() * 8);
        bytes.extend(bars.dates().iter().flat_map(|date| day::number(*date).to_le_bytes()));
        digest.update(&bytes);
        for column in [bars.open(), bars.high(), bars.low(), bars.close(), bars.volume()] {
            bytes.clear();
            bytes.extend(column.iter().flat_map(|number| number.to_le_bytes()));
            digest.update(&bytes);
        }
        let mut text = String::with_capacity(32);
        for byte in digest.finalize().iter().take(16) {
            text.extend(
                [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])),
            );
        }
        Self(text.into())
    }

    /// Returns the 32 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SeriesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for SeriesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}
