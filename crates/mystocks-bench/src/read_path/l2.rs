//! An L2 hit against a raw GET and decode on the same kind of connection, and against the peer crate.

use std::convert::Infallible;
use std::future::Future;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mystocks_cache::{Cache, Policy, RedisStore};
use mystocks_config::RedisSettings;
use mystocks_keys::Keyspace;
use mystocks_redis_core::RedisManager;
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::peer::Peer;
use super::value::{self, Value};
use crate::report::Row;
use crate::rounds::interleave;

const BOUND: f64 = 1.15;
/// How often a side reads every key in one round.
const PASSES: usize = 3;

/// Everything that reads the same values, each in its own format.
#[derive(Clone)]
pub(super) struct Sides {
    pub(super) cache: Cache<String, Value>,
    pub(super) raw: MultiplexedConnection,
    pub(super) keys: Arc<Vec<String>>,
    peer: Arc<Peer>,
}

impl Sides {
    pub(super) async fn warm(redis: &str) -> Result<Self> {
        let settings = RedisSettings::from_url(redis)?;
        let manager = RedisManager::start(&settings).await?;
        // L1 is filled as ever, and what it holds is past its time when the key's turn comes again.
        let policy = Policy { l1_ttl: Duration::from_millis(1), ..Policy::default() };
        let cache = Cache::builder("bench", &Keyspace::default())
            .policy(policy)
            .store(RedisStore::new(manager))
            .build()?;
        let mut raw = raw_connection(redis, &settings).await?;
        let peer = Peer::new(redis).await?;
        let keys = Arc::new(value::keys());
        for (seed, key) in keys.iter().enumerate() {
            let value = value::value(seed);
            let bytes = rmp_serde::to_vec_named(&value)?;
            redis::cmd("SET").arg(raw_key(key)).arg(bytes).exec_async(&mut raw).await?;
            peer.write(key, &value).await?;
            cache.get_or_compute(key, move || async move { Ok::<_, Infallible>(value) }).await?;
        }
        Ok(Self { cache, raw, keys, peer: Arc::new(peer) })
    }

    pub(super) async fn raw_get(mut raw: MultiplexedConnection, key: &str) -> Result<Arc<Value>> {
        let bytes: Vec<u8> = redis::cmd("GET").arg(raw_key(key)).query_async(&mut raw).await?;
        Ok(Arc::new(rmp_serde::from_slice(&bytes)?))
    }

    async fn read(&self, side: usize, key: &str) -> Result<()> {
        match side {
            0 => drop(black_box(Self::raw_get(self.raw.clone(), key).await?)),
            1 => {
                let load = || async { Err::<Value, _>(std::fmt::Error) };
                drop(black_box(self.cache.get_or_compute(&key.to_owned(), load).await?));
            }
            _ => drop(black_box(self.peer.read(key).await?)),
        }
        Ok(())
    }

    fn empty_l1(&mut self, side: usize) {
        if let (2, Ok(fresh)) = (side, self.peer.with_empty_l1()) {
            self.peer = Arc::new(fresh);
        }
    }
}

/// A connection with the options our own have.
async fn raw_connection(redis: &str, settings: &RedisSettings) -> Result<MultiplexedConnection> {
    let info = redis::IntoConnectionInfo::into_connection_info(redis)?;
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    let client = redis::Client::open(info.set_tcp_settings(tcp))?;
    let options = AsyncConnectionConfig::new().set_response_timeout(Some(settings.socket_timeout));
    Ok(client.get_multiplexed_async_connection_with_config(&options).await?)
}

pub(super) fn raw_key(key: &str) -> String {
    format!("mystocks:raw:bench:{key}")
}

pub(crate) async fn run(redis: &str, rounds: usize) -> Result<Vec<Row>> {
    let sides = Sides::warm(redis).await?;
    let before = sides.cache.stats();
    let mut rows = Vec::new();
    for callers in [1, 16, 256] {
        let [raw, ours, peer] = interleave(rounds, |side| {
            let mut sides = sides.clone();
            async move {
                let mut spent = Duration::ZERO;
                for _ in 0..PASSES {
                    sides.empty_l1(side);
                    let began = Instant::now();
                    pass(callers, &sides, move |sides, key| async move { sides.read(side, &key).await })
                        .await;
                    spent += began.elapsed();
                }
                spent / u32::try_from(PASSES * sides.keys.len()).unwrap_or(u32::MAX)
            }
        })
        .await;
        let what = |layer: &str| format!("{layer}, {callers} callers");
        rows.push(Row::times(&what("L2 hit"), &ours, "raw GET and decode", &raw, Some(BOUND)));
        rows.push(Row::times(&what("L2 hit"), &ours, "multi-tier-cache", &peer, None));
    }
    let stats = sides.cache.stats();
    let expected = (3 * (rounds + 1) * PASSES * sides.keys.len()) as u64;
    ensure!(
        stats.l2_hits - before.l2_hits == expected
            && stats.l1_hits == before.l1_hits
            && stats.loads == before.loads,
        "{expected} reads were to be L2 hits: {stats:?}"
    );
    Ok(rows)
}

/// Reads every key once, with so many callers at a time.
async fn pass<Fut>(callers: usize, sides: &Sides, read: impl Fn(Sides, String) -> Fut + Send + Copy + 'static)
where
    Fut: Future<Output = Result<()>> + Send,
{
    let mut running = JoinSet::new();
    for caller in 0..callers {
        let sides = sides.clone();
        running.spawn(async move {
            for key in sides.keys.iter().skip(caller).step_by(callers) {
                read(sides.clone(), key.clone()).await.context("read in the benchmark")?;
            }
            anyhow::Ok(())
        });
    }
    for read in running.join_all().await {
        if let Err(error) = read {
            // A failed read would only make its side look fast.
            std::panic::resume_unwind(Box::new(format!("{error:#}")));
        }
    }
}
