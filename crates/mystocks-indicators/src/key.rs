//! What tells one cached series from every other.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};

use mystocks_cache::CacheKey;
use mystocks_ta::{Indicator, Params};

use crate::symbol::Symbol;
use crate::version::SeriesVersion;

/// What tells one cached series from every other: whose it is, what is computed, and from which bars.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SeriesKey {
    pub(crate) symbol: Symbol,
    pub(crate) call: Call,
    pub(crate) version: SeriesVersion,
}

/// An indicator with its canonical parameters; the parameters alone tell two apart, they know their indicator.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) indicator: &'static Indicator,
    pub(crate) params: Params,
}

impl Call {
    /// Returns the indicator with every parameter spelled out: `SMA(timeperiod=20)`.
    pub(crate) fn label(&self) -> String {
        self.indicator.label(&self.params)
    }
}

impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        self.params == other.params
    }
}

impl Eq for Call {}

impl Hash for Call {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.params.hash(state);
    }
}

impl CacheKey for SeriesKey {
    fn segments(&self) -> Vec<Cow<'_, str>> {
        // The version is not the last: a last segment of 32 hexadecimal digits would read like a digest of parameters.
        vec![
            Cow::Borrowed(self.symbol.as_str()),
            Cow::Borrowed(self.version.as_str()),
            Cow::Owned(self.call.label()),
        ]
    }
}

/// Whose bars, and of which content.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct BarsKey {
    pub(crate) symbol: Symbol,
    pub(crate) version: SeriesVersion,
}

impl CacheKey for BarsKey {
    fn segments(&self) -> Vec<Cow<'_, str>> {
        // As above, the version is not the last.
        vec![Cow::Borrowed(self.symbol.as_str()), Cow::Borrowed(self.version.as_str()), Cow::Borrowed("bars")]
    }
}
