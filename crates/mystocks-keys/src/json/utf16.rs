//! Strings that are no valid Unicode.

/// The code units of a string that holds at least one lone surrogate; see [`Json::from_utf16`](crate::Json::from_utf16).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Utf16(Vec<u16>);

impl Utf16 {
    /// The caller has seen a lone surrogate in `units`: otherwise equal strings would have two forms.
    pub(crate) fn lone(units: Vec<u16>) -> Self {
        Self(units)
    }

    /// Returns the code units.
    pub fn units(&self) -> &[u16] {
        &self.0
    }

    /// Returns the text with U+FFFD in the place of each lone surrogate.
    pub fn to_string_lossy(&self) -> String {
        String::from_utf16_lossy(&self.0)
    }
}
