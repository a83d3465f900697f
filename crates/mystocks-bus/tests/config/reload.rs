//! What watchers of settings are told, and when.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mystocks_bus::{
    Bus, ConfigReloads, ConfigWatch, Ear, Error, Interest, Keyspace, Listening, Outgoing, PubSub, Signal,
    Transport,
};
use mystocks_config::{BusSettings, Loader, RedisSettings, Settings};
use mystocks_redis_core::RedisManager;
use mystocks_testkit::{RedisServer, eventually};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::log::Log;

const FIRST: &str = "REDIS_CACHE_TTL=10m\nREDIS_PASSWORD=open-sesame\n";
const LONG: Duration = Duration::from_secs(20);

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.write(FIRST);
        files
    }

    fn write(&self, text: &str) {
        std::fs::write(self.0.path().join(".env"), text).unwrap();
    }

    fn loader(&self) -> Loader {
        Loader::in_folder(self.0.path())
    }

    async fn watch(&self, bus: &Bus) -> ConfigWatch {
        let loader = self.loader();
        let initial = loader.load().unwrap();
        ConfigWatch::start(bus, loader, initial).await.unwrap()
    }
}

async fn has(watch: &ConfigWatch, changed: u64, unchanged: u64, failed: u64) {
    eventually("the settings are read anew", LONG, async || {
        let ConfigReloads { changed: c, unchanged: u, failed: f, .. } = watch.reloads();
        (c, u, f) == (changed, unchanged, failed)
    })
    .await;
}

async fn tells_what_differs(bus: Bus, python: Bus) {
    let files = Files::new();
    let watch = files.watch(&bus).await;
    let (mut cache, mut redis, mut lock) = (watch.cache(), watch.redis(), watch.lock());
    let (session, channels) = (watch.session(), watch.bus());
    assert_eq!(cache.borrow_and_update().ttl, Duration::from_secs(600));
    has(&watch, 0, 1, 0).await;

    files.write(&FIRST.replace("10m", "15m"));
    assert_eq!(python.publish_config_reloaded("indicators").await.unwrap(), 1);
    has(&watch, 1, 1, 0).await;
    assert!(cache.has_changed().unwrap());
    assert_eq!(cache.borrow_and_update().ttl, Duration::from_secs(900));
    assert!(!redis.has_changed().unwrap() && !lock.has_changed().unwrap());
    assert!(!session.has_changed().unwrap() && !channels.has_changed().unwrap());

    python.publish_config_reloaded("indicators").await.unwrap();
    has(&watch, 1, 2, 0).await;
    assert!(!cache.has_changed().unwrap(), "nothing differs");

    files.write("REDIS_CACHE_TTL=15m\nREDIS_PASSWORD=other\nREDIS_LOCK_DEFAULT_TIMEOUT=7s\n");
    python.publish_config_reloaded("all").await.unwrap();
    has(&watch, 2, 2, 0).await;
    assert!(redis.has_changed().unwrap() && lock.has_changed().unwrap());
    assert_eq!(redis.borrow_and_update().password.as_ref().unwrap().expose(), "other");
    assert_eq!(lock.borrow_and_update().default_timeout, Duration::from_secs(7));
    assert!(!cache.has_changed().unwrap() && !session.has_changed().unwrap());
    assert_eq!(watch.settings(), files.loader().load().unwrap());
    files.write("REDIS_SESSION_TTL=9s\nREDIS_PUBSUB_CHANNEL_PREFIX=other:\n");
    python.publish_config_reloaded("all").await.unwrap();
    has(&watch, 3, 2, 0).await;
    assert_eq!(session.borrow().ttl, Duration::from_secs(9));
    assert_eq!(channels.borrow().channel_prefix, "other:");
    bus.shutdown().await;
}

#[tokio::test]
async fn each_section_that_differs_is_told_in_memory() {
    let bus = Bus::memory();
    tells_what_differs(bus.clone(), bus).await;
}

#[tokio::test]
async fn each_section_that_differs_is_told_on_a_real_server() {
    let server = RedisServer::start().await;
    let settings = RedisSettings::from_url(&server.url()).unwrap();
    let bus = async || {
        let manager = RedisManager::start(&settings).await.unwrap();
        Bus::new(PubSub::new(manager), &BusSettings::default(), &Keyspace::default(), "tests")
    };
    tells_what_differs(bus().await, bus().await).await;
}

#[tokio::test]
async fn settings_that_cannot_be_read_stay_and_no_value_is_logged() {
    let log = Log::default();
    let _logging = tracing::subscriber::set_default(log.clone());
    let (bus, files) = (Bus::memory(), Files::new());
    let watch = files.watch(&bus).await;
    let (before, cache) = (watch.settings(), watch.cache());
    let broken = [
        "REDIS_PASSWORD=open-sesame\nREDIS_CACHE_TTL=open-sesame\n",
        "REDIS_PASSWORD='open-sesame\n",
        "open-sesame\n",
    ];
    for (times, text) in (1..).zip(broken) {
        files.write(text);
        bus.publish_config_reloaded("all").await.unwrap();
        has(&watch, 0, 1, times).await;
        assert_eq!(watch.settings(), before, "{text}");
    }
    let text = b"[redis\npassword = \"open-sesame\"";
    std::fs::write(files.0.path().join("mystocks.toml"), text).unwrap();
    bus.publish_config_reloaded("all").await.unwrap();
    has(&watch, 0, 1, 4).await;
    assert!(!cache.has_changed().unwrap());
    let lines = log.lines();
    let warned = |line: &&String| line.starts_with("WARN") && line.contains("stay what they were");
    assert_eq!(lines.iter().filter(warned).count(), 4, "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("REDIS_CACHE_TTL in line 2")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("sesame")), "{lines:?}");
    assert!(!format!("{watch:?}").contains("sesame"));

    std::fs::remove_file(files.0.path().join("mystocks.toml")).unwrap();
    files.write("REDIS_CACHE_TTL=1h\n");
    bus.publish_config_reloaded("all").await.unwrap();
    has(&watch, 1, 1, 4).await;
    assert_eq!(cache.borrow().ttl, Duration::from_secs(3600));
}

#[tokio::test]
async fn what_changed_before_the_watching_began_is_told() {
    let (bus, files) = (Bus::memory(), Files::new());
    let watch = ConfigWatch::start(&bus, files.loader(), Settings::default()).await.unwrap();
    assert_eq!(watch.cache().borrow().ttl, Duration::from_secs(600));
    assert_eq!(watch.settings(), files.loader().load().unwrap());
}

#[tokio::test]
async fn a_watch_that_is_dropped_reads_no_more() {
    let (bus, files) = (Bus::memory(), Files::new());
    let watch = files.watch(&bus).await;
    let cache = watch.cache();
    drop(watch);
    let nobody_listens = async || bus.publish_config_reloaded("all").await.unwrap() == 0;
    eventually("nobody listens", LONG, nobody_listens).await;
    assert_eq!(cache.borrow().ttl, Duration::from_secs(600));
}

/// A transport that does what a test tells it.
#[derive(Clone, Default)]
struct Puppet(Arc<Mutex<Vec<Arc<dyn Ear>>>>);

impl std::fmt::Debug for Puppet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Puppet")
    }
}

#[async_trait]
impl Transport for Puppet {
    async fn publish(&self, messages: &[Outgoing<'_>]) -> Result<Vec<u64>, Error> {
        Ok(vec![0; messages.len()])
    }

    fn listen(&self, _: &Interest, ear: Arc<dyn Ear>) -> Result<Listening, Error> {
        ear.hear(Signal::Up);
        self.0.lock().unwrap().push(ear);
        Ok(Listening::new(()))
    }
}

#[tokio::test]
async fn after_a_gap_they_are_read_anew() {
    let puppet = Puppet::default();
    let bus = Bus::new(puppet.clone(), &BusSettings::default(), &Keyspace::default(), "tests");
    let files = Files::new();
    let watch = files.watch(&bus).await;
    files.write(&FIRST.replace("10m", "15m"));
    for ear in puppet.0.lock().unwrap().iter() {
        ear.hear(Signal::Down { since: Instant::now() });
        ear.hear(Signal::Up);
    }
    has(&watch, 1, 1, 0).await;
    assert_eq!(watch.cache().borrow().ttl, Duration::from_secs(900));
}
