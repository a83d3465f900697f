//! Switched off: nothing is found, nothing is written, mistakes still show.

use std::sync::Arc;
use std::time::Duration;

use mystocks_cache::{CacheService, ErrorKind, KeyCount, Lifetime, MemoryStore, Store};
use mystocks_config::CacheSettings;
use mystocks_keys::Keyspace;

use crate::arrange::{HOUR, json, put_raw};

#[tokio::test]
async fn a_cache_that_is_off_touches_no_store() {
    let memory = MemoryStore::new();
    let store: Arc<dyn Store> = Arc::new(memory.clone());
    put_raw(&store, "mystocks:k", b"1").await;
    let off = CacheSettings { enabled: false, ..CacheSettings::default() };
    for cache in
        [CacheService::new(store, Keyspace::default(), &off), CacheService::disabled(Keyspace::default())]
    {
        cache.set("new", &1, None).await.unwrap();
        cache.mset([("a", &1, None), ("b", &2, Some(HOUR))]).await.unwrap();
        cache.cache_api_response("quotes", &json("{}"), &1, None).await.unwrap();
        assert_eq!(cache.get::<i32>("k").await.unwrap(), None);
        assert_eq!(cache.get::<i32>("new").await.unwrap(), None);
        assert_eq!(cache.mget::<i32>(&["k", "a"]).await.unwrap(), [None, None]);
        assert!(!cache.exists("k").await.unwrap());
        assert!(!cache.expire("k", HOUR).await.unwrap());
        assert_eq!(cache.ttl("k").await.unwrap(), Lifetime::Absent);
        assert!(!cache.delete("k").await.unwrap());
        assert_eq!(cache.delete_pattern("*").await.unwrap(), 0);
        let stats = cache.stats().await.unwrap();
        assert_eq!((stats.process.hits, stats.process.misses), (0, 4));
        assert_eq!(stats.namespace.keys, KeyCount::Exact(0));
    }
    assert_eq!(memory.len(), 1, "only what another program wrote is there");
}

#[tokio::test]
async fn mistakes_show_though_the_cache_is_off() {
    let cache = CacheService::disabled(Keyspace::default()).with_max_entry_bytes(8);
    let zero = Duration::ZERO;
    for (expected, error) in [
        (ErrorKind::InvalidArgument, cache.set("k", &1, Some(zero)).await.unwrap_err()),
        (ErrorKind::InvalidArgument, cache.expire("k", zero).await.unwrap_err()),
        (ErrorKind::InvalidArgument, cache.set("lock:k", &1, None).await.unwrap_err()),
        (ErrorKind::InvalidArgument, cache.delete_pattern("[").await.unwrap_err()),
        (ErrorKind::TooLarge, cache.set("k", "123456789", None).await.unwrap_err()),
    ] {
        assert_eq!(error.kind(), expected, "{error}");
    }
}
