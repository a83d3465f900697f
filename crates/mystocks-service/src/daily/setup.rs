//! The parts of the daily job, put together from the settings.

use anyhow::{Context, Result};
use mystocks_bus::{Bus, PubSub, Streams};
use mystocks_cache::{CacheHub, Policy, RedisStore};
use mystocks_config::{Loader, Settings};
use mystocks_indicators::postgres::{PostgresBars, PostgresPool, PostgresResults, PostgresSettings};
use mystocks_indicators::{DailyJob, IndicatorService, Reading};
use mystocks_keys::{Keyspace, Prefixes};
use mystocks_lock::{Locker, RedisLocks};
use mystocks_redis_core::RedisManager;

use crate::cli;

/// So many bytes of results a process keeps: it writes them for others and reads none itself.
const L1: u64 = 1 << 20;
/// For what the store is asked to write at once, a quarter of a second may be short.
const WRITE: std::time::Duration = std::time::Duration::from_secs(5);

pub(super) struct Setup {
    pub(super) job: DailyJob,
    service: IndicatorService,
    hub: CacheHub,
    locker: Locker,
    bus: Bus,
    redis: RedisManager,
    pool: PostgresPool,
}

impl Setup {
    pub(super) async fn open(arguments: &cli::Daily) -> Result<Self> {
        let settings = Loader::in_folder(".").environment(std::env::vars_os()).load()?;
        let keyspace = keyspace(&settings)?;
        let pool = PostgresPool::new(PostgresSettings::new(&*arguments.database))?;
        let redis = RedisManager::start(&settings.redis).await?;
        let hub = CacheHub::redis(&RedisStore::new(redis.clone()), &keyspace)?;
        let bars = PostgresBars::new(&pool).with_adjustment(arguments.adjustment.into());
        let policy =
            Policy { ttl: settings.cache.ttl, l1_capacity: L1, l2_timeout: WRITE, ..Policy::default() };
        let service =
            IndicatorService::builder(bars).hub(&hub).policy(policy).reading(Reading::Results).build()?;
        let locks = RedisLocks::new(redis.clone(), &keyspace)?;
        let locker = Locker::new(locks, &settings.lock, &keyspace).with_owner("mystocks daily");
        let bus = Bus::new(PubSub::new(redis.clone()), &settings.bus, &keyspace, "mystocks-daily");
        let log = Streams::new(redis.clone(), &keyspace);
        let job = DailyJob::new(&service, PostgresResults::new(&pool), &locker, log)
            .bus(&bus)
            .chunk(arguments.chunk())
            .plan(arguments.plan()?);
        Ok(Self { job, service, hub, locker, bus, redis, pool })
    }

    /// Ends every task, those first that others depend on.
    pub(super) async fn close(self) {
        self.service.shutdown().await;
        self.locker.shutdown().await;
        self.bus.shutdown().await;
        self.hub.shutdown().await;
        self.redis.shutdown().await;
        self.pool.shutdown();
    }
}

fn keyspace(settings: &Settings) -> Result<Keyspace> {
    let prefixes = Prefixes {
        cache: settings.cache.prefix.clone(),
        bus: settings.bus.channel_prefix.clone(),
        lock: settings.lock.prefix.clone(),
        session: settings.session.prefix.clone(),
    };
    Keyspace::new(prefixes).context("read the prefixes")
}
