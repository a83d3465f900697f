//! The layer over a shared store.

#[path = "../fixture/mod.rs"]
mod fixture;

use fixture::PrivateRedis;
use mystocks_cache::http::{CacheLayer, CachedResponse, HttpKey};
use mystocks_cache::{Cache, Keyspace, Policy, RedisStore};

use crate::origin::{Origin, Site, exact};

fn over(store: &RedisStore) -> (CacheLayer, Cache<HttpKey, CachedResponse>) {
    // Without L1, each read is the store's.
    let policy = Policy { l1_capacity: 0, ..exact() };
    let cache = Cache::builder("responses", &Keyspace::default())
        .policy(policy)
        .store(store.clone())
        .build()
        .unwrap();
    (CacheLayer::new(cache.clone()), cache)
}

#[tokio::test]
async fn two_processes_serve_what_one_stored() {
    let redis = PrivateRedis::start().await;
    let origin = Origin::saying(&[("cache-control", "max-age=60"), ("x-own", "kept")]);
    let (here, _) = over(&redis.store);
    let (there, _) = over(&redis.store);
    let (here, there) = (Site::with(&here, origin.clone()), Site::with(&there, origin));
    // A path that no key may hold, and a query that is longer than any key.
    let uri = format!("/a:b*%7B/c?q={}", "x".repeat(3000));
    let first = here.get(&uri, &[]).await;
    let hit = there.get(&uri, &[]).await;
    assert_eq!((hit.body.as_str(), hit.did().as_str()), ("1", "hit"));
    for name in ["cache-control", "etag", "date", "x-own"] {
        assert_eq!(hit.header(name), first.header(name), "{name}");
    }
    assert_eq!(there.send("HEAD", &uri, &[]).await.unwrap().did(), "hit");
    there.send("POST", &uri, &[]).await.unwrap();
    assert_eq!(here.get(&uri, &[]).await.body, "3");
}

#[tokio::test]
async fn a_dead_store_fails_no_request() {
    let mut redis = PrivateRedis::start().await;
    let (layer, cache) = over(&redis.store);
    let site = Site::with(&layer, Origin::saying(&[("cache-control", "max-age=60")]));
    assert_eq!(site.get("/a", &[]).await.body, "1");
    redis.server.kill().await;
    assert_eq!(site.get("/a", &[]).await.body, "2");
    let revalidated = site.get("/a", &[("cache-control", "no-cache")]).await;
    assert_eq!((revalidated.status.as_u16(), revalidated.body.as_str()), (200, "3"));
    assert_eq!(site.send("POST", "/a", &[]).await.unwrap().body, "4");
    cache.shutdown().await;
}
