//! The parts of the HTTP interface, put together from the settings.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use mystocks_bus::{Bus, PubSub};
use mystocks_cache::{CacheHub, Coherence, MemoryStore, Policy, RedisStore};
use mystocks_config::{Loader, Settings};
use mystocks_indicators::IndicatorService;
use mystocks_keys::{Keyspace, Prefixes};
use mystocks_redis_core::RedisManager;
use tokio::sync::Semaphore;

use super::app::App;
use super::arguments::Arguments;
use super::bars::Source;
use super::body::Bounds;
use super::figures::Caches;
use super::health::Probe;
use super::rate::Rate;
use super::tokens::Tokens;

/// The bounds of the histograms, in seconds: from an answer out of memory to one that is given up.
const SECONDS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// What is kept of rendered answers in this process, in bytes.
const RESPONSES: u64 = 16 << 20;

/// Everything that is served, and what has to be ended after it.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) app: Arc<App>,
    bus: Option<Bus>,
}

impl Setup {
    pub(super) async fn open(arguments: &Arguments) -> Result<Self> {
        let tokens = Tokens::load(arguments.tokens_file.as_deref(), arguments.tokens.as_deref())?;
        check(arguments.listen, &tokens)?;
        let settings = Loader::in_folder(".").environment(std::env::vars_os()).load()?;
        let keyspace = keyspace(&settings)?;
        let source = Source::open(arguments, &keyspace)?;
        let metrics = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .install_recorder()
            .context("install the recorder of metrics")?;
        let wants_redis = settings.cache.enabled || settings.bus.enabled;
        let redis = if wants_redis { Some(RedisManager::start(&settings.redis).await?) } else { None };
        let (hub, changes) = match &redis {
            Some(redis) if settings.cache.enabled => {
                let store = RedisStore::new(redis.clone());
                let (leases, backplane) = store.process(&keyspace)?;
                let hub = CacheHub::redis(&store, &keyspace)?;
                (hub, CacheHub::new(&keyspace, store, leases, backplane, Coherence::Off))
            }
            _ => {
                let store = MemoryStore::new();
                let (leases, backplane) = store.process();
                let hub = CacheHub::memory(&store, &keyspace);
                (hub, CacheHub::new(&keyspace, store, leases, backplane, Coherence::Off))
            }
        };
        let bus = redis
            .as_ref()
            .filter(|_| settings.bus.enabled)
            .map(|redis| Bus::new(PubSub::new(redis.clone()), &settings.bus, &keyspace, "mystocks-serve"));
        let policy = Policy { ttl: settings.cache.ttl, ..Policy::default() };
        let capacity = policy.l1_capacity;
        let mut service = IndicatorService::builder(Arc::clone(&source.bars)).hub(&hub).policy(policy);
        service = service.trust_versions(arguments.trust());
        if let Some(bus) = &bus {
            service = service.bus(bus);
        }
        let indicators = service.build()?;
        let figures = Caches::new(changes, settings.cache.ttl, capacity)?;
        let policy = Policy { l1_capacity: RESPONSES, ..Policy::default() };
        let responses = hub.cache("responses").policy(policy).build()?;
        let app = App {
            rate: Rate::new(arguments.rate, arguments.burst, redis.clone(), &keyspace),
            places: Semaphore::new(arguments.concurrency.into()),
            bounds: Bounds { bytes: arguments.body, patience: arguments.patience() },
            timeout: arguments.timeout(),
            probe: Probe::default(),
            source,
            indicators,
            responses,
            hub,
            redis,
            figures,
            tokens,
            metrics,
        };
        Ok(Self { app: Arc::new(app), bus })
    }

    /// Ends every task, those first that others depend on.
    pub(super) async fn close(self) {
        let app = &self.app;
        app.responses.shutdown().await;
        app.figures.shutdown().await;
        app.indicators.shutdown().await;
        app.source.shutdown().await;
        if let Some(bus) = &self.bus {
            bus.shutdown().await;
        }
        app.hub.shutdown().await;
        if let Some(redis) = &app.redis {
            redis.shutdown().await;
        }
    }
}

/// Refuses to answer other machines while nobody is asked for a token.
fn check(listen: SocketAddr, tokens: &Tokens) -> Result<()> {
    ensure!(
        listen.ip().is_loopback() || !tokens.is_empty(),
        "listen on {listen}: other machines reach it, and no credentials are configured; name a file of tokens with \
         --tokens-file or put its lines into MYSTOCKS_TOKENS (docs/security.md), or listen on 127.0.0.1"
    );
    Ok(())
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
