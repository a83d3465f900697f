//! Distributed locks that are fenced, fair, quick to hand over, and honest when they are lost.
//!
//! A [`Locker`] locks resources among all processes that share a Redis, the platform's Python side included. What it hands out
//! is a [`LockGuard`]: renewed in the background, told when it is lost, released when it is dropped. Beside locks there are a
//! [`Semaphore`], an [`RwLock`], [several locks at once](Locker::lock_all), and a quorum over independent servers
//! ([`QuorumLocks`]).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use mystocks_lock::{Locker, Released};
//!
//! // With Redis: Locker::new(RedisLocks::new(manager, &keyspace)?, &settings.lock, &keyspace)
//! let locker = Locker::memory();
//! let guard = locker.try_lock("nightly").await?.ok_or("busy")?;
//! assert!(guard.is_valid() && locker.try_lock("nightly").await?.is_none());
//! let first = guard.fence();
//!
//! // Who waits is woken when the lock is released.
//! let (next, released) = tokio::join!(locker.lock("nightly", Duration::from_secs(5)), guard.release());
//! let next = next?.ok_or("busy")?;
//! assert_eq!(released?, Released::Released);
//! assert!(next.fence() > first, "what is written with an older fence can be refused");
//! drop(next);
//! locker.shutdown().await;
//! # Ok(()) }
//! ```
//!
//! docs/lock.md says what is promised, what is not, and when to use the fence.

mod acquiring;
mod backend;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod goal;
mod guard;
mod hearing;
mod hold;
mod info;
mod keeper;
mod locker;
mod memory;
mod metric;
mod quorum;
#[cfg(feature = "redis")]
mod redis;
mod registry;
mod resource;
mod rw_lock;
mod semaphore;
mod several;
mod shared;
mod token;
mod ttl;
mod waiter;

pub use backend::{
    Acquire, Acquired, Grant, Hear, Holder, Keep, Kept, Kind, Listening, LockBackend, Place, Queued, Release,
    Share, Signal, Spot, Standing, State,
};
pub use error::{Error, ErrorKind};
pub use guard::{Extended, LockGuard, Released};
pub use hold::LossReason;
pub use info::{LockInfo, Owner};
pub use locker::{Holding, Locker};
pub use memory::MemoryLocks;
pub use mystocks_keys::Keyspace;
pub use quorum::QuorumLocks;
#[cfg(feature = "redis")]
pub use redis::RedisLocks;
pub use resource::Resource;
pub use rw_lock::RwLock;
pub use semaphore::{Semaphore, SemaphoreInfo};
pub use several::LockGuards;
pub use token::Token;
