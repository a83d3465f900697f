//! Read-through cache in three tiers: L1 in the process, L2 in Redis, L3 the loader.

mod backplane;
mod builder;
mod cache;
#[cfg(feature = "conformance")]
pub mod conformance;
mod envelope;
mod error;
mod fetch;
mod flight;
mod key;
mod l1;
mod l2;
mod lease;
mod memory;
mod metric;
mod outcome;
pub mod packed;
mod policy;
#[cfg(feature = "redis")]
mod redis;
mod relay;
mod service;
mod stats;
mod store;
mod ttl;

#[cfg(feature = "redis")]
pub use crate::redis::{RedisBackplane, RedisLeases, RedisStore};
pub use backplane::{Backplane, Invalidation, Signal, digest};
pub use builder::CacheBuilder;
pub use cache::Cache;
pub use envelope::MAGIC as ENVELOPE_MAGIC;
pub use error::{Error, ErrorKind};
pub use key::CacheKey;
pub use lease::{Held, Leases, SEEN, Take, Want, Write};
pub use memory::{MemoryBackplane, MemoryLeases, MemoryStore};
// Both stand in signatures here, so who uses a cache needs no dependency of its own on them.
pub use mystocks_keys::{Json, Keyspace};
pub use outcome::{Detail, GetOrCompute, Outcome, Tier};
pub use policy::Policy;
pub use service::{CacheService, KeyCount, Lookups, NamespaceStats, ServiceStats};
pub use stats::CacheStats;
pub use store::{Cursor, Lifetime, Page, Put, Store};
