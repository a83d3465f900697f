//! The peer crates `rslock` and `distributed-lock-redis`, doing the same.

use std::time::Duration;

use anyhow::{Context, Result};
use distributed_lock_core::{DistributedLock, LockHandle, LockProvider};
use distributed_lock_redis::RedisLockProvider;
use rslock::LockManager;

/// The time to live that ours have by default.
const TTL: Duration = Duration::from_secs(30);

pub(super) struct Rslock(LockManager);

impl Rslock {
    pub(super) fn new(servers: &[String]) -> Self {
        let mut manager = LockManager::new(servers.iter().map(String::as_str).collect());
        // What is busy is an error here, as it is for the others.
        manager.set_retry(1, Duration::from_millis(1));
        Self(manager)
    }

    pub(super) async fn cycle(&self, name: &str) -> Result<()> {
        let key = format!("mystocks:rslock:{name}");
        self.0.lock(key.as_str(), TTL).await?.release().await;
        Ok(())
    }
}

pub(super) struct DistributedLocks(RedisLockProvider);

impl DistributedLocks {
    pub(super) async fn new(redis: &str) -> Result<Self> {
        Ok(Self(RedisLockProvider::new(redis).await?))
    }

    pub(super) async fn cycle(&self, name: &str) -> Result<()> {
        let lock = self.0.create_lock(name);
        let handle = lock.try_acquire().await?.with_context(|| format!("{name} was to be free"))?;
        Ok(handle.release().await?)
    }
}
