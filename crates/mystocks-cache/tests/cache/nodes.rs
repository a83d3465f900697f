//! Several processes over one store in memory: what one invalidates, no other serves.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mystocks_cache::{
    Cache, CacheHub, Coherence, Done, Keyspace, LoadCtx, Loaded, MemoryBackplane, MemoryStore, Outcome,
    Policy, Tier,
};
use tokio::sync::Semaphore;
use tokio::time::{advance, sleep};

/// One process: its hub, its cache and its link.
pub(crate) struct Node {
    pub(crate) hub: CacheHub,
    pub(crate) cache: Cache<String, u64>,
    pub(crate) link: MemoryBackplane,
}

pub(crate) fn node(store: &MemoryStore, policy: Policy) -> Node {
    let (leases, link) = store.process();
    let hub = CacheHub::new(&Keyspace::default(), store.clone(), leases, link.clone(), Coherence::Backplane);
    let cache = hub.cache("bars").policy(policy).build().unwrap();
    Node { hub, cache, link }
}

pub(crate) fn still() -> Policy {
    Policy { jitter: 0.0, ..Policy::default() }
}

pub(crate) fn key() -> String {
    "600519".to_owned()
}

impl Node {
    pub(crate) async fn read(&self, value: u64) -> Outcome<u64> {
        let load = move |_| async move { Ok::<_, Infallible>(value) };
        self.cache.get_or_compute(&key(), load).detail().await.unwrap()
    }

    async fn read_tagged(&self, value: u64, tag: &'static str) -> Outcome<u64> {
        let load = move |cx: LoadCtx<u64>| async move {
            cx.tag(tag);
            Ok::<_, Infallible>(value)
        };
        self.cache.get_or_compute(&key(), load).detail().await.unwrap()
    }

    /// Starts a load that ends when the gate opens.
    pub(crate) fn held_load(
        &self,
        value: u64,
        gate: &Arc<Semaphore>,
    ) -> tokio::task::JoinHandle<Outcome<u64>> {
        let (cache, gate) = (self.cache.clone(), Arc::clone(gate));
        tokio::spawn(async move {
            let load = move |_| async move {
                let _permit = gate.acquire().await;
                Ok::<_, Infallible>(value)
            };
            cache.get_or_compute(&key(), load).detail().await.unwrap()
        })
    }
}

/// Lets every task do what it can, and messages arrive.
pub(crate) async fn settle() {
    sleep(Duration::from_millis(5)).await;
}

fn shown(outcome: &Outcome<u64>) -> (u64, Tier) {
    (*outcome.value, outcome.tier)
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_reaches_the_l1_of_every_process() {
    let store = MemoryStore::new();
    let (one, other) = (node(&store, still()), node(&store, still()));
    settle().await;
    assert_eq!(shown(&one.read(1).await), (1, Tier::L3));
    assert_eq!(shown(&other.read(2).await), (1, Tier::L2));
    assert_eq!(shown(&other.read(2).await), (1, Tier::L1));
    assert_eq!(one.cache.invalidate(&key()).await.unwrap(), Done::Applied);
    settle().await;
    assert_eq!(other.cache.peek(&key()), None);
    assert_eq!(shown(&other.read(3).await), (3, Tier::L3));
    assert_eq!(shown(&one.read(4).await), (3, Tier::L2));
    assert_eq!((one.cache.stats().heard, other.cache.stats().heard), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_load_that_began_before_an_invalidation_of_another_process_fills_nothing() {
    let store = MemoryStore::new();
    let (one, other) = (node(&store, still()), node(&store, still()));
    settle().await;
    let gate = Arc::new(Semaphore::new(0));
    let old = one.held_load(1, &gate);
    settle().await;
    other.cache.invalidate(&key()).await.unwrap();
    settle().await;
    // Who comes now fetches anew, though the old load still runs.
    assert_eq!(shown(&one.read(2).await), (2, Tier::L3));
    gate.add_permits(1);
    assert_eq!(shown(&old.await.unwrap()), (1, Tier::L3));
    assert_eq!(shown(&one.read(3).await), (2, Tier::L1));
    assert_eq!(shown(&other.read(3).await), (2, Tier::L2));
    assert_eq!(one.cache.stats().overtaken, 1);
}

#[tokio::test(start_paused = true)]
async fn the_lease_alone_keeps_an_old_load_out_when_its_process_hears_nothing() {
    let store = MemoryStore::new();
    let (deaf, other) = (node(&store, still()), node(&store, still()));
    settle().await;
    deaf.link.cut();
    settle().await;
    let gate = Arc::new(Semaphore::new(0));
    let old = deaf.held_load(1, &gate);
    settle().await;
    other.cache.invalidate(&key()).await.unwrap();
    gate.add_permits(1);
    assert_eq!(shown(&old.await.unwrap()), (1, Tier::L3));
    assert_eq!(deaf.cache.peek(&key()), None);
    assert_eq!(shown(&other.read(2).await), (2, Tier::L3));
}

#[tokio::test(start_paused = true)]
async fn a_tag_ends_all_its_entries_in_every_process_and_loads_under_way() {
    let store = MemoryStore::new();
    let (one, other, late) = (node(&store, still()), node(&store, still()), node(&store, still()));
    settle().await;
    one.read_tagged(1, "symbol:600519").await;
    other.read_tagged(2, "symbol:600519").await;
    let untagged = |node: &Node| {
        let cache = node.cache.clone();
        async move {
            cache
                .get_or_compute(&"000001".to_owned(), |_| async { Ok::<_, Infallible>(9) })
                .detail()
                .await
                .unwrap()
        }
    };
    untagged(&one).await;
    assert_eq!(one.hub.invalidate_tag("symbol:600519").await.unwrap(), Done::Applied);
    assert_eq!(one.cache.peek(&key()), None);
    settle().await;
    assert_eq!(other.cache.peek(&key()), None);
    // One that reads it for the first time asks for the mark.
    assert_eq!(shown(&late.read_tagged(3, "symbol:600519").await), (3, Tier::L3));
    assert_eq!(shown(&other.read_tagged(4, "symbol:600519").await), (3, Tier::L2));
    assert_eq!(shown(&untagged(&one).await), (9, Tier::L1));
    one.hub.invalidate_tag("another").await.unwrap();
    settle().await;
    assert_eq!(shown(&other.read_tagged(5, "symbol:600519").await), (3, Tier::L1));
}

#[tokio::test(start_paused = true)]
async fn a_load_that_began_before_its_tag_was_invalidated_is_never_served_again() {
    let store = MemoryStore::new();
    let (one, other) = (node(&store, still()), node(&store, still()));
    settle().await;
    let (cache, gate) = (one.cache.clone(), Arc::new(Semaphore::new(0)));
    let old = tokio::spawn({
        let gate = Arc::clone(&gate);
        async move {
            let load = move |cx: LoadCtx<u64>| async move {
                let _permit = gate.acquire().await;
                cx.tag("day");
                Ok::<_, Infallible>(1)
            };
            cache.get_or_compute(&key(), load).await.unwrap()
        }
    });
    settle().await;
    other.hub.invalidate_tag("day").await.unwrap();
    settle().await;
    gate.add_permits(1);
    assert_eq!(*old.await.unwrap(), 1);
    assert_eq!(one.cache.peek(&key()), None);
    assert_eq!(shown(&other.read_tagged(2, "day").await), (2, Tier::L3));
    assert_eq!(shown(&one.read_tagged(3, "day").await), (2, Tier::L2));
}

#[tokio::test(start_paused = true)]
async fn clearing_ends_all_of_one_cache_and_nothing_of_another() {
    let store = MemoryStore::new();
    let (one, other) = (node(&store, still()), node(&store, still()));
    let quotes: Cache<String, u64> = other.hub.cache("quotes").policy(still()).build().unwrap();
    settle().await;
    let quote = || async {
        quotes.get_or_compute(&key(), |_| async { Ok::<_, Infallible>(7) }).detail().await.unwrap()
    };
    quote().await;
    one.read(1).await;
    other.read(1).await;
    let gate = Arc::new(Semaphore::new(0));
    let slow = one.cache.clone();
    let (slow_key, opened) = ("000001".to_owned(), Arc::clone(&gate));
    let old = tokio::spawn(async move {
        let load = move |_| async move {
            let _permit = opened.acquire().await;
            Ok::<_, Infallible>(1)
        };
        slow.get_or_compute(&slow_key, load).await.unwrap()
    });
    settle().await;
    assert_eq!(other.cache.clear().await.unwrap(), Done::Applied);
    assert_eq!(other.cache.peek(&key()), None);
    settle().await;
    assert_eq!(one.cache.peek(&key()), None);
    gate.add_permits(1);
    old.await.unwrap();
    assert_eq!(one.cache.peek(&"000001".to_owned()), None);
    assert_eq!(shown(&one.read(2).await), (2, Tier::L3));
    assert_eq!(shown(&other.read(3).await), (2, Tier::L2));
    assert_eq!(shown(&quote().await), (7, Tier::L1));
    let fresh = node(&store, still());
    assert_eq!(shown(&fresh.read(4).await), (2, Tier::L2));
}

#[tokio::test(start_paused = true)]
async fn a_pattern_removes_what_it_matches_and_has_the_rest_confirmed() {
    let store = MemoryStore::new();
    let (one, other) = (node(&store, still()), node(&store, still()));
    settle().await;
    let read = |node: &Node, name: &'static str, value: u64| {
        let cache = node.cache.clone();
        async move {
            let load = move |_| async move { Ok::<_, Infallible>(value) };
            cache.get_or_compute(&name.to_owned(), load).detail().await.unwrap()
        }
    };
    for (name, value) in [("600519", 1), ("600036", 2), ("000001", 3)] {
        read(&one, name, value).await;
        read(&other, name, value).await;
    }
    assert_eq!(one.cache.invalidate_pattern("600*").await.unwrap(), 2);
    settle().await;
    let kept = read(&other, "000001", 9).await;
    assert_eq!(shown(&kept), (3, Tier::L2), "confirmed by L2, not loaded");
    assert_eq!(shown(&read(&other, "600519", 4).await), (4, Tier::L3));
    assert_eq!(shown(&read(&one, "600519", 5).await), (4, Tier::L2));
    assert!(one.cache.invalidate_pattern("[").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_set_replaces_everybodys_and_a_load_under_way() {
    let store = MemoryStore::new();
    let (one, other) = (node(&store, still()), node(&store, still()));
    settle().await;
    let gate = Arc::new(Semaphore::new(0));
    let old = one.held_load(1, &gate);
    settle().await;
    assert_eq!(other.cache.set(&key(), 2).await.unwrap(), Done::Applied);
    settle().await;
    gate.add_permits(1);
    old.await.unwrap();
    assert_eq!(shown(&one.read(3).await), (2, Tier::L2));
    assert_eq!(shown(&other.read(3).await), (2, Tier::L1));
    one.cache.set(&key(), 5).await.unwrap();
    settle().await;
    assert_eq!(shown(&other.read(3).await), (5, Tier::L2));
}

#[tokio::test(start_paused = true)]
async fn one_process_loads_and_the_others_wait_for_it() {
    let store = MemoryStore::new();
    let nodes: Vec<Node> = (0..4).map(|_| node(&store, still())).collect();
    settle().await;
    let loads = Arc::new(AtomicUsize::new(0));
    let mut reads = Vec::new();
    for node in &nodes {
        for _ in 0..50 {
            let (cache, loads) = (node.cache.clone(), Arc::clone(&loads));
            reads.push(tokio::spawn(async move {
                let load = move |_| async move {
                    loads.fetch_add(1, Ordering::SeqCst);
                    // Longer than a lease lasts: it has to be renewed.
                    sleep(Duration::from_secs(7)).await;
                    Ok::<_, Infallible>(1)
                };
                *cache.get_or_compute(&key(), load).await.unwrap()
            }));
        }
    }
    for read in reads {
        assert_eq!(read.await.unwrap(), 1);
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    assert!(nodes.iter().all(|node| node.cache.stats().in_flight == 0));
}

#[tokio::test(start_paused = true)]
async fn when_the_loader_of_one_process_fails_the_next_one_tries() {
    let store = MemoryStore::new();
    let (one, other) = (node(&store, still()), node(&store, still()));
    settle().await;
    let cache = one.cache.clone();
    let failing = tokio::spawn(async move {
        let load = |_| async {
            sleep(Duration::from_millis(300)).await;
            Err::<u64, _>(std::fmt::Error)
        };
        cache.get_or_compute(&key(), load).await
    });
    settle().await;
    let began = tokio::time::Instant::now();
    assert_eq!(shown(&other.read(2).await), (2, Tier::L3));
    assert!(began.elapsed() < Duration::from_millis(320), "it was woken, {:?}", began.elapsed());
    assert!(failing.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_expires_in_l2_is_loaded_once_more_by_one() {
    let store = MemoryStore::new();
    let policy = Policy { ttl: Duration::from_secs(10), early_refresh: 0.0, ..still() };
    let (one, other) = (node(&store, policy.clone()), node(&store, policy));
    settle().await;
    one.read(1).await;
    other.read(1).await;
    advance(Duration::from_secs(10)).await;
    assert_eq!(shown(&one.read(2).await), (2, Tier::L3));
    assert_eq!(shown(&other.read(3).await), (2, Tier::L2));
}

#[tokio::test(start_paused = true)]
async fn two_caches_of_one_name_in_one_hub_are_refused() {
    let node = node(&MemoryStore::new(), still());
    let again = node.hub.cache::<String, u64>("bars").build().unwrap_err();
    assert!(again.to_string().contains("bars"), "{again}");
}

#[tokio::test(start_paused = true)]
async fn not_modified_keeps_the_value_for_another_life_with_its_entity_tag() {
    let store = MemoryStore::new();
    let policy = Policy {
        ttl: Duration::from_secs(10),
        l1_ttl: Duration::from_secs(5),
        stale_if_error: Duration::from_secs(60),
        early_refresh: 0.0,
        ..still()
    };
    let node = node(&store, policy);
    settle().await;
    let load = |cx: LoadCtx<u64>| async move {
        if cx.etag() == Some("v1") {
            assert_eq!(cx.stale().as_deref(), Some(&1));
            cx.set_etag("v1");
            return Ok::<_, Infallible>(Loaded::NotModified);
        }
        cx.set_etag("v1");
        Ok(Loaded::Value(1))
    };
    let first = node.cache.get_or_load(&key(), load).await.unwrap().unwrap();
    advance(Duration::from_secs(11)).await;
    let second = node.cache.get_or_load(&key(), load).await.unwrap().unwrap();
    assert_eq!((shown(&second), second.stale), ((1, Tier::L3), None));
    assert!(Arc::ptr_eq(&first.value, &second.value));
    assert_eq!(node.cache.stats().loads, 2);
    node.cache.drop_l1();
    assert_eq!(shown(&node.cache.get_or_load(&key(), load).await.unwrap().unwrap()), (1, Tier::L2));
}
