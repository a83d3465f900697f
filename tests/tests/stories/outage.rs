//! Redis dies or hangs while many read through the cache.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mystocks_cache::{Cache, Policy, RedisStore};
use mystocks_config::RedisSettings;
use mystocks_keys::Keyspace;
use mystocks_redis_core::RedisManager;
use mystocks_testkit::{RedisServer, eventually};
use tokio::task::JoinSet;

use crate::raw::Raw;
use crate::worker::{Quote, QuoteKey};

const READERS: usize = 50;
const KEYS: usize = 120;
/// Against hanging, for one read.
const HANG: Duration = Duration::from_secs(30);

/// Readers that never stop asking, and what they did.
struct Crowd {
    cache: Cache<QuoteKey, Quote>,
    manager: RedisManager,
    readers: JoinSet<()>,
    done: Arc<[AtomicUsize]>,
    over: Arc<AtomicBool>,
}

impl Crowd {
    async fn start(server: &RedisServer, socket_timeout: Duration) -> Self {
        let mut settings = RedisSettings::from_url(&server.url()).unwrap();
        settings.socket_timeout = socket_timeout;
        let manager = RedisManager::start(&settings).await.unwrap();
        // Without L1 every read needs L2 or the loader.
        let policy = Policy { l1_capacity: 0, ..Policy::default() };
        let builder = Cache::builder("quotes", &Keyspace::default()).policy(policy);
        let cache = builder.store(RedisStore::new(manager.clone())).build().unwrap();
        let done: Arc<[AtomicUsize]> = (0..READERS).map(|_| AtomicUsize::new(0)).collect();
        let over = Arc::new(AtomicBool::new(false));
        let mut readers = JoinSet::new();
        for reader in 0..READERS {
            let (cache, done, over) = (cache.clone(), Arc::clone(&done), Arc::clone(&over));
            readers.spawn(async move {
                for turn in reader.. {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    let name = format!("{:06}", turn * 7 % KEYS);
                    let expected = Quote::of(&name, 0);
                    let made = expected.clone();
                    let read = cache.get_or_compute(&QuoteKey(name), |_| async { Ok::<_, Infallible>(made) });
                    let read = tokio::time::timeout(HANG, read).await.expect("a read hangs");
                    assert_eq!(*read.expect("a read fails"), expected);
                    done[reader].fetch_add(1, Ordering::Relaxed);
                    // So that reads which fail at once do not take the processors from everybody else.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
        }
        Self { cache, manager, readers, done, over }
    }

    /// Waits until every reader has been answered `times` more times.
    async fn everybody_reads(&mut self, times: usize, when: &str) {
        let count = |done: &AtomicUsize| done.load(Ordering::Relaxed);
        let before: Vec<usize> = self.done.iter().map(count).collect();
        let wait = async {
            eventually(when, 2 * HANG, async || {
                self.done.iter().zip(&before).all(|(done, before)| count(done) >= before + times)
            })
            .await;
        };
        tokio::select! {
            () = wait => {}
            // Readers end by themselves only by failing.
            Some(ended) = self.readers.join_next() => panic!("{when}: {ended:?}"),
        }
    }

    /// Waits until L2 answers again.
    async fn hits_resume(&mut self, when: &str) {
        let before = self.cache.stats();
        eventually(when, HANG, async || self.cache.stats().l2_hits > before.l2_hits + 500).await;
        self.everybody_reads(3, when).await;
    }

    async fn end(mut self) {
        self.over.store(true, Ordering::Relaxed);
        while let Some(ended) = self.readers.join_next().await {
            ended.expect("a reader failed");
        }
        let stats = self.cache.stats();
        assert_eq!(
            (stats.errors, stats.negative, stats.unreadable, stats.in_flight),
            (0, 0, 0, 0),
            "{stats:?}"
        );
        let reads: usize = self.done.iter().map(|done| done.load(Ordering::Relaxed)).sum();
        let answered = stats.l1_hits + stats.l2_hits + stats.loaded + stats.joined;
        assert_eq!(answered, reads as u64, "every read is counted once: {stats:?}");
        self.cache.shutdown().await;
        self.manager.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_and_comes_back_empty() {
    let mut server = RedisServer::start().await;
    let mut crowd = Crowd::start(&server, HANG / 3).await;
    crowd.hits_resume("L2 is warm").await;

    server.kill().await;
    let warm = crowd.cache.stats();
    crowd.everybody_reads(5, "without Redis").await;
    let dead = crowd.cache.stats();
    assert!(dead.loads > warm.loads, "{dead:?}");
    assert!(dead.store_errors > warm.store_errors, "{dead:?}");

    server.restart().await;
    crowd.hits_resume("Redis is back").await;
    let mut raw = Raw::connect(&server.url()).await;
    // By name: what the cache writes to see whether it can is no entry.
    let mut entries = async || raw.ask::<Vec<String>>(&["KEYS", "*own:quotes:*"]).await.len();
    eventually("L2 is full again", HANG, async || entries().await == KEYS).await;
    let loads = crowd.cache.stats().loads;
    crowd.everybody_reads(10, "everything is in L2").await;
    assert_eq!(crowd.cache.stats().loads, loads, "nothing is computed again");
    crowd.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_hangs_and_goes_on() {
    let server = RedisServer::start().await;
    let mut crowd = Crowd::start(&server, Duration::from_millis(300)).await;
    crowd.hits_resume("L2 is warm").await;

    server.pause();
    let warm = crowd.cache.stats();
    crowd.everybody_reads(5, "Redis hangs").await;
    assert!(crowd.cache.stats().loads > warm.loads);

    server.resume();
    crowd.hits_resume("Redis goes on").await;
    crowd.end().await;
}
