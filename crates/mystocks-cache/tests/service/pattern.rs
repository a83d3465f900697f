//! Removing by pattern takes what it names and never a lock or a session.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mystocks_cache::{CacheService, Cursor, Error, ErrorKind, Lifetime, MemoryStore, Page, Put, Store};
use mystocks_config::CacheSettings;
use mystocks_keys::{Keyspace, Prefixes};

use crate::arrange::{HOUR, get_raw, put_raw, service};
use crate::on_every_store;

on_every_store! {
    removing_everything_leaves_locks_sessions_and_strangers
    a_pattern_takes_what_it_matches
    thousands_of_keys_go_and_are_counted
    the_figures_survive_removing_everything
    a_malformed_pattern_is_refused
}

async fn removing_everything_leaves_locks_sessions_and_strangers(store: Arc<dyn Store>) {
    let cache = service(&store);
    let keys = Keyspace::default();
    let lock = keys.lock_indicator("600519", "SMA", &crate::arrange::json("{}")).unwrap();
    let session = keys.session("f3a9").unwrap();
    let entry = keys.entry("quote:600519").unwrap();
    let stay = [
        lock.as_str().to_owned(),
        lock.fence().as_str().to_owned(),
        lock.queue().as_str().to_owned(),
        keys.lock("report").unwrap().as_str().to_owned(),
        session.as_str().to_owned(),
        session.lease().as_str().to_owned(),
        keys.session_user("7b1e").unwrap().as_str().to_owned(),
        entry.lease().as_str().to_owned(),
        "celery-task-meta-1".to_owned(),
        "mystocks".to_owned(),
        "other:mystocks:quote".to_owned(),
    ];
    for key in &stay {
        put_raw(&store, key, b"token").await;
    }
    for key in ["quote:600519", "locked", "sessions:5", "lock", "a:lock:b"] {
        cache.set(key, &1, None).await.unwrap();
    }
    assert_eq!(cache.delete_pattern("*").await.unwrap(), 5);
    assert_eq!(cache.delete_pattern("lock:*").await.unwrap(), 0);
    assert_eq!(cache.delete_pattern("sess*").await.unwrap(), 0);
    assert_eq!(cache.delete_pattern("[ls]*").await.unwrap(), 0);
    for key in &stay {
        assert_eq!(get_raw(&store, key).await.as_deref(), Some("token"), "{key}");
    }
    assert_eq!(get_raw(&store, entry.as_str()).await, None);
}

async fn a_pattern_takes_what_it_matches(store: Arc<dyn Store>) {
    let cache = service(&store);
    let all = ["quote:600519", "quote:600520", "quote:000001", "bars:600519", "quotes"];
    for (glob, gone) in [
        ("quote:*", &all[..3]),
        ("quote:60051?", &all[..1]),
        ("quote:[0-5]*", &all[2..3]),
        ("*600519", &[all[0], all[3]]),
        ("quotes", &all[4..]),
        ("nothing:*", &[]),
    ] {
        for key in all {
            cache.set(key, &1, None).await.unwrap();
        }
        assert_eq!(cache.delete_pattern(glob).await.unwrap(), gone.len() as u64, "{glob}");
        for key in all {
            assert_eq!(cache.exists(key).await.unwrap(), !gone.contains(&key), "{glob} {key}");
        }
    }
}

async fn thousands_of_keys_go_and_are_counted(store: Arc<dyn Store>) {
    let cache = service(&store);
    let keys: Vec<String> = (0..3_000).map(|n| format!("many:{n}")).collect();
    cache.mset(keys.iter().map(|key| (key.as_str(), &1, None))).await.unwrap();
    cache.set("other", &1, None).await.unwrap();
    assert_eq!(cache.delete_pattern("many:*").await.unwrap(), 3_000);
    assert_eq!(cache.delete_pattern("many:*").await.unwrap(), 0);
    assert!(cache.exists("other").await.unwrap());
}

async fn the_figures_survive_removing_everything(store: Arc<dyn Store>) {
    let cache = service(&store);
    cache.set("k", &1, None).await.unwrap();
    cache.get::<i32>("k").await.unwrap();
    let other = service(&store);
    cache.stats().await.unwrap();
    assert_eq!(other.delete_pattern("*").await.unwrap(), 1);
    assert_eq!(other.stats().await.unwrap().namespace.lookups.hits, 1);
}

async fn a_malformed_pattern_is_refused(store: Arc<dyn Store>) {
    let cache = service(&store);
    cache.set("k", &1, None).await.unwrap();
    for glob in ["", "a\\", "[a", "a{b}", "*a*b*c*d*e*f*g*h*i*", "a\n*"] {
        let refused = cache.delete_pattern(glob).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument, "{glob:?}");
    }
    assert!(cache.exists("k").await.unwrap());
}

#[test]
fn a_prefix_with_glob_characters_cannot_come_about() {
    for prefix in ["my*stocks:", "my?:", "[a]:", "\\:"] {
        let prefixes = Prefixes { cache: prefix.to_owned(), ..Prefixes::default() };
        assert!(Keyspace::new(prefixes).is_err(), "{prefix}");
    }
}

/// Notes how many keys every removal names, and shows all keys in one page.
#[derive(Debug)]
struct OnePage {
    inner: MemoryStore,
    removals: Mutex<Vec<usize>>,
}

#[async_trait]
impl Store for OnePage {
    async fn get(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, Error> {
        self.inner.get(keys).await
    }
    async fn put(&self, entries: &[Put<'_>]) -> Result<(), Error> {
        self.inner.put(entries).await
    }
    async fn remove(&self, keys: &[&str]) -> Result<u64, Error> {
        self.removals.lock().unwrap().push(keys.len());
        self.inner.remove(keys).await
    }
    async fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<Lifetime, Error> {
        self.inner.touch(key, ttl).await
    }
    async fn scan(&self, pattern: &str, _: Cursor) -> Result<Page, Error> {
        let mut keys = Vec::new();
        let mut cursor = Some(Cursor::START);
        while let Some(at) = cursor {
            let page = self.inner.scan(pattern, at).await?;
            keys.extend(page.keys);
            cursor = page.next;
        }
        Ok(Page { keys, next: None })
    }
    fn now_ms(&self) -> u64 {
        self.inner.now_ms()
    }
}

#[tokio::test]
async fn however_large_a_page_removals_are_bounded() {
    let store = Arc::new(OnePage { inner: MemoryStore::new(), removals: Mutex::default() });
    let cache = CacheService::new(Arc::clone(&store), Keyspace::default(), &CacheSettings::default());
    let keys: Vec<String> = (0..1_700).map(|n| format!("k:{n}")).collect();
    cache.mset(keys.iter().map(|key| (key.as_str(), &1, Some(HOUR)))).await.unwrap();
    assert_eq!(cache.delete_pattern("*").await.unwrap(), 1_700);
    assert_eq!(*store.removals.lock().unwrap(), [500, 500, 500, 200]);
}
