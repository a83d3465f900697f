//! Entries are replaced before their end, by one process and with nobody waiting; and what was stored together does not end
//! together.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use futures::FutureExt;
use mystocks_cache::{Lifetime, Policy, Staleness, Store};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::faulty::{Fleet, Node, assert_ledger, millis, plain, secs};
use crate::nodes::settle;

fn eager() -> Policy {
    Policy { ttl: secs(60), early_refresh: 1.0, l1_ttl: secs(120), ..plain() }
}

/// The loads of the whole fleet; each makes a value of its own.
#[derive(Default)]
struct Loads {
    made: AtomicU64,
    last: std::sync::Mutex<Option<Instant>>,
}

/// Reads once and returns whether there was any waiting.
fn read_at_once(node: &Node, loads: &Arc<Loads>) -> bool {
    let loads = Arc::clone(loads);
    let load = move |_| async move {
        let value = loads.made.fetch_add(1, Ordering::SeqCst);
        *loads.last.lock().unwrap() = Some(Instant::now());
        sleep(millis(200)).await;
        Ok::<_, Infallible>(value)
    };
    node.cache.get_or_compute(&"600519".to_owned(), load).now_or_never().is_some()
}

#[tokio::test(start_paused = true)]
async fn a_hot_key_is_refreshed_once_a_window_and_blocks_nobody() {
    const WINDOWS: u64 = 20;
    let fleet = Fleet::new();
    let nodes: Vec<Node> = (0..4).map(|_| fleet.node(Policy { jitter: 0.1, ..eager() })).collect();
    settle().await;
    for node in &nodes {
        node.read("600519", 1).await;
    }
    // The first load took no time at all, so it is the second one from which there is something to know.
    nodes[0].cache.invalidate(&"600519".to_owned()).await.unwrap();
    let loads = Arc::<Loads>::default();
    settle().await;
    for node in &nodes {
        read_at_once(node, &loads);
        sleep(millis(300)).await;
        assert!(read_at_once(node, &loads));
    }
    let (begin, mut reads, mut blocked) = (Instant::now(), 0_u64, 0_u64);
    while begin.elapsed() < secs(60 * WINDOWS) {
        // At twelve times the load's time before the end, 2.4 s, the first draw is made: until then 5,000 hits a second are
        // like ten.
        let calm =
            loads.last.lock().unwrap().is_some_and(|last| (secs(1)..secs(51)).contains(&last.elapsed()));
        let (count, pause) = if calm { (1, millis(100)) } else { (5, millis(1)) };
        for node in &nodes {
            for _ in 0..count {
                reads += 1;
                blocked += u64::from(!read_at_once(node, &loads));
            }
        }
        sleep(pause).await;
    }
    let made = loads.made.load(Ordering::SeqCst) - 1;
    println!("{made} loads in {WINDOWS} windows, {blocked} of {reads} reads waited");
    assert_eq!(blocked, 0);
    assert!((WINDOWS - 1..=WINDOWS * 12 / 10).contains(&made), "{made} loads");
    sleep(secs(1)).await;
    for node in &nodes {
        assert_eq!(node.cache.stats().in_flight, 0);
    }
}

/// A node with an entry of value 1 that took 200 ms and has 100 ms left.
async fn near_the_end(policy: Policy) -> (Fleet, Node) {
    let fleet = Fleet::new();
    let node = fleet.node(policy);
    settle().await;
    let load = |_| async {
        sleep(millis(200)).await;
        Ok::<_, Infallible>(1)
    };
    node.cache.get_or_compute(&"600519".to_owned(), load).await.unwrap();
    sleep(secs(60) - millis(100)).await;
    (fleet, node)
}

/// Reads until a refresh has begun, and returns how often.
async fn until_refreshing(node: &Node, gate: &Arc<Semaphore>, answer: Result<u64, std::fmt::Error>) -> u64 {
    let started = Arc::new(AtomicUsize::new(0));
    for round in 1.. {
        let (gate, begun) = (Arc::clone(gate), Arc::clone(&started));
        let load = move |_| async move {
            begun.fetch_add(1, Ordering::SeqCst);
            let _permit = gate.acquire().await;
            answer
        };
        assert_eq!(*node.cache.get_or_compute(&"600519".to_owned(), load).await.unwrap(), 1);
        settle().await;
        if started.load(Ordering::SeqCst) > 0 {
            return round;
        }
        assert!(round < 15, "not refreshed in time");
    }
    unreachable!("the range has no end")
}

/// Nearly certain to refresh at the first read.
fn very_eager() -> Policy {
    Policy { early_refresh: 50.0, ..eager() }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_fails_leaves_the_value() {
    let (_fleet, node) = near_the_end(very_eager()).await;
    let gate = Arc::new(Semaphore::new(1));
    let reads = until_refreshing(&node, &gate, Err(std::fmt::Error)).await;
    assert_eq!(*node.read("600519", 9).await.value, 1);
    assert_eq!(node.cache.stats().refreshes, 1, "and it is not tried again at once");
    assert_ledger(&node.cache, 1 + reads + 1);
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_during_a_refresh_wins() {
    for by_other in [false, true] {
        let (fleet, node) = near_the_end(very_eager()).await;
        let other = fleet.node(very_eager());
        let gate = Arc::new(Semaphore::new(0));
        settle().await;
        until_refreshing(&node, &gate, Ok(2)).await;
        let by = if by_other { &other } else { &node };
        let _done = by.cache.invalidate(&"600519".to_owned()).await.unwrap();
        settle().await;
        gate.add_permits(1);
        settle().await;
        assert_eq!(node.cache.peek(&"600519".to_owned()), None);
        assert_eq!(*other.read("600519", 3).await.value, 3, "by other: {by_other}");
        assert_eq!(*node.read("600519", 4).await.value, 3, "by other: {by_other}");
        assert_eq!(node.cache.stats().overtaken, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_longer_than_the_rest_of_the_life_installs_and_the_old_value_is_not_fresh_meanwhile() {
    for stale in [0, 30] {
        let policy = Policy { stale_if_error: secs(stale), soft_timeout: Some(millis(50)), ..very_eager() };
        let (_fleet, node) = near_the_end(policy).await;
        let gate = Arc::new(Semaphore::new(0));
        until_refreshing(&node, &gate, Ok(2)).await;
        sleep(secs(5)).await;
        if stale > 0 {
            let read = node.read("600519", 9).await;
            assert_eq!((*read.value, read.stale), (1, Some(Staleness::LoadSlow)), "past its end");
        }
        gate.add_permits(1);
        settle().await;
        let read = node.read("600519", 9).await;
        assert_eq!((*read.value, read.stale, node.cache.stats().loads), (2, None, 2), "stale {stale}");
    }
}

#[tokio::test(start_paused = true)]
async fn looking_without_reading_takes_nobodys_turn_to_refresh() {
    let (_fleet, node) = near_the_end(very_eager()).await;
    for _ in 0..100 {
        assert_eq!(node.cache.peek(&"600519".to_owned()).as_deref(), Some(&1));
        assert!(node.cache.get_many(&["600519".to_owned()]).await.unwrap()[0].is_some());
    }
    let gate = Arc::new(Semaphore::new(1));
    assert!(until_refreshing(&node, &gate, Ok(2)).await <= 3);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_only_batches_read_is_refreshed_too() {
    let (_fleet, node) = near_the_end(very_eager()).await;
    for _ in 0..3 {
        let load = |keys: Vec<String>| async move {
            Ok::<_, Infallible>(keys.into_iter().map(|key| (key, 2)).collect())
        };
        node.cache.get_or_compute_many(&["600519".to_owned()], load).await.unwrap();
        settle().await;
    }
    assert_eq!(node.cache.peek(&"600519".to_owned()).as_deref(), Some(&2));
    assert_eq!(node.cache.stats().refreshes, 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_stored_together_does_not_expire_together() {
    const KEYS: usize = 100_000;
    let fleet = Fleet::new();
    let node = fleet.node(Policy { jitter: 0.1, ..eager() });
    settle().await;
    for from in (0..KEYS).step_by(1_000) {
        let keys: Vec<String> = (from..from + 1_000).map(|key| format!("{key}")).collect();
        let load = |keys: Vec<String>| async move {
            Ok::<_, Infallible>(keys.into_iter().map(|key| (key, 1)).collect())
        };
        node.cache.get_or_compute_many(&keys, load).await.unwrap();
    }
    let mut ends: Vec<u128> = Vec::with_capacity(KEYS);
    for key in 0..KEYS {
        match fleet.store.touch(&format!("mystocks:own:bars:{key}"), None).await.unwrap() {
            Lifetime::Expires(left) => ends.push(left.as_millis()),
            other => panic!("{key}: {other:?}"),
        }
    }
    ends.sort_unstable();
    assert!(*ends.first().unwrap() >= 53_900 && *ends.last().unwrap() <= 60_000);
    let most =
        ends.iter().enumerate().map(|(at, end)| ends[at..].partition_point(|later| *later < end + 1_000));
    let most = most.max().unwrap();
    println!("{most} of {KEYS} expire in one second, the mean over six is {}", KEYS / 6);
    assert!(most <= 2 * KEYS / 6, "{most}");
}
