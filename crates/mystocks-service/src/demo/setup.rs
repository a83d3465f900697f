//! The parts of the demo, put together as a service would.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use mystocks_cache::{CacheService, MemoryStore, RedisStore};
use mystocks_config::{CacheSettings, RedisSettings};
use mystocks_indicators::{CsvBars, IndicatorService, Reading};
use mystocks_keys::{Keyspace, Prefixes};
use mystocks_redis_core::RedisManager;

use crate::platform;

pub(crate) struct Setup {
    pub(crate) bars: CsvBars,
    pub(crate) indicators: IndicatorService,
    pub(crate) l2: L2,
    shared: CacheService,
}

pub(crate) enum L2 {
    Memory,
    Redis(RedisManager),
}

impl L2 {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis(_) => "redis",
        }
    }
}

impl Setup {
    /// Opens the folder and the store; entries stand under `prefix`, apart from everybody else's.
    pub(crate) async fn open(bars: &Path, redis: Option<&str>, prefix: &str) -> Result<Self> {
        let bars = CsvBars::open(bars)?;
        let prefixes = Prefixes { cache: prefix.to_owned(), bus: prefix.to_owned(), ..Prefixes::default() };
        let keyspace = Keyspace::new(prefixes)?;
        let settings = CacheSettings { prefix: prefix.to_owned(), ..CacheSettings::default() };
        let builder = IndicatorService::builder(bars.clone()).keyspace(&keyspace).reading(Reading::Results);
        let (builder, shared, l2) = match redis {
            None => {
                let store = Arc::new(MemoryStore::new());
                let shared = CacheService::new(Arc::clone(&store), keyspace, &settings);
                (builder.store(store), shared, L2::Memory)
            }
            Some(url) => {
                let manager = connect(url).await?;
                let store = RedisStore::new(manager.clone());
                let shared = CacheService::new(store.clone(), keyspace, &settings);
                (builder.store(store.bulk()), shared, L2::Redis(manager))
            }
        };
        Ok(Self { bars, indicators: builder.build()?, l2, shared })
    }

    /// Removes what the demo stored and ends every task; what is left behind if that fails expires within the hour.
    pub(crate) async fn close(self) -> Result<()> {
        let removed = self.shared.delete_pattern("*").await;
        self.leave().await;
        removed.map(drop).context("remove what the demo stored, which now expires within the hour")
    }

    /// Ends every task and leaves the entries to others.
    pub(crate) async fn leave(self) {
        self.indicators.shutdown().await;
        if let L2::Redis(manager) = &self.l2 {
            manager.shutdown().await;
        }
    }
}

async fn connect(url: &str) -> Result<RedisManager> {
    let settings = RedisSettings::from_url(url).context("use --redis")?;
    let manager = RedisManager::start(&settings).await?;
    if let Err(error) = platform::answering(&manager, &settings).await {
        manager.shutdown().await;
        return Err(error);
    }
    Ok(manager)
}
