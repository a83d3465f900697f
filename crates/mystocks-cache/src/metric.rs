//! The names of the metrics this crate records; docs/observability.md explains them.

/// Lookups of shared entries; label `outcome`: `hit` or `miss`.
pub(crate) const SHARED_LOOKUPS: &str = "mystocks_cache_shared_lookups_total";
/// Shared entries that were there and could not be used, each also a miss; label `reason`: `undecodable`,
/// `other_format` or `too_large`.
pub(crate) const SHARED_REJECTED: &str = "mystocks_cache_shared_rejected_total";
/// Keys removed by pattern.
pub(crate) const SHARED_PATTERN_REMOVED: &str = "mystocks_cache_shared_pattern_removed_total";
/// Loaders started by typed caches; label `cache`.
pub(crate) const LOADS: &str = "mystocks_cache_loads_total";
/// Entries of typed caches found in L2 that could not be used, each also a miss; label `cache`.
pub(crate) const UNREADABLE: &str = "mystocks_cache_unreadable_total";
/// Requests of typed caches to L2 that failed; label `cache`.
pub(crate) const STORE_ERRORS: &str = "mystocks_cache_store_errors_total";
/// Whether this process hears of the others' invalidations: 1 or 0.
pub(crate) const LINK_UP: &str = "mystocks_cache_link_up";
/// Losses of the link to the other processes.
pub(crate) const LINK_LOSSES: &str = "mystocks_cache_link_losses_total";
/// Invalidations heard from other processes.
pub(crate) const HEARD: &str = "mystocks_cache_invalidations_heard_total";
/// Values not stored because the lease was lost or the key invalidated while they were loaded; label `cache`.
pub(crate) const OVERTAKEN: &str = "mystocks_cache_overtaken_total";
/// Requests answered with a stale value; labels `cache` and `reason`: `load_failed` or `load_slow`.
pub(crate) const STALE: &str = "mystocks_cache_stale_total";
/// How long loads took, in seconds; label `cache`.
pub(crate) const LOAD_SECONDS: &str = "mystocks_cache_load_seconds";
/// Messages on the backplane's channels that could not be understood and were ignored.
#[cfg(feature = "redis")]
pub(crate) const MESSAGES_IGNORED: &str = "mystocks_cache_messages_ignored_total";
/// Requests of typed caches, as of the last call of `Cache::stats`; labels `cache` and `outcome`.
pub(crate) const REQUESTS: &str = "mystocks_cache_requests_total";
/// Entries in L1, as of the last call of `Cache::stats`; label `cache`.
pub(crate) const L1_ENTRIES: &str = "mystocks_cache_held_entries";
/// The weight of L1 in bytes, as of the last call of `Cache::stats`; label `cache`.
pub(crate) const L1_BYTES: &str = "mystocks_cache_held_bytes";
/// Fetches under way, as of the last call of `Cache::stats`; label `cache`.
pub(crate) const IN_FLIGHT: &str = "mystocks_cache_in_flight";
