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

pub(crate) fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var_os(name)?;
    Some(text.to_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{name} is no number")))
}

/// Returns whether this is the soak, with all there is to try.
pub(crate) fn is_long() -> bool {
    std::env::var_os("MYSTOCKS_MINUTES").is_some()
}

pub(crate) fn seed() -> u64 {
    number("MYSTOCKS_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32))
}
