//! What redis-py writes and deletes under shared keys, seen by an L1 whose keys the server watches.

use std::time::Duration;

use mystocks_cache::{Cache, CacheHub, Outcome, Policy};
use mystocks_config::RedisSettings;
use mystocks_keys::Keyspace;
use mystocks_redis_core::RedisManager;
use mystocks_testkit::{RedisServer, eventually};
use tokio::time::Instant;

use crate::peer::Peer;

const WRITES: i64 = 500;
/// Against hanging.
const HANG: Duration = Duration::from_secs(15);

async fn read(cache: &Cache<String, i64>) -> Outcome<i64> {
    let nothing = |_| async { Ok::<_, std::convert::Infallible>(-1) };
    cache.get_or_compute(&"watched".to_owned(), nothing).detail().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_python_writes_and_deletes_reaches_a_tracked_l1() {
    let server = RedisServer::start().await;
    let settings = RedisSettings::from_url(&server.url()).unwrap();
    let (manager, tracking) = RedisManager::start_tracked(&settings).await.unwrap();
    let hub = CacheHub::tracked(manager.clone(), tracking, &Keyspace::default()).unwrap();
    let policy = Policy { jitter: 0.0, l1_ttl: Duration::from_secs(3600), ..Policy::default() };
    let cache: Cache<String, i64> = hub.cache("python").policy(policy).shared_format().build().unwrap();
    eventually("the server watches", HANG, async || hub.state().hears_others).await;
    let mut python = Peer::start(&server.url());
    let key = python.text("key", &["watched"]);
    let mut took = Vec::new();
    for value in 1..=WRITES {
        let expected = if value % 5 == 0 { -1 } else { value };
        if expected == -1 {
            assert_eq!(python.number("delete", &[&key]), 1);
        } else {
            python.ask("write_text", &[&key, &value.to_string()], Some(3600));
        }
        let written = Instant::now();
        while *read(&cache).await.value != expected {
            assert!(written.elapsed() < HANG, "an old value is served for good");
            tokio::task::yield_now().await;
        }
        took.push(written.elapsed());
        // The push for the write may come after the new value was read, and ends that reading too: the next one is kept.
        while read(&cache).await.tier.to_string() != "L1" {
            assert!(written.elapsed() < HANG, "what was read is never kept");
            tokio::task::yield_now().await;
        }
    }
    took.sort_unstable();
    let p99 = took[took.len() * 99 / 100];
    println!(
        "redis-py: {WRITES} writes and deletes, old values served for p99 {p99:?}, at most {:?}",
        took[took.len() - 1]
    );
    assert!(p99 < Duration::from_secs(1), "{p99:?}");
    cache.shutdown().await;
    hub.shutdown().await;
    manager.shutdown().await;
}
