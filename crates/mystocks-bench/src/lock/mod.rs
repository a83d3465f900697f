//! The locks: what a cycle and a hand-over cost beside the same commands sent by hand, and beside peers.

mod cycle;
mod hand_over;
mod minority;
mod peers;
mod quorum;
mod raw;
mod raw_hand_over;
mod ring;

use anyhow::Result;
use mystocks_config::{LockSettings, RedisSettings};
use mystocks_lock::{Keyspace, Locker, RedisLocks, Resource};
use mystocks_redis_core::RedisManager;

use crate::report::Report;

pub(crate) fn run(redis: &str, rounds: usize) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut report = Report::default();
    runtime.block_on(async {
        report.0.extend(cycle::run(redis, rounds).await?);
        report.0.extend(hand_over::run(redis, rounds).await?);
        report.0.extend(quorum::run(rounds).await?);
        report.0.extend(minority::run(rounds).await?);
        anyhow::Ok(())
    })?;
    Ok(report)
}

/// Makes what one process has on one server.
async fn locks(redis: &str) -> Result<RedisLocks> {
    let manager = RedisManager::start(&RedisSettings::from_url(redis)?).await?;
    Ok(RedisLocks::new(manager, &Keyspace::default())?)
}

async fn locker(redis: &str) -> Result<Locker> {
    Ok(Locker::new(locks(redis).await?, &LockSettings::default(), &Keyspace::default()))
}

/// What the Python side's lock is.
fn plain(name: &str) -> Resource {
    Resource::new(name.to_owned()).without_fence().without_renewal()
}
