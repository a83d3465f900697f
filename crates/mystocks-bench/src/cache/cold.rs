//! A miss of everything: ask L2, take the lease, compute, write; against the same commands sent by hand.

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use mystocks_cache::{Cache, CacheHub, RedisStore};
use mystocks_config::RedisSettings;
use mystocks_keys::{Keyspace, Sidecar};
use mystocks_redis_core::RedisManager;
use redis::Script;
use redis::aio::MultiplexedConnection;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::sample::Quote;
use crate::read_path::sides::{patient, raw_connection};
use crate::read_path::value::Sample;
use crate::report::Row;
use crate::rounds::interleave;

const BOUND: f64 = 1.5;
/// How many misses a side has in one round.
const MISSES: usize = 512;
const LEASE_MS: usize = 10_000;
const TTL_MS: usize = 3_600_000;
/// Of the head by which the script recognises an entry, which is not there.
const LAST_OF_HEAD: usize = 31;

/// The cache's own scripts, so that the server does the same work.
const TAKE: &str = concat!(
    include_str!("../../../mystocks-cache/src/redis/clock.lua"),
    include_str!("../../../mystocks-cache/src/redis/sight.lua"),
    include_str!("../../../mystocks-cache/src/redis/take.lua"),
);
const COMMIT: &str = concat!(
    include_str!("../../../mystocks-cache/src/redis/clock.lua"),
    include_str!("../../../mystocks-cache/src/redis/wake.lua"),
    include_str!("../../../mystocks-cache/src/redis/tell.lua"),
    include_str!("../../../mystocks-cache/src/redis/sight.lua"),
    include_str!("../../../mystocks-cache/src/redis/commit.lua"),
);

struct Sides {
    cache: Cache<String, Quote>,
    raw: MultiplexedConnection,
    keyspace: Keyspace,
    take: Script,
    commit: Script,
    /// No key is read twice.
    next: AtomicUsize,
}

impl Sides {
    async fn start(redis: &str) -> Result<Self> {
        let settings = RedisSettings::from_url(redis)?;
        let store = RedisStore::new(RedisManager::start(&settings).await?);
        let keyspace = Keyspace::default();
        let cache = CacheHub::redis(&store, &keyspace)?.cache("cold").policy(patient()).build()?;
        let raw = raw_connection(redis, &settings).await?;
        let (take, commit) = (Script::new(TAKE), Script::new(COMMIT));
        Ok(Self { cache, raw, keyspace, take, commit, next: AtomicUsize::new(0) })
    }

    async fn ours(&self, seed: usize) -> Result<Arc<Quote>> {
        let compute = move |_| async move { Ok::<_, Infallible>(Quote::sample(seed)) };
        Ok(self.cache.get_or_compute(&format!("{seed:09}"), compute).await?)
    }

    async fn by_hand(&self, seed: usize) -> Result<Arc<Quote>> {
        let mut raw = self.raw.clone();
        let name = format!("{seed:09}");
        let key = self.keyspace.own("by-hand", &[&name], None)?;
        let (lease, queue) = (Sidecar::lease_of(key.as_str()), Sidecar::queue_of(key.as_str()));
        let found: Option<Vec<u8>> = redis::cmd("GET").arg(key.as_str()).query_async(&mut raw).await?;
        ensure!(found.is_none(), "{name} was not to be there");
        let token = format!("{:032x}", fastrand::u128(..));
        let mut take = self.take.prepare_invoke();
        take.key(key.as_str()).key(lease.as_str()).key(self.keyspace.cache_clock()?.as_str());
        take.arg(&token).arg(LEASE_MS).arg(LAST_OF_HEAD).arg("").arg(0).arg(0);
        let (taken, stamp): (u8, String) = take.invoke_async(&mut raw).await?;
        ensure!(taken == 0, "{name} was to be free");
        black_box(stamp);
        let value = Arc::new(Quote::sample(seed));
        let mut commit = self.commit.prepare_invoke();
        commit.key(key.as_str()).key(lease.as_str()).key(queue.as_str());
        commit
            .arg(&token)
            .arg(rmp_serde::to_vec_named(&*value)?)
            .arg(TTL_MS)
            .arg(&name)
            .arg(0)
            .arg("")
            .arg("");
        let written: bool = commit.invoke_async(&mut raw).await?;
        ensure!(written, "{name} was to be written");
        Ok(value)
    }
}

pub(crate) async fn run(redis: &str, rounds: usize) -> Result<Vec<Row>> {
    let sides = Arc::new(Sides::start(redis).await?);
    let mut rows = Vec::new();
    for callers in [1, 16] {
        let [by_hand, ours] =
            interleave(rounds, |side| misses(Arc::clone(&sides), callers, side == 1)).await?;
        let name = format!("cold miss of 100 B, {callers} callers");
        rows.push(Row::times(&name, &ours, "GET, take, commit by hand", &by_hand, Some(BOUND)));
    }
    let stats = sides.cache.stats();
    let expected = (2 * (rounds + 1) * MISSES) as u64;
    ensure!(stats.loads == expected && stats.errors == 0, "{expected} loads were due: {stats:?}");
    Ok(rows)
}

async fn misses(sides: Arc<Sides>, callers: usize, ours: bool) -> Result<Duration> {
    let mut running = JoinSet::new();
    let began = Instant::now();
    for _ in 0..callers {
        let sides = Arc::clone(&sides);
        running.spawn(async move {
            for _ in 0..MISSES / callers {
                let seed = sides.next.fetch_add(1, Ordering::Relaxed);
                let value = if ours { sides.ours(seed).await } else { sides.by_hand(seed).await };
                black_box(value?);
            }
            anyhow::Ok(())
        });
    }
    running.join_all().await.into_iter().collect::<Result<()>>()?;
    Ok(began.elapsed() / u32::try_from(MISSES)?)
}
