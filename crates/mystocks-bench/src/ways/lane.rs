//! One way of reading in one state, with servers' keys of its own.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mystocks_cache::{CacheHub, Policy, RedisStore};
use mystocks_config::RedisSettings;
use mystocks_indicators::postgres::{PostgresBars, PostgresPool, PostgresSettings};
use mystocks_indicators::{DateRange, IndicatorRequest, IndicatorService, Reading, Symbol, Way};
use mystocks_keys::{Keyspace, Prefixes};
use mystocks_redis_core::RedisManager;
use mystocks_ta::Given;
use redis::aio::MultiplexedConnection;
use tokio::time::Instant;

use super::Wanted;
use super::state::{Far, Near, State};
use crate::read_path::sides::{L1_TTL, patient, raw_connection};

/// So many indicators there are to be wanted, one a pass.
pub(super) const MOST_PASSES: usize = 190;
/// Longer than anything is measured: the version costs nothing.
const TRUST: Duration = Duration::from_secs(1_800);

/// Where the servers are, and what is read from them.
pub(super) struct Servers {
    pub(super) database: String,
    pub(super) redis: String,
    pub(super) symbols: Vec<String>,
}

impl Servers {
    pub(super) async fn flush(&self) -> Result<()> {
        let mut raw = raw_connection(&self.redis, &RedisSettings::from_url(&self.redis)?).await?;
        Ok(redis::cmd("FLUSHALL").exec_async(&mut raw).await?)
    }
}

/// One way, or the chosen one, in one state.
pub(super) struct Lane {
    wanted: Wanted,
    l1: Near,
    l2: Far,
    way: Option<Way>,
    service: IndicatorService,
    /// Others, that write results and bars to the store.
    results: IndicatorService,
    bars: IndicatorService,
    hubs: Vec<CacheHub>,
    redis: RedisManager,
    pool: PostgresPool,
    raw: MultiplexedConnection,
    prefix: String,
    symbols: Vec<Symbol>,
    passes: usize,
}

impl Lane {
    /// Makes the services of the lane, and the state as far as it is the same for every pass.
    pub(super) async fn open(
        servers: &Servers,
        wanted: Wanted,
        state: &State,
        way: Option<Way>,
        number: usize,
    ) -> Result<Self> {
        let prefix = format!("lane{number}:");
        let keyspace = Keyspace::new(Prefixes { cache: prefix.clone(), ..Prefixes::default() })?;
        let settings = RedisSettings::from_url(&servers.redis)?;
        let redis = RedisManager::start(&settings).await?;
        let pool = PostgresPool::new(PostgresSettings::new(&*servers.database))?;
        let store = RedisStore::new(redis.clone());
        // One for each service: their caches have the same names.
        let hubs = (0..3).map(|_| CacheHub::redis(&store, &keyspace)).collect::<Result<Vec<_>, _>>()?;
        let service = |hub: &CacheHub, reading, policy: Policy| {
            let builder = IndicatorService::builder(PostgresBars::new(&pool)).hub(hub).policy(policy);
            builder.reading(reading).trust_versions(TRUST).build()
        };
        let held = Policy { l1_ttl: TRUST, ttl: TRUST, early_refresh: 0.0, ..patient() };
        // What L1 is given is gone before the turn of the stock comes again.
        let passing = Policy { l1_ttl: L1_TTL, ..held.clone() };
        let policy = if state.l1 == Near::Nothing { passing } else { held.clone() };
        let lane = Self {
            wanted,
            l1: state.l1,
            l2: state.l2,
            way,
            service: service(&hubs[0], way.map_or(Reading::Cheapest, Reading::Only), policy)?,
            results: service(&hubs[1], Reading::Results, held.clone())?,
            bars: service(&hubs[2], Reading::Only(Way::Source), held)?,
            raw: raw_connection(&servers.redis, &settings).await?,
            symbols: servers.symbols.iter().map(|name| Symbol::new(name)).collect::<Result<_, _>>()?,
            hubs,
            redis,
            pool,
            prefix,
            passes: 0,
        };
        lane.prepare().await?;
        Ok(lane)
    }

    async fn prepare(&self) -> Result<()> {
        // Versions are known from here on, and bars where L1 keeps them.
        for symbol in &self.symbols {
            self.service.get(symbol, "EMA", &[("timeperiod", Given::Int(3))], DateRange::ALL).await?;
        }
        self.clear().await?;
        if self.l2.has_bars() {
            // A period that no pass asks for.
            self.seed(&self.bars, |symbol| {
                IndicatorRequest::new(symbol, "EMA").with("timeperiod", Given::Int(199))
            })
            .await?;
            self.wait_for("*:bars").await?;
        }
        Ok(())
    }

    async fn seed(&self, by: &IndicatorService, request: impl Fn(Symbol) -> IndicatorRequest) -> Result<()> {
        let requests: Vec<IndicatorRequest> = self.symbols.iter().cloned().map(request).collect();
        for answer in by.get_many(&requests).await {
            answer.context("fill the store")?;
        }
        Ok(())
    }

    /// Makes so many passes and returns the median of what a read took.
    pub(super) async fn round(&mut self, passes: usize) -> Result<Duration> {
        let mut taken = Vec::new();
        for _ in 0..passes {
            self.pass(&mut taken).await?;
        }
        taken.sort_unstable();
        taken.get(taken.len() / 2).copied().context("a round without reads")
    }

    async fn pass(&mut self, taken: &mut Vec<Duration>) -> Result<()> {
        let (indicator, name, value) = self.next();
        if self.l2 == Far::Nothing {
            self.clear().await?;
        }
        if self.l2.has_results() {
            self.seed(&self.results, |symbol| IndicatorRequest::new(symbol, indicator).with(name, value))
                .await?;
            let value = match value {
                Given::Int(value) => value.to_string(),
                Given::Float(value) => value.to_string(),
                Given::Other(what) => what.to_owned(),
            };
            self.wait_for(&format!("*{name}={value}[,)]*")).await?;
        }
        if self.l1 == Near::Result {
            self.read(indicator, name, value, &mut Vec::new()).await?;
        }
        let ways = self.read(indicator, name, value, taken).await?;
        let other = ways.iter().find(|way| self.way.is_some_and(|only| **way != only));
        ensure!(other.is_none(), "read by {:?} instead of {:?} only", other, self.way);
        Ok(())
    }

    /// Reads the indicator of each stock, which makes it one that is in the caches.
    async fn read(
        &self,
        indicator: &str,
        name: &str,
        value: Given,
        taken: &mut Vec<Duration>,
    ) -> Result<Vec<Way>> {
        let mut ways = Vec::new();
        for symbol in &self.symbols {
            let parameters = [(name, value)];
            let began = Instant::now();
            let answer = self.service.get(symbol, indicator, &parameters, DateRange::ALL).await;
            taken.push(began.elapsed());
            ways.push(answer?.detail().way);
        }
        Ok(ways)
    }

    fn next(&mut self) -> (&'static str, &'static str, Given) {
        let pass = self.passes;
        self.passes += 1;
        match self.wanted {
            Wanted::Cheap => ("SMA", "timeperiod", Given::Int(i64::try_from(2 + pass).unwrap_or(2))),
            Wanted::Dear => ("MAMA", "fastlimit", Given::Float(0.1 + pass as f64 / 256.0)),
        }
    }

    /// Takes from the store whatever it has of this lane, also what is still being written.
    async fn clear(&self) -> Result<()> {
        let mut raw = self.raw.clone();
        let mut found = usize::MAX;
        while found > 0 {
            let keys = self.keys("*").await?;
            found = keys.len();
            if found > 0 {
                redis::cmd("UNLINK").arg(keys).exec_async(&mut raw).await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }

    async fn wait_for(&self, pattern: &str) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let found = self.keys(pattern).await?.len();
            if found == self.symbols.len() {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{found} of {} keys like {pattern}", self.symbols.len());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn keys(&self, pattern: &str) -> Result<Vec<String>> {
        let mut raw = self.raw.clone();
        let pattern = format!("{}{pattern}", self.prefix);
        Ok(redis::cmd("KEYS").arg(pattern).query_async(&mut raw).await?)
    }

    pub(super) async fn close(self) {
        for service in [self.service, self.results, self.bars] {
            service.shutdown().await;
        }
        for hub in self.hubs {
            hub.shutdown().await;
        }
        self.redis.shutdown().await;
        self.pool.shutdown();
    }
}
