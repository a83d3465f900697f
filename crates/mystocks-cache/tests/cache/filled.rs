//! Values that are written without leases.

use std::convert::Infallible;
use std::time::Duration;

use mystocks_cache::{Cache, CacheHub, Keyspace, LoadCtx, MemoryStore, Policy, RedisStore, Tier};
use mystocks_config::RedisSettings;
use mystocks_redis_core::RedisManager;
use mystocks_testkit::RedisServer;

fn cache(hub: &CacheHub, policy: Policy) -> Cache<String, String> {
    hub.cache("filled").policy(policy).build().unwrap()
}

fn entries(count: usize) -> Vec<(String, String)> {
    (0..count).map(|at| (format!("k{at}"), format!("value {at}"))).collect()
}

async fn read(cache: &Cache<String, String>, key: &str) -> (String, Tier) {
    let load = |_: LoadCtx<String>| async { Ok::<_, Infallible>("loaded".to_owned()) };
    let read = cache.get_or_compute(&key.to_owned(), load).detail().await.unwrap();
    ((*read.value).clone(), read.tier)
}

/// One process fills, another reads; what is cleared is gone, what is too large is left out.
async fn others_find_it(here: &CacheHub, there: &CacheHub) {
    let policy = Policy { max_entry: 1_000, ..Policy::default() };
    let (here, there) = (cache(here, policy.clone()), cache(there, policy));
    let mut all = entries(300);
    all.push(("large".to_owned(), "x".repeat(2_000)));
    assert_eq!(here.fill(&all).await.unwrap(), 300);
    assert_eq!(here.peek(&"k0".to_owned()), None, "L1 is not filled");
    for (key, value) in &all[..300] {
        assert_eq!(read(&there, key).await, (value.clone(), Tier::L2));
    }
    assert_eq!(read(&there, "large").await, ("loaded".to_owned(), Tier::L3));
    // The lease under which the stamp was drawn is given back: a load of that key need not wait for its end.
    there.invalidate(&"k0".to_owned()).await.unwrap();
    let began = tokio::time::Instant::now();
    assert_eq!(read(&there, "k0").await, ("loaded".to_owned(), Tier::L3));
    assert!(began.elapsed() < Duration::from_millis(1_900));
    here.clear().await.unwrap();
    assert_eq!(read(&here, "k1").await, ("loaded".to_owned(), Tier::L3));
    assert_eq!(here.fill(&entries(3)).await.unwrap(), 3, "what is written after it was cleared stands");
    there.drop_l1();
    assert_eq!(read(&there, "k2").await, ("value 2".to_owned(), Tier::L2));
    assert_eq!(here.fill(&[]).await.unwrap(), 0);
    let refused = here.fill(&[("with{braces}".to_owned(), String::new()), entries(1).remove(0)]).await;
    assert_eq!(refused.unwrap_err().kind(), mystocks_cache::ErrorKind::InvalidArgument);
}

#[tokio::test]
async fn others_find_it_in_memory() {
    let store = MemoryStore::new();
    let hub = || CacheHub::memory(&store, &Keyspace::default());
    others_find_it(&hub(), &hub()).await;
}

#[tokio::test]
async fn others_find_it_in_redis_and_nothing_is_written_while_it_is_away() {
    let mut server = RedisServer::start().await;
    let hub = async || {
        let redis = RedisManager::start(&RedisSettings::from_url(&server.url()).unwrap()).await.unwrap();
        CacheHub::redis(&RedisStore::new(redis), &Keyspace::default()).unwrap()
    };
    let (here, there) = (hub().await, hub().await);
    others_find_it(&here, &there).await;
    let cache = cache(&here, Policy { l2_timeout: Duration::from_millis(100), ..Policy::default() });
    server.kill().await;
    assert_eq!(cache.fill(&entries(5)).await.unwrap(), 0);
}
