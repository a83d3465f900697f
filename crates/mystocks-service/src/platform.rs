//! What every command stands on: opened from the settings once, closed in order.

use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, bail, ensure};
use mystocks_bus::{Bus, PubSub, Streams};
use mystocks_cache::{CacheHub, CacheService, RedisStore};
use mystocks_config::{Loader, RedisSettings, Settings};
use mystocks_indicators::postgres::{PostgresBars, PostgresPool, PostgresSettings};
use mystocks_indicators::{BarSource, CsvBars};
use mystocks_keys::{Keyspace, Prefixes};
use mystocks_lock::{Locker, RedisLocks};
use mystocks_redis_core::RedisManager;

use crate::cli::BarsFrom;

/// The connections of this process and what stands on them; the latter is made when it is first asked for.
pub(crate) struct Platform {
    pub(crate) settings: Settings,
    pub(crate) keyspace: Keyspace,
    pub(crate) redis: RedisManager,
    /// Which command this is, for those who see its locks and events.
    name: &'static str,
    hub: OnceLock<CacheHub>,
    locker: OnceLock<Locker>,
    bus: OnceLock<Bus>,
    pool: OnceLock<PostgresPool>,
}

impl Platform {
    /// Reads the settings and starts the connections, whether Redis answers or not.
    pub(crate) async fn open(name: &'static str) -> Result<Self> {
        let settings = loader().load()?;
        let keyspace = keyspace(&settings)?;
        let redis = RedisManager::start(&settings.redis).await?;
        let (hub, locker, bus, pool) = Default::default();
        Ok(Self { settings, keyspace, redis, name, hub, locker, bus, pool })
    }

    /// Does `work` with connections to a Redis that answers, and closes them.
    pub(crate) async fn with<T>(name: &'static str, work: impl AsyncFnOnce(&Self) -> Result<T>) -> Result<T> {
        let platform = Self::open(name).await?;
        let ended = match answering(&platform.redis, &platform.settings.redis).await {
            Ok(()) => work(&platform).await,
            Err(error) => Err(error),
        };
        platform.close().await;
        ended
    }

    /// Returns the caches of this process.
    pub(crate) fn hub(&self) -> Result<&CacheHub> {
        if let Some(hub) = self.hub.get() {
            return Ok(hub);
        }
        let hub = CacheHub::redis(&self.store(), &self.keyspace)?;
        Ok(self.hub.get_or_init(|| hub))
    }

    /// Returns what holds the bytes of the cache.
    pub(crate) fn store(&self) -> RedisStore {
        RedisStore::new(self.redis.clone())
    }

    /// Returns the cache that is shared with Python.
    pub(crate) fn shared_cache(&self) -> Result<CacheService> {
        ensure!(self.settings.cache.enabled, "use the shared cache: REDIS_ENABLE_CACHE is off");
        Ok(CacheService::new(self.store(), self.keyspace.clone(), &self.settings.cache))
    }

    /// Returns the locks.
    pub(crate) fn locker(&self) -> Result<&Locker> {
        if let Some(locker) = self.locker.get() {
            return Ok(locker);
        }
        let locks = RedisLocks::new(self.redis.clone(), &self.keyspace)?;
        let locker = Locker::new(locks, &self.settings.lock, &self.keyspace);
        let locker = locker.with_owner(&format!("mystocks {}", self.name));
        Ok(self.locker.get_or_init(|| locker))
    }

    /// Returns the bus.
    pub(crate) fn bus(&self) -> &Bus {
        self.bus.get_or_init(|| {
            let source = format!("mystocks-{}", self.name);
            Bus::new(PubSub::new(self.redis.clone()), &self.settings.bus, &self.keyspace, source)
        })
    }

    /// Returns what keeps durable topics.
    pub(crate) fn log(&self) -> Streams {
        Streams::new(self.redis.clone(), &self.keyspace)
    }

    /// Returns the connections to the database, which are made when they are needed.
    pub(crate) fn database(&self, url: &str) -> Result<&PostgresPool> {
        if let Some(pool) = self.pool.get() {
            return Ok(pool);
        }
        let pool = PostgresPool::new(PostgresSettings::new(url))?;
        Ok(self.pool.get_or_init(|| pool))
    }

    /// Returns the bars that a command names.
    pub(crate) fn bars(&self, from: &BarsFrom) -> Result<Arc<dyn BarSource>> {
        Ok(match from {
            BarsFrom { bars: Some(folder), .. } => Arc::new(CsvBars::open(folder)?),
            BarsFrom { database: Some(url), adjustment, .. } => {
                Arc::new(PostgresBars::new(self.database(url)?).with_adjustment((*adjustment).into()))
            }
            _ => bail!(
                "find bars: name a folder of CSV files with --bars, or a PostgreSQL with --database \
                 or DATABASE_URL"
            ),
        })
    }

    /// Ends every task, those first that others depend on.
    pub(crate) async fn close(self) {
        if let Some(locker) = self.locker.get() {
            locker.shutdown().await;
        }
        if let Some(bus) = self.bus.get() {
            bus.shutdown().await;
        }
        if let Some(hub) = self.hub.get() {
            hub.shutdown().await;
        }
        self.redis.shutdown().await;
        if let Some(pool) = self.pool.get() {
            pool.shutdown();
        }
    }
}

/// Returns what reads the settings: the files of the working folder, and the environment.
pub(crate) fn loader() -> Loader {
    Loader::in_folder(".").environment(std::env::vars_os())
}

/// Returns the names of all keys and channels under the prefixes of `settings`.
pub(crate) fn keyspace(settings: &Settings) -> Result<Keyspace> {
    let prefixes = Prefixes {
        cache: settings.cache.prefix.clone(),
        bus: settings.bus.channel_prefix.clone(),
        lock: settings.lock.prefix.clone(),
        session: settings.session.prefix.clone(),
    };
    Keyspace::new(prefixes).context("read the prefixes")
}

/// Refuses to go on with a Redis that does not answer.
pub(crate) async fn answering(redis: &RedisManager, settings: &RedisSettings) -> Result<()> {
    let health = redis.health_check().await;
    if health.is_up() {
        return Ok(());
    }
    let reason = health.reason.as_deref().unwrap_or("it does not answer");
    bail!("reach Redis at {}: {reason}", settings.display_url())
}
