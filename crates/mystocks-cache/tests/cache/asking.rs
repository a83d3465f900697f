//! What a caller may count on however it asks: its time, its age, and its stack.

use std::convert::Infallible;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use mystocks_cache::{Cache, MemoryStore, Policy, Tier};
use mystocks_keys::Keyspace;
use serde::{Deserialize, Deserializer, Serialize};

use crate::nodes::{Node, node, settle};
use crate::scripted::ScriptedStore;
use crate::tiers::{process, still};

/// A value of which decoding takes so many milliseconds.
#[derive(Debug, Clone, Serialize)]
struct Slow(u64);

impl<'de> Deserialize<'de> for Slow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ms = u64::deserialize(deserializer)?;
        thread::sleep(Duration::from_millis(ms));
        Ok(Self(ms))
    }
}

#[tokio::test(start_paused = true)]
async fn who_loses_the_race_for_the_lead_five_thousand_times_is_answered() {
    let store = Arc::new(ScriptedStore::holding_reads());
    let cache = process(&store, still());
    let key = "600519".to_owned();
    let ask = || Box::pin(cache.get_or_compute(&key, |_| async { Ok::<_, Infallible>(vec![1]) }).detail());
    let racing = async {
        let mut leader = ask();
        assert!(futures::poll!(&mut leader).is_pending());
        let mut waiter = ask();
        assert!(futures::poll!(&mut waiter).is_pending());
        for _ in 0..5_000 {
            let mut next = ask();
            drop(leader);
            assert!(futures::poll!(&mut next).is_pending());
            assert!(futures::poll!(&mut waiter).is_pending());
            leader = next;
        }
        assert_eq!(cache.stats().in_flight, 1);
        store.gate.add_permits(10_000);
        let (leader, waiter) = futures::join!(leader, waiter);
        assert_eq!((leader.unwrap().tier, waiter.unwrap().tier), (Tier::L3, Tier::L3));
        assert_eq!((cache.stats().in_flight, cache.stats().loads), (0, 1));
    };
    tokio::task::unconstrained(racing).await;
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_caller_begins_when_it_waits() {
    let store = Arc::new(ScriptedStore::new());
    let cache = process(&store, Policy { hard_timeout: Some(Duration::from_secs(1)), ..still() });
    let load = |_| async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        Ok::<_, Infallible>(vec![1])
    };
    let later = cache.get_or_compute(&"600519".to_owned(), load);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(*later.await.unwrap(), vec![1]);
}

#[tokio::test]
async fn decoding_makes_nothing_younger() {
    let store = Arc::new(ScriptedStore::new());
    let make = || -> Cache<String, Slow> {
        let builder = Cache::builder("bars", &Keyspace::default()).policy(still());
        builder.store(Arc::clone(&store)).build().unwrap()
    };
    let get = async |cache: &Cache<String, Slow>, ms: u64| {
        let load = move |_| async move { Ok::<_, Infallible>(Slow(ms)) };
        cache.get_or_compute(&ms.to_string(), load).detail().await.unwrap()
    };
    let (first, second) = (make(), make());
    for ms in [0, 400] {
        get(&first, ms).await;
    }
    let loaded = std::time::Instant::now();
    thread::sleep(Duration::from_millis(50));
    for (ms, tier, decoding) in [(0, Tier::L2, 0), (400, Tier::L2, 400), (0, Tier::L1, 0)] {
        let least = loaded.elapsed() + Duration::from_millis(decoding);
        let found = get(&second, ms).await;
        assert_eq!(found.tier, tier);
        assert!(found.age + Duration::from_millis(5) >= least, "{found:?} is at least {least:?} old");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clear_counts_for_who_knew_the_mark_from_many_reads_before() {
    let store = MemoryStore::new();
    let (here, there) = (node(&store, still()), node(&store, still()));
    settle().await;
    let read = async |node: &Node, key: usize, value: u64| {
        let load = move |_| async move { Ok::<_, Infallible>(value) };
        let found = node.cache.get_or_compute(&key.to_string(), load).detail().await.unwrap();
        (*found.value, found.tier)
    };
    for round in 1..=3 {
        for key in 0..10 {
            assert_eq!(read(&there, key, round).await, (round, Tier::L3));
        }
        // The mark is learned by the first of them, and remembered for the others.
        for key in 0..5 {
            assert_eq!(read(&here, key, 0).await, (round, Tier::L2));
        }
        there.cache.clear().await.unwrap();
        settle().await;
        for key in 0..10 {
            assert_eq!(read(&here, key, 100 + round).await, (100 + round, Tier::L3), "what L2 has is over");
        }
        here.cache.clear().await.unwrap();
        settle().await;
    }
}
