//! What the shared cache tells about itself.

/// The figures of [`CacheService::stats`](super::CacheService::stats).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceStats {
    /// The lookups of this service and its clones since it was made.
    pub process: Lookups,
    /// What is known of everybody who shares the cache prefix.
    pub namespace: NamespaceStats,
}

/// The figures of everybody who shares the cache prefix.
///
/// The server's own counters are no help: they count every database and every program. So each service writes its totals
/// under a key of its own, when its `stats` is called and at most every 10 seconds while it looks things up, and these
/// are summed here. Included are the services that did so within the last hour, each with its whole life; lookups
/// of the last seconds may be missing. Python's lookups and those of the typed [`Cache`](crate::Cache) are not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamespaceStats {
    /// The sum of the lookups.
    pub lookups: Lookups,
    /// How many services the sum is of.
    pub services: u64,
    /// How many keys the cache has; keys of locks and sessions and of these figures are not counted.
    ///
    /// With [`KeyCount::AtLeast`] the walk stopped early, and the sum may lack services as well.
    pub keys: KeyCount,
}

/// How many lookups found something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Lookups {
    /// Lookups that returned a value.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// Those of the misses where an entry was there and could not be used.
    pub rejected: u64,
}

impl Lookups {
    /// Returns the hits per lookup, from 0 to 1; `None` when nothing was looked up.
    pub fn hit_rate(&self) -> Option<f64> {
        let all = self.hits.saturating_add(self.misses);
        (all > 0).then(|| self.hits as f64 / all as f64)
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            hits: self.hits.saturating_add(other.hits),
            misses: self.misses.saturating_add(other.misses),
            rejected: self.rejected.saturating_add(other.rejected),
        }
    }
}

/// A number of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyCount {
    /// This many, as far as a walk over a store in use can tell.
    Exact(u64),
    /// This many were seen when the walk stopped: after 100,000 keys, or 1,000 steps of 500 keys of whatever kind.
    AtLeast(u64),
}
