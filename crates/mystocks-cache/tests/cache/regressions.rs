//! What was once wrong between the parts: each of these was found by trying to break them together.

use std::convert::Infallible;
use std::sync::Arc;

use mystocks_cache::{
    Cache, CacheHub, Coherence, Cursor, Done, Keyspace, LoadCtx, Loaded, MemoryStore, Policy, Store, Tier,
};
use tokio::sync::Semaphore;
use tokio::time::{advance, sleep, timeout};

use crate::faulty::{Fleet, Mode, millis, plain, secs};
use crate::nodes::{Node, key, node, settle, still};

type Answer = tokio::task::JoinHandle<Result<Arc<u64>, mystocks_cache::Error>>;

fn gated(cache: &Cache<String, u64>, value: u64, gate: &Arc<Semaphore>) -> Answer {
    let (cache, gate) = (cache.clone(), Arc::clone(gate));
    tokio::spawn(async move {
        let load = move |_| async move {
            let _permit = gate.acquire().await;
            Ok::<_, Infallible>(value)
        };
        cache.get_or_compute(&key(), load).await
    })
}

#[tokio::test(start_paused = true)]
async fn another_processs_absence_does_not_answer_who_knows_the_value() {
    let store = MemoryStore::new();
    let (one, other) = (node(&store, still()), node(&store, still()));
    settle().await;
    let gate = Arc::new(Semaphore::new(0));
    let (cache, opened) = (one.cache.clone(), Arc::clone(&gate));
    let absent = tokio::spawn(async move {
        let load = move |_| async move {
            let _permit = opened.acquire().await;
            Ok::<_, Infallible>(Loaded::Absent)
        };
        cache.get_or_load(&key(), load).await
    });
    settle().await;
    let reading = gated(&other.cache, 7, &Arc::new(Semaphore::new(1)));
    sleep(millis(50)).await;
    gate.add_permits(1);
    assert!(absent.await.unwrap().unwrap().is_none());
    assert_eq!(*reading.await.unwrap().unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_cache_without_l2_has_an_l1() {
    let cache: Cache<String, u64> = Cache::builder("alone", &Keyspace::default()).build().unwrap();
    let read = |value: u64| {
        let load = move |_| async move { Ok::<_, Infallible>(value) };
        cache.get_or_compute(&key(), load).detail()
    };
    assert_eq!(read(1).await.unwrap().tier, Tier::L3);
    let again = read(2).await.unwrap();
    assert_eq!((*again.value, again.tier), (1, Tier::L1));
    let load =
        |keys: Vec<String>| async { Ok::<_, Infallible>(keys.into_iter().map(|key| (key, 3)).collect()) };
    let names = ["600036".to_owned()];
    cache.get_or_compute_many(&names, load).await.unwrap();
    assert_eq!(cache.peek(&names[0]).as_deref(), Some(&3));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_takes_nothing_costs_one_load_a_key() {
    let fleet = Fleet::new();
    let nodes = [fleet.node(plain())];
    settle().await;
    fleet.out(Mode::RefuseWrites, &nodes);
    let mut loads = 0;
    for round in 0..12 {
        loads += usize::from(nodes[0].read("k", round).await.tier == Tier::L3);
        sleep(millis(100)).await;
    }
    assert_eq!(loads, 1);
}

#[tokio::test(start_paused = true)]
async fn of_a_clear_and_a_set_that_both_waited_the_later_counts() {
    let fleet = Fleet::new();
    let nodes = [fleet.node(plain()), fleet.node(plain())];
    settle().await;
    fleet.out(Mode::Fail, &nodes);
    assert_eq!(nodes[0].cache.clear().await.unwrap(), Done::Queued);
    sleep(millis(10)).await;
    assert_eq!(nodes[0].cache.set(&"k".to_owned(), 5).await.unwrap(), Done::Queued);
    sleep(secs(2)).await;
    fleet.back(&nodes);
    sleep(secs(4)).await;
    for node in &nodes {
        assert_eq!(*node.read("k", 9).await.value, 5);
    }
}

fn sharing(store: &MemoryStore) -> (CacheHub, Cache<String, u64>) {
    let (leases, backplane) = store.process();
    let hub = CacheHub::new(&Keyspace::default(), store.clone(), leases, backplane, Coherence::Backplane);
    let cache = hub.cache("bars").policy(Policy { ttl: secs(2), ..still() }).shared_format().build().unwrap();
    (hub, cache)
}

#[tokio::test(start_paused = true)]
async fn who_waited_for_a_shared_entry_keeps_it_no_longer_than_l2_does() {
    let store = MemoryStore::new();
    let (one, other) = (sharing(&store), sharing(&store));
    settle().await;
    let gate = Arc::new(Semaphore::new(0));
    let loading = gated(&one.1, 1, &gate);
    settle().await;
    let waiting = gated(&other.1, 2, &Arc::new(Semaphore::new(1)));
    sleep(millis(50)).await;
    gate.add_permits(1);
    assert_eq!((*loading.await.unwrap().unwrap(), *waiting.await.unwrap().unwrap()), (1, 1));
    assert_eq!(other.1.peek(&key()).as_deref(), Some(&1));
    advance(secs(3)).await;
    assert_eq!(other.1.peek(&key()), None);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_where_python_reads_when_there_is_no_such_thing() {
    let store = MemoryStore::new();
    let (_hub, cache) = sharing(&store);
    settle().await;
    let load = |_| async { Ok::<_, Infallible>(Loaded::Absent) };
    assert!(cache.get_or_load(&key(), load).await.unwrap().is_none());
    let many = |_: Vec<String>| async { Ok::<_, Infallible>(std::collections::HashMap::new()) };
    assert!(cache.get_or_compute_many(&["000001".to_owned()], many).await.unwrap().is_empty());
    let left = store.scan("*", Cursor::START).await.unwrap().keys;
    assert!(left.iter().all(|key| key.contains("own:_")), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn a_clear_whose_caller_went_away_is_told_all_the_same() {
    let fleet = Fleet::new();
    let nodes = [fleet.node(plain())];
    settle().await;
    nodes[0].read("k", 1).await;
    fleet.out(Mode::Hang, &nodes);
    assert!(timeout(millis(10), nodes[0].cache.clear()).await.is_err());
    fleet.back(&nodes);
    sleep(secs(10)).await;
    assert_eq!(nodes[0].read("k", 2).await.tier, Tier::L3);
    nodes[0].cache.drop_l1();
    let confirmed = nodes[0].read("k", 3).await;
    assert_eq!((*confirmed.value, confirmed.tier), (2, Tier::L2), "L2 is trusted again");
}

#[tokio::test(start_paused = true)]
async fn nobody_joins_an_old_load_while_nothing_is_heard() {
    let store = MemoryStore::new();
    let (deaf, other) = (node(&store, still()), node(&store, still()));
    settle().await;
    let gate = Arc::new(Semaphore::new(0));
    let old = gated(&deaf.cache, 1, &gate);
    settle().await;
    deaf.link.cut();
    settle().await;
    other.cache.invalidate(&key()).await.unwrap();
    sleep(secs(5)).await;
    let new = gated(&deaf.cache, 2, &Arc::new(Semaphore::new(1)));
    settle().await;
    gate.add_permits(1);
    assert_eq!((*old.await.unwrap().unwrap(), *new.await.unwrap().unwrap()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_under_way_answers_nobody_while_nothing_is_heard() {
    let store = MemoryStore::new();
    let policy = || Policy { ttl: secs(60), early_refresh: 100.0, ..still() };
    let (deaf, other) = (node(&store, policy()), node(&store, policy()));
    settle().await;
    let slow = |node: &Node, value: u64, takes: u64| {
        let cache = node.cache.clone();
        async move {
            let load = move |_| async move {
                sleep(millis(takes)).await;
                Ok::<_, Infallible>(value)
            };
            cache.get_or_compute(&key(), load).await.unwrap()
        }
    };
    slow(&deaf, 1, 500).await;
    while deaf.cache.stats().refreshes == 0 {
        slow(&deaf, 2, 20_000).await;
        sleep(millis(600)).await;
    }
    deaf.link.cut();
    settle().await;
    other.cache.invalidate(&key()).await.unwrap();
    sleep(secs(5)).await;
    assert_eq!(*slow(&deaf, 3, 1).await, 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_modified_keeps_its_tags_and_its_entity_tag() {
    let store = MemoryStore::new();
    let policy = Policy { ttl: secs(2), stale_if_error: secs(60), early_refresh: 0.0, ..still() };
    let node = node(&store, policy);
    settle().await;
    let first = |cx: LoadCtx<u64>| async move {
        cx.tag("day:monday");
        cx.set_etag("v1");
        Ok::<_, Infallible>(Loaded::Value(1))
    };
    let again = |cx: LoadCtx<u64>| async move {
        assert_eq!(cx.etag(), Some("v1"));
        Ok::<_, Infallible>(Loaded::NotModified)
    };
    node.cache.get_or_load(&key(), first).await.unwrap();
    for _ in 0..2 {
        sleep(secs(3)).await;
        assert_eq!(*node.cache.get_or_load(&key(), again).await.unwrap().unwrap().value, 1);
    }
    node.hub.invalidate_tag("day:monday").await.unwrap();
    assert_eq!(node.cache.peek(&key()), None);
    let new = |_| async { Ok::<_, Infallible>(Loaded::Value(2)) };
    assert_eq!(*node.cache.get_or_load(&key(), new).await.unwrap().unwrap().value, 2);
}

#[tokio::test(start_paused = true)]
async fn a_hub_in_memory_hears_the_others_from_its_first_moment() {
    let node = node(&MemoryStore::new(), still());
    assert!(node.hub.state().hears_others);
    assert_eq!((node.read(1).await.tier, node.read(2).await.tier), (Tier::L3, Tier::L1));
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_is_shut_down_trusts_nothing_for_long() {
    let store = MemoryStore::new();
    let (one, other) = (node(&store, still()), node(&store, still()));
    settle().await;
    one.read(1).await;
    other.read(1).await;
    one.hub.shutdown().await;
    assert!(!one.hub.state().hears_others);
    other.cache.clear().await.unwrap();
    sleep(secs(2)).await;
    assert_eq!(*one.read(2).await.value, 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_loaded_without_l2_outlasts_an_older_stale_entry_of_l2() {
    let fleet = Fleet::new();
    let node = fleet.node(Policy { ttl: secs(10), stale_if_error: secs(3600), ..plain() });
    settle().await;
    for key in ["one", "batch", "many"] {
        node.read(key, 1).await;
    }
    sleep(secs(11)).await;
    fleet.set(Mode::Fail);
    for key in ["one", "batch", "many"] {
        assert_eq!(*node.read(key, 2).await.value, 2);
    }
    fleet.set(Mode::Answer);
    // Until L2 is asked again.
    sleep(secs(2)).await;
    let seen = |outcome: &mystocks_cache::Outcome<u64>| (*outcome.value, outcome.tier);
    assert_eq!(seen(&node.read("one", 3).await), (2, Tier::L1));
    let load =
        |keys: Vec<String>| async { Ok::<_, Infallible>(keys.into_iter().map(|key| (key, 3)).collect()) };
    let batch = node.cache.get_or_compute_many(&["batch".to_owned()], load).await.unwrap();
    assert_eq!(*batch["batch"], 2);
    let many = node.cache.get_many(&["many".to_owned()]).await.unwrap().remove(0);
    assert_eq!(many.as_ref().map(seen), Some((2, Tier::L1)));
}

#[tokio::test(start_paused = true)]
async fn what_was_read_before_a_value_was_set_does_not_take_its_place() {
    let fleet = Fleet::new();
    let node = fleet.node(Policy { l2_timeout: secs(5), ..plain() });
    settle().await;
    let key = "600519".to_owned();
    node.read(&key, 1).await;
    node.cache.drop_l1();
    // By its stamps alone the value that is set would be the older one.
    node.skew_ms.store(-10_000, std::sync::atomic::Ordering::SeqCst);
    fleet.set(Mode::LateReads(secs(2)));
    let (cache, set) = (node.cache.clone(), key.clone());
    let setting = tokio::spawn(async move { cache.set(&set, 2).await.unwrap() });
    settle().await;
    let read = node.cache.get_many(std::slice::from_ref(&key)).await.unwrap().remove(0);
    assert_eq!(read.map(|read| *read.value), Some(1), "it began before");
    assert_eq!(setting.await.unwrap(), Done::Queued);
    assert_eq!(node.cache.peek(&key).as_deref(), Some(&2));
}

#[tokio::test(start_paused = true)]
async fn a_set_that_was_overtaken_leaves_nothing_of_before_in_l1() {
    let fleet = Fleet::new();
    let slow = fleet.node(Policy { l2_timeout: secs(1), ..plain() });
    let other = node(&fleet.store, still());
    settle().await;
    slow.read(&key(), 1).await;
    // It hears nothing of the other's change, so only its own attempt tells it.
    slow.link.cut();
    settle().await;
    // So that it knows the marks, and one request answers.
    slow.cache.drop_l1();
    slow.read(&key(), 9).await;
    fleet.set(Mode::Slow(millis(10)));
    let cache = slow.cache.clone();
    let setting = tokio::spawn(async move { cache.set(&key(), 2).await.unwrap() });
    sleep(millis(1)).await;
    let read = slow.cache.get_many(&[key()]).await.unwrap().remove(0);
    assert_eq!(read.map(|read| *read.value), Some(1), "it is not written yet");
    assert_eq!(slow.cache.peek(&key()).as_deref(), Some(&1));
    assert_eq!(other.cache.set(&key(), 3).await.unwrap(), Done::Applied);
    assert_eq!(setting.await.unwrap(), Done::Applied);
    assert_eq!(slow.cache.peek(&key()), None);
    assert_eq!(*slow.read(&key(), 9).await.value, 3);
}
