//! What the tests of the front run on.

use std::time::Duration;

use mystocks_config::{LockSettings, RedisSettings};
use mystocks_lock::{Keyspace, Locker, MemoryLocks, RedisLocks};
use mystocks_redis_core::RedisManager;
use mystocks_testkit::RedisServer;

/// Runs a test on two processes in memory and on two on a real server, where nothing may be left.
macro_rules! on_both {
    ($($test:ident)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $test() {
                let locks = mystocks_lock::MemoryLocks::new();
                super::$test($crate::world::memory_locker(&locks), $crate::world::memory_locker(&locks)).await;
            })*
        }
        mod redis {
            $(#[tokio::test]
            async fn $test() {
                let world = $crate::world::World::start().await;
                super::$test(world.locker().await, world.locker().await).await;
                let watch = $crate::world::connect(&world.server.url()).await;
                $crate::hygiene::nothing_is_left(&watch, $crate::world::secs(20)).await;
            })*
        }
    };
}

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A server, and what connects to it.
pub(crate) struct World {
    pub(crate) server: RedisServer,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self { server: RedisServer::start().await }
    }

    /// Makes the locker of one more process.
    pub(crate) async fn locker(&self) -> Locker {
        redis_locker(&self.server.url()).await
    }
}

pub(crate) async fn connect(url: &str) -> RedisManager {
    RedisManager::start(&RedisSettings::from_url(url).unwrap()).await.unwrap()
}

pub(crate) async fn redis_locker(url: &str) -> Locker {
    let keyspace = Keyspace::default();
    let locks = RedisLocks::new(connect(url).await, &keyspace).unwrap();
    Locker::new(locks, &LockSettings::default(), &keyspace)
}

pub(crate) fn memory_locker(locks: &MemoryLocks) -> Locker {
    Locker::new(locks.process(), &LockSettings::default(), &Keyspace::default())
}

/// Makes the locker of a process that is told what others do to its locks.
pub(crate) async fn tracked_locker(url: &str) -> Locker {
    let keyspace = Keyspace::default();
    let settings = RedisSettings::from_url(url).unwrap();
    let (manager, tracking) = RedisManager::start_tracked(&settings).await.unwrap();
    let locks = RedisLocks::tracked(manager, tracking, &keyspace).unwrap();
    Locker::new(locks, &LockSettings::default(), &keyspace)
}
