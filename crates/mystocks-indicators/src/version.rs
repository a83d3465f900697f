//! Which content a series of bars has.

use std::fmt;
use std::sync::Arc;

use mystocks_ta::{Bars, CleaningPolicy, SuspendedDays};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::day;

/// Which content a series of bars has: where two are equal, the cleaned bars and the way they were cleaned are.
///
/// It is a digest (32 hexadecimal digits), not a counter: every process that reads the same bars gets the same version,
/// and one revised volume fifteen years ago gives another. [`of`](Self::of) digests the bars themselves;
/// [`of_stamp`](Self::of_stamp) is for a source that knows when what was written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SeriesVersion(Arc<str>);

impl SeriesVersion {
    /// Returns the version of `bars` that were cleaned by `policy`.
    pub fn of(bars: &Bars, policy: &CleaningPolicy) -> Self {
        let mut digest = Sha256::new();
        digest.update(b"mystocks series 1\0");
        digest.update([policy_mark(policy)]);
        digest.update((bars.len() as u64).to_le_bytes());
        let mut bytes = Vec::with_capacity(bars.len() * 8);
        bytes.extend(bars.dates().iter().flat_map(|date| day::number(*date).to_le_bytes()));
        digest.update(&bytes);
        for column in [bars.open(), bars.high(), bars.low(), bars.close(), bars.volume()] {
            bytes.clear();
            bytes.extend(column.iter().flat_map(|number| number.to_le_bytes()));
            digest.update(&bytes);
        }
        Self(hexadecimal(&digest.finalize(), 16).into())
    }

    /// Returns the version that `parts` tell apart, in their order: the kind of source, how it reads, and what it knows of
    /// the state of the series without reading it.
    ///
    /// It never equals one that [`of`](Self::of) returns.
    pub fn of_stamp<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut digest = Sha256::new();
        digest.update(b"mystocks stamp 1\0");
        for part in parts {
            // With the length, so that no two lists of parts run into the same bytes.
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        Self(hexadecimal(&digest.finalize(), 16).into())
    }

    /// Returns the 32 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SeriesVersion {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 32 && text.bytes().all(is_digit) {
            return Ok(Self(text.into()));
        }
        Err("a version is 32 hexadecimal digits")
    }
}

impl From<SeriesVersion> for String {
    fn from(version: SeriesVersion) -> Self {
        version.0.as_ref().to_owned()
    }
}

/// Returns what tells `policy` from every other.
pub(crate) fn policy_mark(policy: &CleaningPolicy) -> u8 {
    // Taken apart whole, so that a new field of the policy cannot be forgotten here.
    let CleaningPolicy { suspended } = policy;
    match suspended {
        SuspendedDays::Keep => 0,
        SuspendedDays::Drop => 1,
    }
}

/// Returns what a fingerprint says of `policy`.
pub(crate) fn policy_words(policy: &CleaningPolicy) -> &'static str {
    let CleaningPolicy { suspended } = policy;
    match suspended {
        SuspendedDays::Keep => "suspended_days=keep",
        SuspendedDays::Drop => "suspended_days=drop",
    }
}

/// Returns the first `count` of `bytes` as hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8], count: usize) -> String {
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
    bytes.iter().take(count).flat_map(|byte| [byte >> 4, byte & 15].map(digit)).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_told_by_each_part_and_by_where_it_ends() {
        let of = |parts: &[&str]| SeriesVersion::of_stamp(parts.iter().map(|part| part.as_bytes()));
        let all =
            [of(&["ab", "c"]), of(&["a", "bc"]), of(&["abc"]), of(&["abc", ""]), of(&["c", "ab"]), of(&[])];
        for (place, version) in all.iter().enumerate() {
            assert_eq!(version.as_str().len(), 32);
            assert!(!all[..place].contains(version), "{place}");
        }
        assert_eq!(of(&["ab", "c"]), all[0]);
    }
}
