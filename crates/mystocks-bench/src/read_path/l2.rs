//! An L2 hit against raw code on the same kind of connection, and against the peer crate.
//!
//! Without an L1 the raw code is GET and decode. With one, whoever writes it by hand also looks into a moka first and
//! puts the value there afterwards, and so does the raw code here.

use std::convert::Infallible;
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
/// Shorter than any key waits for its next turn.
pub(super) const L1_TTL: Duration = Duration::from_millis(1);

/// Everything that reads the same values, each in its own format.
#[derive(Clone)]
pub(super) struct Sides {
    pub(super) raw: MultiplexedConnection,
    pub(super) without_l1: Cache<String, Value>,
    pub(super) with_l1: Cache<String, Value>,
    pub(super) keys: Arc<Vec<String>>,
    pub(super) moka: moka::sync::Cache<String, Arc<Value>>,
    peer: Arc<Peer>,
}

/// Who reads.
#[derive(Debug, Clone, Copy)]
enum Side {
    Raw,
    WithoutL1,
    RawWithMoka,
    WithL1,
    Peer,
}

const SIDES: [Side; 5] = [Side::Raw, Side::WithoutL1, Side::RawWithMoka, Side::WithL1, Side::Peer];

impl Sides {
    pub(super) async fn warm(redis: &str) -> Result<Self> {
        let settings = RedisSettings::from_url(redis)?;
        let store = RedisStore::new(RedisManager::start(&settings).await?);
        let cache = |policy| {
            Cache::builder("bench", &Keyspace::default()).policy(policy).store(store.clone()).build()
        };
        let without_l1: Cache<String, Value> = cache(Policy { l1_capacity: 0, ..Policy::default() })?;
        // L1 is filled as ever, and what it holds is past its time when the key's turn comes again.
        let with_l1 = cache(Policy { l1_ttl: L1_TTL, ..Policy::default() })?;
        let moka = moka::sync::Cache::builder()
            .max_capacity(1 << 26)
            .time_to_live(L1_TTL)
            .weigher(|_, _| 7000)
            .build();
        let mut raw = raw_connection(redis, &settings).await?;
        let peer = Peer::new(redis).await?;
        let keys = Arc::new(value::keys());
        for (seed, key) in keys.iter().enumerate() {
            let value = value::value(seed);
            let bytes = rmp_serde::to_vec_named(&value)?;
            redis::cmd("SET").arg(raw_key(key)).arg(bytes).exec_async(&mut raw).await?;
            peer.write(key, &value).await?;
            without_l1.invalidate(key).await?;
            without_l1.get_or_compute(key, move |_| async move { Ok::<_, Infallible>(value) }).await?;
        }
        Ok(Self { raw, without_l1, with_l1, keys, moka, peer: Arc::new(peer) })
    }

    pub(super) async fn raw_get(mut raw: MultiplexedConnection, key: &str) -> Result<Arc<Value>> {
        let bytes: Vec<u8> = redis::cmd("GET").arg(raw_key(key)).query_async(&mut raw).await?;
        Ok(Arc::new(rmp_serde::from_slice(&bytes)?))
    }

    async fn read(&self, side: Side, key: &String) -> Result<()> {
        let load = |_| async { Err::<Value, _>(std::fmt::Error) };
        match side {
            Side::Raw => drop(black_box(Self::raw_get(self.raw.clone(), key).await?)),
            Side::WithoutL1 => drop(black_box(self.without_l1.get_or_compute(key, load).await?)),
            Side::RawWithMoka => {
                ensure!(self.moka.get(key).is_none(), "{key} was to be past its time");
                let value = Self::raw_get(self.raw.clone(), key).await?;
                self.moka.insert(key.clone(), Arc::clone(&value));
                drop(black_box(value));
            }
            Side::WithL1 => drop(black_box(self.with_l1.get_or_compute(key, load).await?)),
            Side::Peer => drop(black_box(self.peer.read(key).await?)),
        }
        Ok(())
    }

    fn empty_l1(&mut self, side: Side) {
        if let (Side::Peer, Ok(fresh)) = (side, self.peer.with_empty_l1()) {
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
    let before = sides.without_l1.stats();
    let mut rows = Vec::new();
    for callers in [1, 16, 256] {
        let times = interleave(rounds, |side| {
            let mut sides = sides.clone();
            async move {
                let side = SIDES[side];
                let mut spent = Duration::ZERO;
                for _ in 0..PASSES {
                    sides.empty_l1(side);
                    tokio::time::sleep(2 * L1_TTL).await;
                    let began = Instant::now();
                    pass(callers, &sides, side).await;
                    spent += began.elapsed();
                }
                spent / u32::try_from(PASSES * sides.keys.len()).unwrap_or(u32::MAX)
            }
        });
        let [raw, without_l1, raw_with_moka, with_l1, peer] = times.await;
        let what = |l1: &str| format!("L2 hit, L1 {l1}, {callers} callers");
        rows.push(Row::times(&what("off"), &without_l1, "raw GET, decode", &raw, Some(BOUND)));
        rows.push(Row::times(
            &what("filled"),
            &with_l1,
            "raw moka, GET, decode, moka",
            &raw_with_moka,
            Some(BOUND),
        ));
        rows.push(Row::times(&what("filled"), &with_l1, "raw GET, decode", &raw, None));
        rows.push(Row::times(&what("filled"), &with_l1, "multi-tier-cache", &peer, None));
    }
    let expected = (3 * (rounds + 1) * PASSES * sides.keys.len()) as u64;
    for (cache, hits) in [(&sides.without_l1, before.l2_hits), (&sides.with_l1, 0)] {
        let stats = cache.stats();
        ensure!(
            stats.l2_hits - hits == expected && stats.l1_hits == 0,
            "{expected} L2 hits were due: {stats:?}"
        );
    }
    Ok(rows)
}

/// Reads every key once, with so many callers at a time.
async fn pass(callers: usize, sides: &Sides, side: Side) {
    let mut running = JoinSet::new();
    for caller in 0..callers {
        let sides = sides.clone();
        running.spawn(async move {
            for key in sides.keys.iter().skip(caller).step_by(callers) {
                sides.read(side, key).await.with_context(|| format!("{side:?} reads {key}"))?;
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
