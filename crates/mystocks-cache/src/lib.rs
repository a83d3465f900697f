//! Read-through cache in three tiers: L1 in the process, L2 in Redis, L3 the loader.

mod backplane;
mod batch;
mod breaker;
mod builder;
mod cache;
mod change;
#[cfg(feature = "conformance")]
pub mod conformance;
mod early;
mod envelope;
mod error;
mod fetch;
mod fill;
mod flight;
mod found;
mod hot;
#[cfg(feature = "http")]
pub mod http;
mod hub;
mod inner;
mod keep;
mod key;
mod l1;
mod l2;
mod lease;
mod link;
mod listening;
mod load;
mod load_ctx;
mod many;
mod marks;
mod memory;
mod metric;
#[cfg(feature = "model")]
pub mod model;
mod notes;
mod order;
mod outcome;
pub mod packed;
mod patience;
mod pending;
mod policy;
mod reading;
mod recovery;
#[cfg(feature = "redis")]
mod redis;
mod relay;
mod replay;
mod service;
mod shared;
mod stats;
mod store;
mod sync;
mod ttl;
mod warm;

#[cfg(feature = "redis")]
pub use crate::redis::{RedisBackplane, RedisLeases, RedisStore};
pub use backplane::{Backplane, Invalidation, Signal, digest};
pub use builder::CacheBuilder;
pub use cache::Cache;
pub use change::Done;
pub use envelope::MAGIC as ENVELOPE_MAGIC;
pub use error::{Error, ErrorKind};
pub use hub::{CacheHub, Coherence, HubState};
pub use key::CacheKey;
pub use lease::{Held, Leases, SEEN, Seen, Take, Want, Write};
pub use load_ctx::{LoadCtx, Loaded};
pub use memory::{MemoryBackplane, MemoryLeases, MemoryStore};
// Both stand in signatures here, so who uses a cache needs no dependency of its own on them.
pub use mystocks_keys::{Json, Keyspace};
pub use outcome::{Detail, GetOrCompute, Outcome, Staleness, Tier};
pub use policy::Policy;
pub use service::{CacheService, KeyCount, Lookups, NamespaceStats, ServiceStats};
pub use stats::CacheStats;
pub use store::{Cursor, Lifetime, Page, Put, Store};
pub use warm::Warmed;
