//! What needs a walk over the keys: removing by pattern, and the figures of the namespace.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use metrics::counter;
use tracing::instrument;

use super::stats::{KeyCount, Lookups, NamespaceStats, ServiceStats};
use super::{CacheService, invalid_key};
use crate::error::Error;
use crate::metric::SHARED_PATTERN_REMOVED;
use crate::store::Cursor;

/// How many keys one request removes.
const REMOVED_AT_ONCE: usize = 500;
/// Where counting stops.
const COUNTED_KEYS: usize = 100_000;
const COUNTED_PAGES: usize = 1_000;
/// How many services' totals are summed.
const SUMMED_SERVICES: usize = 1_000;

impl CacheService {
    /// Removes the entries whose key matches `glob` (Redis syntax: `*`, `?`, `[…]`, `\`) and returns how many there were.
    ///
    /// `glob` stands behind the cache prefix, which is taken literally. Keys of locks and sessions are never removed,
    /// whatever the pattern. The server is never held up: the keys are found in steps and removed at most 500 at a time.
    /// An entry written meanwhile may stay.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a malformed pattern; else as [`get`](Self::get), and
    /// then a part may be removed: call again.
    ///
    /// # Cancel safety
    /// Dropping the future leaves a part of the entries removed.
    #[instrument(
        name = "cache.delete_pattern",
        level = "debug",
        skip_all,
        fields(tier = "l2", namespace = "shared")
    )]
    pub async fn delete_pattern(&self, glob: &str) -> Result<u64, Error> {
        let pattern = self.keyspace.pattern(glob);
        let pattern = pattern.map_err(|invalid| invalid_key("delete pattern", glob, invalid))?;
        let mut removed = 0_u64;
        let mut cursor = Some(Cursor::START);
        while let Some(at) = cursor {
            let page = self.store.scan(pattern.as_str(), at).await?;
            let mine: Vec<&str> =
                page.keys.iter().map(String::as_str).filter(|key| !self.is_kept(key)).collect();
            for batch in mine.chunks(REMOVED_AT_ONCE) {
                let gone = self.store.remove(batch).await?;
                counter!(SHARED_PATTERN_REMOVED).increment(gone);
                removed = removed.saturating_add(gone);
            }
            cursor = page.next;
        }
        Ok(removed)
    }

    /// Returns the lookups of this service, the sum of those of all services, and the number of keys.
    ///
    /// It walks over the keys of the whole database in bounded steps: for an operator's page, not for every request.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable), [`Store`](crate::ErrorKind::Store).
    #[instrument(name = "cache.stats", level = "debug", skip_all, fields(tier = "l2", namespace = "shared"))]
    pub async fn stats(&self) -> Result<ServiceStats, Error> {
        self.tally.publish().await;
        Ok(ServiceStats { process: self.tally.lookups(), namespace: self.namespace_stats().await? })
    }

    /// Returns the sum of the lookups of all services, and the number of keys, and tells nobody of this service: for a program that only
    /// looks at the cache and is gone.
    ///
    /// # Errors
    /// As [`stats`](Self::stats).
    #[instrument(
        name = "cache.namespace_stats",
        level = "debug",
        skip_all,
        fields(tier = "l2", namespace = "shared")
    )]
    pub async fn namespace_stats(&self) -> Result<NamespaceStats, Error> {
        let pattern = self.keyspace.pattern("*");
        let pattern = pattern.map_err(|invalid| invalid_key("stats", "*", invalid))?;
        let hasher = RandomState::new();
        // A walk may show a key twice: what was counted is remembered, by its hash.
        let mut counted: HashSet<u64> = HashSet::new();
        let mut totals: HashSet<String> = HashSet::new();
        let mut cursor = Some(Cursor::START);
        let mut pages = 0;
        while let Some(at) = cursor
            && pages < COUNTED_PAGES
            && counted.len() < COUNTED_KEYS
        {
            pages += 1;
            let page = self.store.scan(pattern.as_str(), at).await?;
            for key in page.keys {
                if !self.is_kept(&key) {
                    counted.insert(hasher.hash_one(&key));
                } else if self.tally.is_totals(&key) && totals.len() < SUMMED_SERVICES {
                    totals.insert(key);
                }
            }
            cursor = page.next;
        }
        let (lookups, services) = self.sum(&totals).await?;
        let keys = counted.len() as u64;
        Ok(NamespaceStats {
            lookups,
            services,
            keys: match cursor {
                None => KeyCount::Exact(keys),
                Some(_) => KeyCount::AtLeast(keys),
            },
        })
    }

    async fn sum(&self, totals: &HashSet<String>) -> Result<(Lookups, u64), Error> {
        let keys: Vec<&str> = totals.iter().map(String::as_str).collect();
        let entries = self.store.get(&keys).await?;
        let known = keys.iter().zip(entries).filter_map(|(key, entry)| self.tally.read(key, &entry?));
        Ok(known.fold((Lookups::default(), 0), |(sum, services), one| (sum.plus(one), services + 1)))
    }

    /// Returns whether pattern deletion and counting pass over `key`.
    fn is_kept(&self, key: &str) -> bool {
        self.keyspace.is_foreign(key) || self.tally.is_totals(key)
    }
}
