//! The figures count this cache: not other programs, not other databases, and they end.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mystocks_cache::{CacheService, Cursor, Error, KeyCount, Lifetime, MemoryStore, Page, Put, Store};
use mystocks_config::CacheSettings;
use mystocks_keys::{Keyspace, Prefixes};

use crate::arrange::{put_raw, service};
use crate::on_every_store;

on_every_store! {
    every_lookup_is_a_hit_or_a_miss
    the_namespace_is_the_sum_of_its_services
    only_entries_of_the_cache_are_counted
    another_prefix_is_another_namespace
    damaged_figures_are_passed_over
}

async fn every_lookup_is_a_hit_or_a_miss(store: Arc<dyn Store>) {
    let cache = service(&store);
    assert_eq!(cache.stats().await.unwrap().process.hit_rate(), None);
    cache.set("k", &1, None).await.unwrap();
    cache.exists("k").await.unwrap();
    cache.ttl("k").await.unwrap();
    cache.get::<i32>("k").await.unwrap();
    cache.clone().get::<i32>("absent").await.unwrap();
    cache.mget::<i32>(&["k", "k", "absent", "k"]).await.unwrap();
    let process = cache.stats().await.unwrap().process;
    assert_eq!((process.hits, process.misses, process.rejected), (4, 2, 0));
    assert_eq!(process.hit_rate(), Some(4.0 / 6.0));
    assert_eq!(cache.lookups(), process);
}

async fn the_namespace_is_the_sum_of_its_services(store: Arc<dyn Store>) {
    let (one, two, silent) = (service(&store), service(&store), service(&store));
    one.set("k", &1, None).await.unwrap();
    for _ in 0..3 {
        one.get::<i32>("k").await.unwrap();
        two.get::<i32>("absent").await.unwrap();
    }
    two.get::<String>("k").await.unwrap();
    silent.get::<i32>("absent").await.unwrap();
    // Other programs on the same server; the server's own counters count these.
    for _ in 0..50 {
        store.get(&["celery", "mystocks:k"]).await.unwrap();
    }
    one.stats().await.unwrap();
    let stats = two.stats().await.unwrap();
    let lookups = stats.namespace.lookups;
    assert_eq!((lookups.hits, lookups.misses, lookups.rejected), (3, 4, 1));
    assert_eq!(lookups.hit_rate(), Some(3.0 / 7.0));
    assert_eq!(stats.namespace.services, 2);
    assert_eq!((stats.process.hits, stats.process.misses), (0, 4));
    // A second time changes nothing: totals are written, not added.
    let again = two.stats().await.unwrap();
    assert_eq!(again.namespace.lookups, lookups);
}

async fn only_entries_of_the_cache_are_counted(store: Arc<dyn Store>) {
    let cache = service(&store);
    assert_eq!(cache.stats().await.unwrap().namespace.keys, KeyCount::Exact(0));
    for n in 0..1_200 {
        put_raw(&store, &format!("celery:{n}"), b"1").await;
    }
    for key in ["mystocks:lock:report", "mystocks:session:1", "{mystocks:k}:lease", "mystocksx"] {
        put_raw(&store, key, b"1").await;
    }
    let keys: Vec<String> = (0..1_500).map(|n| format!("k:{n}")).collect();
    cache.mset(keys.iter().map(|key| (key.as_str(), &1, None))).await.unwrap();
    assert_eq!(cache.stats().await.unwrap().namespace.keys, KeyCount::Exact(1_500));
}

async fn another_prefix_is_another_namespace(store: Arc<dyn Store>) {
    let cache = service(&store);
    let prefixes = Prefixes { cache: "staging:".to_owned(), ..Prefixes::default() };
    let keyspace = Keyspace::new(prefixes).unwrap();
    let staging = CacheService::new(Arc::clone(&store), keyspace, &CacheSettings::default());
    staging.set("k", &2, None).await.unwrap();
    staging.get::<i32>("k").await.unwrap();
    staging.stats().await.unwrap();
    assert_eq!(cache.get::<i32>("k").await.unwrap(), None);
    let stats = cache.stats().await.unwrap();
    assert_eq!((stats.namespace.lookups.hits, stats.namespace.services), (0, 1));
    assert_eq!(stats.namespace.keys, KeyCount::Exact(0));
    assert_eq!(cache.delete_pattern("*").await.unwrap(), 0);
    assert_eq!(staging.get::<i32>("k").await.unwrap(), Some(2));
}

async fn damaged_figures_are_passed_over(store: Arc<dyn Store>) {
    let (cache, other) = (service(&store), service(&store));
    other.get::<i32>("absent").await.unwrap();
    other.stats().await.unwrap();
    let page = store.scan("mystocks:own:*", Cursor::START).await.unwrap();
    assert_eq!(page.keys.len(), 1);
    for (n, damaged) in [&b""[..], b"\xC1", b"{}", &[0xC1; 64]].into_iter().enumerate() {
        put_raw(&store, &format!("{}{n}", page.keys[0]), damaged).await;
    }
    let namespace = cache.stats().await.unwrap().namespace;
    assert_eq!((namespace.services, namespace.lookups.misses), (2, 1));
    assert_eq!(namespace.keys, KeyCount::Exact(0));
}

#[tokio::test(start_paused = true)]
async fn a_service_in_use_tells_its_figures_by_itself_and_is_forgotten_after_an_hour() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let (user, reader) = (service(&store), service(&store));
    user.set("k", &1, Some(Duration::from_secs(86_400))).await.unwrap();
    user.get::<i32>("k").await.unwrap();
    assert_eq!(reader.stats().await.unwrap().namespace.services, 1);
    tokio::time::advance(Duration::from_secs(10)).await;
    user.get::<i32>("k").await.unwrap();
    user.get::<i32>("k").await.unwrap();
    let namespace = reader.stats().await.unwrap().namespace;
    // What was known when the second lookup was made; the third came within ten seconds.
    assert_eq!((namespace.services, namespace.lookups.hits), (2, 1));
    tokio::time::advance(Duration::from_secs(10)).await;
    user.get::<i32>("k").await.unwrap();
    assert_eq!(reader.stats().await.unwrap().namespace.lookups.hits, 3);
    tokio::time::advance(Duration::from_secs(3_601)).await;
    let namespace = reader.stats().await.unwrap().namespace;
    assert_eq!((namespace.services, namespace.lookups.hits), (1, 0));
}

/// A database without end.
#[derive(Debug)]
struct Endless {
    /// What every key begins with.
    prefix: &'static str,
}

#[async_trait]
impl Store for Endless {
    async fn get(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, Error> {
        Ok(vec![None; keys.len()])
    }
    async fn put(&self, _: &[Put<'_>]) -> Result<(), Error> {
        Ok(())
    }
    async fn remove(&self, _: &[&str]) -> Result<u64, Error> {
        Ok(0)
    }
    async fn touch(&self, _: &str, _: Option<Duration>) -> Result<Lifetime, Error> {
        Ok(Lifetime::Absent)
    }
    async fn scan(&self, _: &str, Cursor(at): Cursor) -> Result<Page, Error> {
        let keys = (0..500).map(|n| format!("{}{at}:{n}", self.prefix)).collect();
        let next = Some(Cursor(at + 1));
        tokio::task::yield_now().await;
        Ok(Page { keys, next })
    }
    fn now_ms(&self) -> u64 {
        0
    }
}

#[tokio::test]
async fn counting_ends_in_a_database_without_end() {
    for (prefix, counted) in [("mystocks:", 100_000), ("mystocks:lock:", 0)] {
        let settings = CacheSettings::default();
        let cache = CacheService::new(Endless { prefix }, Keyspace::default(), &settings);
        let stats = tokio::time::timeout(Duration::from_secs(60), cache.stats()).await;
        let keys = stats.expect("counting does not end").unwrap().namespace.keys;
        assert_eq!(keys, KeyCount::AtLeast(counted), "{prefix}");
    }
}
