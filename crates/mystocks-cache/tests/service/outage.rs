//! What only a real server can do to the service: go down, hold other things than values, keep a key for ever.

use std::sync::Arc;
use std::time::Duration;

use mystocks_cache::{CacheService, ErrorKind, KeyCount, Lifetime, Store};
use mystocks_config::CacheSettings;
use mystocks_keys::Keyspace;
use mystocks_redis_core::Call;
use mystocks_testkit::eventually;
use redis::cmd;
use tokio::time::timeout;

use crate::arrange::{HOUR, json, service};
use crate::fixture::PrivateRedis;

/// Far above any timeout of the store: a call that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_store_that_is_down_is_an_error_at_once_and_works_again_when_it_is_back() {
    let mut private = PrivateRedis::start().await;
    let store = private.store.clone();
    let cache = CacheService::new(store, Keyspace::default(), &CacheSettings::default());
    cache.set("k", &1, None).await.unwrap();
    private.server.kill().await;
    for _ in 0..3 {
        let failures = timeout(PATIENCE, async {
            [
                cache.get::<i32>("k").await.unwrap_err(),
                cache.mget::<i32>(&["k", "l"]).await.unwrap_err(),
                cache.set("k", &2, None).await.unwrap_err(),
                cache.mset([("k", &1, None), ("l", &1, None)]).await.unwrap_err(),
                cache.delete("k").await.unwrap_err(),
                cache.exists("k").await.unwrap_err(),
                cache.expire("k", HOUR).await.unwrap_err(),
                cache.ttl("k").await.unwrap_err(),
                cache.delete_pattern("*").await.unwrap_err(),
                cache.stats().await.unwrap_err(),
                cache.cache_api_response("q", &json("{}"), &1, None).await.unwrap_err(),
            ]
        });
        for error in failures.await.expect("a call hangs") {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            assert!(error.is_retryable());
        }
    }
    private.server.restart().await;
    eventually("the cache works again", PATIENCE, async || cache.set("k", &3, None).await.is_ok()).await;
    assert_eq!(cache.get::<i32>("k").await.unwrap(), Some(3));
}

#[tokio::test]
async fn a_key_that_holds_no_plain_value_is_an_error_alone_and_a_miss_in_a_batch() {
    let private = PrivateRedis::start().await;
    let list = cmd("RPUSH").arg("mystocks:list").arg("a").to_owned();
    let _: i64 = private.manager.query(&list, Call::once()).await.unwrap();
    let manager = private.manager.clone();
    let cache = service(&(Arc::new(private) as Arc<dyn Store>));
    cache.set("a", &1, None).await.unwrap();
    cache.set("z", &2, None).await.unwrap();

    let error = cache.get::<i32>("list").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store, "{error}");
    assert!(error.to_string().contains("mystocks:list"), "{error}");
    assert!(!error.is_retryable());
    assert_eq!(cache.mget::<i32>(&["a", "list", "z"]).await.unwrap(), [Some(1), None, Some(2)]);
    assert!(cache.exists("list").await.unwrap());
    assert_eq!(cache.ttl("list").await.unwrap(), Lifetime::Unlimited);
    assert_eq!(cache.stats().await.unwrap().namespace.keys, KeyCount::Exact(3));

    cache.set("list", &3, None).await.unwrap();
    assert_eq!(cache.get::<i32>("list").await.unwrap(), Some(3));
    let _: i64 = manager.query(cmd("RPUSH").arg("mystocks:more").arg("a"), Call::once()).await.unwrap();
    assert_eq!(cache.delete_pattern("more").await.unwrap(), 1);
}
