//! Shared entries in memory, which another program writes too without a lease.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mystocks_cache::{
    Cache, CacheHub, Coherence, Cursor, Error, Keyspace, Lifetime, MemoryStore, Page, Policy, Put, Store,
    Tier,
};
use mystocks_testkit::eventually;
use tokio::time::sleep;

use crate::faulty::{millis, secs};
use crate::nodes::{settle, still};
use crate::story::{Gate, Neighbour, what_came_between_stays};

#[tokio::test(start_paused = true)]
async fn what_another_program_writes_during_a_load_stays() {
    let store = MemoryStore::new();
    what_came_between_stays(&CacheHub::memory(&store, &Keyspace::default()), &store).await;
}

#[tokio::test(start_paused = true)]
async fn what_l1_held_during_an_overtaken_refresh_is_served_no_longer() {
    let store = MemoryStore::new();
    let (hub, neighbour) = (CacheHub::memory(&store, &Keyspace::default()), Neighbour(&store));
    let policy = Policy { ttl: secs(60), early_refresh: 100.0, ..still() };
    let cache: Cache<String, String> =
        hub.cache("neighbours").policy(policy).shared_format().build().unwrap();
    settle().await;
    let name = "600519".to_owned();
    let first = |_| async {
        sleep(millis(500)).await;
        Ok::<_, Infallible>("first".to_owned())
    };
    cache.get_or_compute(&name, first).await.unwrap();
    // Unseen by L1, so that the refresh finds nothing there.
    neighbour.removes(&name).await;
    let gate = Gate::new();
    while cache.stats().refreshes == 0 {
        let passing = gate.clone();
        let load = |_| async move {
            passing.pass().await;
            Ok::<_, Infallible>("refreshed".to_owned())
        };
        assert_eq!(*cache.get_or_compute(&name, load).await.unwrap(), "first");
        sleep(millis(600)).await;
    }
    gate.until_begun().await;
    neighbour.writes(&name, "\"theirs\"").await;
    gate.open();
    eventually("the refresh is overtaken", secs(30), async || cache.stats().overtaken == 1).await;
    assert_eq!(cache.peek(&name), None);
    let load = |_| async { Ok::<_, Infallible>("loaded again".to_owned()) };
    let read = cache.get_or_compute(&name, load).detail().await.unwrap();
    assert_eq!((read.value.as_str(), read.tier), ("theirs", Tier::L2));
}

/// A store to which another program's entry comes between the questions how long it lives and what it is.
#[derive(Debug)]
struct Late {
    memory: MemoryStore,
    asked: AtomicUsize,
}

#[async_trait]
impl Store for Late {
    async fn get(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, Error> {
        self.memory.get(keys).await
    }
    async fn put(&self, entries: &[Put<'_>]) -> Result<(), Error> {
        self.memory.put(entries).await
    }
    async fn remove(&self, keys: &[&str]) -> Result<u64, Error> {
        self.memory.remove(keys).await
    }
    async fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<Lifetime, Error> {
        match self.asked.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(Lifetime::Absent),
            _ => self.memory.touch(key, ttl).await,
        }
    }
    async fn scan(&self, pattern: &str, cursor: Cursor) -> Result<Page, Error> {
        self.memory.scan(pattern, cursor).await
    }
    fn now_ms(&self) -> u64 {
        self.memory.now_ms()
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_program_writes_during_the_look_into_l2_is_the_answer() {
    for many in [false, true] {
        let store = MemoryStore::new();
        let (leases, backplane) = store.process();
        let late = Arc::new(Late { memory: store.clone(), asked: AtomicUsize::new(0) });
        let hub = CacheHub::new(&Keyspace::default(), late, leases, backplane, Coherence::Backplane);
        let cache: Cache<String, String> =
            hub.cache("neighbours").policy(still()).shared_format().build().unwrap();
        settle().await;
        let name = "600519".to_owned();
        Neighbour(&store).writes(&name, "\"theirs\"").await;
        let value = if many {
            let load = |names: Vec<String>| async {
                Ok::<_, Infallible>(names.into_iter().map(|name| (name, "ours".to_owned())).collect())
            };
            let names = [name.clone()];
            Arc::clone(&cache.get_or_compute_many(&names, load).await.unwrap()[&name])
        } else {
            let load = |_| async { Ok::<_, Infallible>("ours".to_owned()) };
            cache.get_or_compute(&name, load).await.unwrap()
        };
        assert_eq!(*value, "theirs", "many: {many}");
        assert_eq!(Neighbour(&store).finds(&name).await, Some(Bytes::from("\"theirs\"")), "many: {many}");
        assert_eq!(cache.stats().loads, 0, "many: {many}");
    }
}
