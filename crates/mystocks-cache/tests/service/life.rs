//! Times to live: what was asked for, the configured one, never an accidental one.

use std::sync::Arc;
use std::time::Duration;

use mystocks_cache::{CacheService, ErrorKind, Lifetime, Store};
use mystocks_config::CacheSettings;
use mystocks_keys::{Json, Keyspace};

use crate::arrange::{HOUR, json, service};
use crate::on_every_store;

on_every_store! {
    an_entry_lives_as_long_as_asked_or_configured
    a_batch_gives_every_entry_its_own_life
    zero_and_less_than_a_millisecond_are_errors_and_write_nothing
    the_life_of_a_key_can_be_set
    an_entry_goes_when_its_time_is_over
    deleting_tells_whether_it_was_there
}

async fn assert_lives(cache: &CacheService, key: &str, ttl: Duration) {
    let slack = Duration::from_secs(30);
    match cache.ttl(key).await.unwrap() {
        Lifetime::Expires(left) => assert!(left <= ttl && left + slack > ttl, "{key}: {left:?} of {ttl:?}"),
        other => panic!("{key} has {other:?}"),
    }
}

async fn an_entry_lives_as_long_as_asked_or_configured(store: Arc<dyn Store>) {
    let configured = CacheSettings { ttl: 2 * HOUR, ..CacheSettings::default() };
    let cache = CacheService::new(Arc::clone(&store), Keyspace::default(), &configured);
    let params = json("{}");
    cache.set("default", &1, None).await.unwrap();
    cache.set("asked", &1, Some(Duration::from_secs(90))).await.unwrap();
    cache.cache_indicator_result("S", "SMA", &params, &1, None).await.unwrap();
    cache.cache_api_response("quotes", &params, &1, None).await.unwrap();
    cache.cache_api_response("asked", &params, &1, Some(HOUR)).await.unwrap();
    assert_lives(&cache, "default", 2 * HOUR).await;
    assert_lives(&cache, "asked", Duration::from_secs(90)).await;
    assert_lives(&cache, "indicator:S:SMA:99914b93", 2 * HOUR).await;
    assert_lives(&cache, "api:quotes:99914b93", Duration::from_secs(300)).await;
    assert_lives(&cache, "api:asked:99914b93", HOUR).await;
    assert_lives(&service(&store), "default", 2 * HOUR).await;
}

async fn a_batch_gives_every_entry_its_own_life(store: Arc<dyn Store>) {
    let cache = service(&store);
    let minute = Duration::from_secs(60);
    cache.mset([("a", &1, Some(minute)), ("b", &2, None), ("c", &3, Some(5 * HOUR))]).await.unwrap();
    assert_lives(&cache, "a", minute).await;
    assert_lives(&cache, "b", HOUR).await;
    assert_lives(&cache, "c", 5 * HOUR).await;
}

async fn zero_and_less_than_a_millisecond_are_errors_and_write_nothing(store: Arc<dyn Store>) {
    let cache = service(&store);
    let params = json("{}");
    cache.set("there", &1, Some(HOUR)).await.unwrap();
    for short in [Duration::ZERO, Duration::from_micros(999)] {
        let ttl = Some(short);
        let batch = [("a", &1, None), ("there", &2, ttl), ("b", &3, None)];
        let refused = [
            cache.set("k", &1, ttl).await.unwrap_err(),
            cache.mset(batch).await.unwrap_err(),
            cache.expire("there", short).await.unwrap_err(),
            cache.cache_indicator_result("S", "SMA", &params, &1, ttl).await.unwrap_err(),
            cache.cache_api_response("quotes", &params, &1, ttl).await.unwrap_err(),
        ];
        for error in refused {
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
            assert!(error.to_string().contains("at least 1 ms"), "{error}");
        }
        assert_eq!(cache.mget(&["k", "a", "there", "b"]).await.unwrap(), [None, None, Some(1), None]);
        assert_lives(&cache, "there", HOUR).await;
        let stored = cache.get_cached_indicator_result::<Json>("S", "SMA", &params).await;
        assert_eq!(stored.unwrap(), None);
    }
}

async fn the_life_of_a_key_can_be_set(store: Arc<dyn Store>) {
    let cache = service(&store);
    assert!(!cache.expire("k", HOUR).await.unwrap());
    assert_eq!(cache.ttl("k").await.unwrap(), Lifetime::Absent);
    cache.set("k", &1, None).await.unwrap();
    for ttl in [Duration::from_secs(60), 3 * HOUR] {
        assert!(cache.expire("k", ttl).await.unwrap());
        assert_lives(&cache, "k", ttl).await;
    }
    assert_eq!(cache.get("k").await.unwrap(), Some(1));
}

async fn an_entry_goes_when_its_time_is_over(store: Arc<dyn Store>) {
    let cache = service(&store);
    cache.set("k", &1, Some(Duration::from_millis(50))).await.unwrap();
    mystocks_testkit::eventually("the entry expires", Duration::from_secs(30), async || {
        cache.get::<i32>("k").await.unwrap().is_none()
    })
    .await;
    assert!(!cache.exists("k").await.unwrap());
    assert_eq!(cache.ttl("k").await.unwrap(), Lifetime::Absent);
}

async fn deleting_tells_whether_it_was_there(store: Arc<dyn Store>) {
    let cache = service(&store);
    cache.set("k", &0, None).await.unwrap();
    assert!(cache.exists("k").await.unwrap());
    assert!(cache.delete("k").await.unwrap());
    assert!(!cache.delete("k").await.unwrap());
    assert!(!cache.exists("k").await.unwrap());
    assert_eq!(cache.get::<i32>("k").await.unwrap(), None);
}
