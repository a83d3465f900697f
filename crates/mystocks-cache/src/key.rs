//! What a typed cache needs of its keys.

use std::borrow::Cow;
use std::hash::Hash;
use std::sync::Arc;

use mystocks_keys::Json;

/// A key of a typed [`Cache`](crate::Cache): compared whole in L1, spelled out in L2.
///
/// Two keys that differ must differ in `segments` or `params`: L2 knows nothing else of them. A segment is one part of the
/// key in the store; `mystocks-keys` refuses empty ones and those with a colon, braces, glob or control characters.
pub trait CacheKey: Clone + Eq + Hash + Send + Sync + 'static {
    /// Returns the segments of the key, in order.
    fn segments(&self) -> Vec<Cow<'_, str>>;

    /// Returns parameters that go into the key as a digest of 128 bits. Default: none.
    fn params(&self) -> Option<Json> {
        None
    }
}

impl CacheKey for String {
    fn segments(&self) -> Vec<Cow<'_, str>> {
        vec![Cow::Borrowed(self)]
    }
}

impl CacheKey for Arc<str> {
    fn segments(&self) -> Vec<Cow<'_, str>> {
        vec![Cow::Borrowed(self)]
    }
}
