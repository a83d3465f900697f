//! Everything that reads the same values from L2, each in its own format.

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
pub(crate) use mystocks_cache::Coherence;
use mystocks_cache::{Cache, CacheHub, Policy, RedisStore};
use mystocks_config::RedisSettings;
use mystocks_keys::Keyspace;
use mystocks_redis_core::RedisManager;
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use tokio::task::JoinSet;

use super::hitbox::Hitbox;
use super::peer::Peer;
use super::value::Sample;

/// Shorter than any key waits for its next turn.
pub(crate) const L1_TTL: Duration = Duration::from_millis(1);

/// The same values for every reader.
#[derive(Clone)]
pub(crate) struct Sides<V> {
    pub(crate) raw: MultiplexedConnection,
    pub(crate) without_l1: Cache<String, V>,
    pub(crate) with_l1: Cache<String, V>,
    pub(crate) keys: Arc<Vec<String>>,
    pub(super) moka: moka::sync::Cache<String, Arc<V>>,
    peer: Arc<Peer>,
    hitbox: Arc<Hitbox>,
}

/// Who reads.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Side {
    Raw,
    WithoutL1,
    RawWithMoka,
    WithL1,
    Peer,
    Hitbox,
}

impl<V: Sample> Sides<V> {
    /// Fills L2 under `keys` in everybody's format.
    pub(crate) async fn warm(redis: &str, keys: Vec<String>, coherence: Coherence) -> Result<Self> {
        let settings = RedisSettings::from_url(redis)?;
        let store = RedisStore::new(RedisManager::start(&settings).await?);
        let keyspace = Keyspace::default();
        let cache = |policy| match coherence {
            Coherence::Off => Cache::builder("bench", &keyspace).policy(policy).store(store.clone()).build(),
            Coherence::Backplane => CacheHub::redis(&store, &keyspace)?.cache("bench").policy(policy).build(),
        };
        let without_l1: Cache<String, V> = cache(Policy { l1_capacity: 0, ..patient() })?;
        // L1 is filled as ever, and what it holds is past its time when the key's turn comes again.
        let with_l1 = cache(Policy { l1_ttl: L1_TTL, ..patient() })?;
        let moka = moka::sync::Cache::builder()
            .max_capacity(1 << 26)
            .time_to_live(L1_TTL)
            .weigher(|_, _| 7000)
            .build();
        let mut raw = raw_connection(redis, &settings).await?;
        let peer = Peer::new(redis).await?;
        let hitbox = Hitbox::new(redis)?;
        for (seed, key) in keys.iter().enumerate() {
            let value = V::sample(seed);
            let bytes = rmp_serde::to_vec_named(&value)?;
            redis::cmd("SET").arg(raw_key(key)).arg(bytes).exec_async(&mut raw).await?;
            peer.write(key, &value).await?;
            hitbox.write(key, &value).await?;
            without_l1.invalidate(key).await?;
            without_l1.get_or_compute(key, move |_| async move { Ok::<_, Infallible>(value) }).await?;
        }
        let (keys, peer, hitbox) = (Arc::new(keys), Arc::new(peer), Arc::new(hitbox));
        Ok(Self { raw, without_l1, with_l1, keys, moka, peer, hitbox })
    }

    pub(super) async fn raw_get(mut raw: MultiplexedConnection, key: &str) -> Result<Arc<V>> {
        let bytes: Vec<u8> = redis::cmd("GET").arg(raw_key(key)).query_async(&mut raw).await?;
        Ok(Arc::new(rmp_serde::from_slice(&bytes)?))
    }

    async fn read(&self, side: Side, key: &String) -> Result<()> {
        let load = |_| async { Err::<V, _>(std::fmt::Error) };
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
            Side::Peer => drop(black_box(self.peer.read::<V>(key).await?)),
            Side::Hitbox => drop(black_box(self.hitbox.read::<V>(key).await?)),
        }
        Ok(())
    }

    pub(crate) fn empty_l1(&mut self, side: Side) {
        if let (Side::Peer, Ok(fresh)) = (side, self.peer.with_empty_l1()) {
            self.peer = Arc::new(fresh);
        }
    }

    /// Reads every key `times` times, with so many callers at a time that have their own keys each.
    pub(crate) async fn pass(&self, callers: usize, times: usize, side: Side) -> Result<()> {
        let mut running = JoinSet::new();
        for caller in 0..callers {
            let sides = self.clone();
            running.spawn(async move {
                for _ in 0..times {
                    for key in sides.keys.iter().skip(caller).step_by(callers) {
                        sides.read(side, key).await.with_context(|| format!("{side:?} reads {key}"))?;
                    }
                }
                anyhow::Ok(())
            });
        }
        running.join_all().await.into_iter().collect()
    }
}

/// The default but for the time L2 is given: on a busy machine what is late is still to be measured.
pub(crate) fn patient() -> Policy {
    Policy { l2_timeout: Duration::from_secs(5), ..Policy::default() }
}

/// A connection with the options our own have.
pub(crate) async fn raw_connection(redis: &str, settings: &RedisSettings) -> Result<MultiplexedConnection> {
    let info = redis::IntoConnectionInfo::into_connection_info(redis)?;
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    let client = redis::Client::open(info.set_tcp_settings(tcp))?;
    let options = AsyncConnectionConfig::new().set_response_timeout(Some(settings.socket_timeout));
    Ok(client.get_multiplexed_async_connection_with_config(&options).await?)
}

pub(super) fn raw_key(key: &str) -> String {
    format!("mystocks:raw:bench:{key}")
}
