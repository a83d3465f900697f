//! Locks of many processes, and many of one: stopped, killed, restarted, held. `cargo xtask soak lock` runs most of it for longer.
#![expect(clippy::unwrap_used, reason = "tests may panic")]
#![expect(clippy::print_stdout, reason = "children report on stdout, and faults print their seed")]

mod child;
mod held;
mod ledger;
mod permits;
mod queue;
mod register;
mod restarted;
mod stopped;

use std::time::Duration;

use mystocks_config::{LockSettings, RedisSettings};
use mystocks_lock::{Keyspace, Locker, RedisLocks};
use mystocks_redis_core::RedisManager;
pub(crate) use mystocks_tests::{is_long, number, seed};

pub(crate) async fn connect(url: &str) -> RedisManager {
    RedisManager::start(&RedisSettings::from_url(url).unwrap()).await.unwrap()
}

pub(crate) async fn locker(url: &str) -> Locker {
    let keyspace = Keyspace::default();
    let locks = RedisLocks::new(connect(url).await, &keyspace).unwrap();
    Locker::new(locks, &LockSettings::default(), &keyspace)
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
