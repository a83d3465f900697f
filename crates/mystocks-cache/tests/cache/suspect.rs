//! What an invalidation that was heard may have ended without naming it is served by nobody before L2 was asked.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mystocks_cache::{CacheHub, Coherence, Done, ErrorKind, Keyspace, LoadCtx, Outcome, Policy, Tier};
use mystocks_cache::{Error, Staleness};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{advance, sleep};

use crate::faulty::{Fleet, Mode, Node, millis, plain, secs};
use crate::nodes::{self, settle};
use crate::scripted::ScriptedStore;

const KEY: &str = "600519";
/// Each of them longer than a read waits for L2.
const AWAY: [Mode; 3] = [Mode::Fail, Mode::Hang, Mode::Slow(millis(100))];

fn key() -> String {
    KEY.to_owned()
}

/// Fresh for 10 s, stale for a minute more, and served so after 50 ms.
fn soft() -> Policy {
    Policy {
        ttl: secs(10),
        stale_if_error: secs(60),
        soft_timeout: Some(millis(50)),
        retry_after: secs(1),
        ..plain()
    }
}

fn shown(outcome: &Outcome<u64>) -> (u64, Tier, Option<Staleness>) {
    (*outcome.value, outcome.tier, outcome.stale)
}

/// A process that holds the value 1, and another.
async fn two(policy: Policy) -> (Fleet, Node, Node) {
    let fleet = Fleet::new();
    let (here, there) = (fleet.node(policy.clone()), fleet.node(policy));
    settle().await;
    here.read(KEY, 1).await;
    (fleet, here, there)
}

/// Loads in `takes`, or fails then.
async fn read(node: &Node, takes: Duration, value: Option<u64>) -> Result<Outcome<u64>, Error> {
    let load = move |_| async move {
        sleep(takes).await;
        value.ok_or(std::fmt::Error)
    };
    node.cache.get_or_compute(&key(), load).detail().await
}

/// The same by a batch.
async fn read_in_batch(node: &Node, takes: Duration, value: Option<u64>) -> Result<u64, Error> {
    let load = move |keys: Vec<String>| async move {
        sleep(takes).await;
        let value = value.ok_or(std::fmt::Error)?;
        Ok::<_, std::fmt::Error>(keys.into_iter().map(|key| (key, value)).collect())
    };
    let values = node.cache.get_or_compute_many(&[key()], load).await?;
    Ok(*values[KEY])
}

#[tokio::test(start_paused = true)]
async fn a_pattern_that_was_heard_outlasts_the_outage_after_it() {
    for mode in AWAY {
        for batch in [false, true] {
            let (fleet, here, there) = two(plain()).await;
            there.cache.invalidate_pattern("*").await.unwrap();
            settle().await;
            fleet.set(mode);
            assert_eq!(here.cache.get_many(&[key()]).await.unwrap()[0].as_ref().map(shown), None, "{mode:?}");
            if batch {
                assert_eq!(read_in_batch(&here, millis(1), Some(2)).await.unwrap(), 2, "{mode:?}");
            } else {
                let loaded = read(&here, millis(1), Some(2)).await.unwrap();
                assert_eq!(shown(&loaded), (2, Tier::L3, None), "{mode:?}");
            }
            assert_eq!(shown(&here.read(KEY, 3).await), (2, Tier::L1, None), "{mode:?}: loaded once");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_pattern_may_have_ended_is_not_served_as_stale_while_l2_is_away() {
    for mode in AWAY {
        for batch in [false, true] {
            for over_first in [false, true] {
                let (fleet, here, there) = two(soft()).await;
                if over_first {
                    advance(secs(11)).await;
                }
                there.cache.invalidate_pattern("*").await.unwrap();
                settle().await;
                if !over_first {
                    advance(secs(11)).await;
                }
                fleet.set(mode);
                let how = format!("{mode:?}, batch: {batch}, over first: {over_first}");
                let (failed, slow) = if batch {
                    let failed = read_in_batch(&here, millis(1), None).await;
                    (failed, read_in_batch(&here, millis(200), Some(2)).await.unwrap())
                } else {
                    let failed = read(&here, millis(1), None).await.map(|outcome| *outcome.value);
                    let slow = read(&here, millis(200), Some(2)).await.unwrap();
                    assert_eq!(slow.stale, None, "{how}");
                    (failed, *slow.value)
                };
                assert_eq!(failed.unwrap_err().kind(), ErrorKind::Load, "{how}");
                assert_eq!(slow, 2, "{how}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_only_a_lost_link_put_in_doubt_is_served_while_l2_is_away() {
    for mode in AWAY {
        let (fleet, here, _there) = two(plain()).await;
        here.link.cut();
        sleep(millis(200)).await;
        here.link.heal();
        settle().await;
        fleet.set(mode);
        let served = here.cache.get_many(&[key()]).await.unwrap();
        assert_eq!(served[0].as_ref().map(shown), Some((1, Tier::L1, None)), "{mode:?}");
        assert_eq!(shown(&here.read(KEY, 2).await), (1, Tier::L1, None), "{mode:?}");
        let (fleet, here, _there) = two(soft()).await;
        advance(secs(11)).await;
        here.link.cut();
        sleep(millis(200)).await;
        here.link.heal();
        settle().await;
        fleet.set(mode);
        let late = read(&here, millis(200), Some(2)).await.unwrap();
        assert_eq!(shown(&late), (1, Tier::L1, Some(Staleness::LoadSlow)), "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_looked_at_before_a_pattern_was_heard_is_not_served_after_it() {
    let (fleet, here, there) = two(soft()).await;
    advance(secs(11)).await;
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    // It looks into L1 now, and goes on when it is awaited.
    let first = here.cache.get_or_compute(&key(), move |_| async move {
        let _permit = opened.acquire().await;
        Ok::<_, Infallible>(2)
    });
    there.cache.invalidate_pattern("*").await.unwrap();
    settle().await;
    fleet.set(Mode::Fail);
    let first = tokio::spawn(first);
    settle().await;
    let joined = tokio::spawn({
        let cache = here.cache.clone();
        async move { cache.get_or_compute(&key(), |_| async { Ok::<_, Infallible>(3) }).detail().await }
    });
    sleep(millis(500)).await;
    gate.add_permits(1);
    assert_eq!(shown(&joined.await.unwrap().unwrap()), (2, Tier::L3, None));
    assert_eq!(*first.await.unwrap().unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn l2_s_own_stale_entry_goes_before_one_that_a_pattern_may_have_ended() {
    for batch in [false, true] {
        let (fleet, here, there) = two(soft()).await;
        advance(secs(11)).await;
        fleet.set(Mode::Fail);
        assert_eq!(shown(&here.read(KEY, 2).await), (2, Tier::L3, None));
        fleet.set(Mode::Answer);
        there.cache.invalidate_pattern("000*").await.unwrap();
        advance(secs(11)).await;
        settle().await;
        if batch {
            assert_eq!(read_in_batch(&here, millis(1), None).await.unwrap(), 1);
        } else {
            let served = read(&here, millis(1), None).await.unwrap();
            assert_eq!(shown(&served), (1, Tier::L2, Some(Staleness::LoadFailed)));
        }
    }
}

/// Seeds of which about every third has the reader of an entry that is nearly over refresh it.
const SEEDS: std::ops::Range<u64> = 0..16;

/// A process that has begun to read from L2 an entry of value 1 that is nearly over, and another.
async fn reading(seed: u64) -> (Arc<ScriptedStore>, nodes::Node, nodes::Node, JoinHandle<Outcome<u64>>) {
    fastrand::seed(seed);
    let policy = Policy { ttl: secs(60), early_refresh: 100.0, jitter: 0.0, ..Policy::default() };
    let store = Arc::new(ScriptedStore::holding_reads());
    let there = nodes::node(&store.memory, policy.clone());
    let (leases, link) = store.memory.process();
    let keyspace = Keyspace::default();
    let hub = CacheHub::new(&keyspace, Arc::clone(&store), leases, link.clone(), Coherence::Backplane);
    let cache = hub.cache("bars").policy(policy).build().unwrap();
    let here = nodes::Node { hub, cache, link };
    settle().await;
    let load = |_| async {
        sleep(millis(200)).await;
        Ok::<_, Infallible>(1)
    };
    there.cache.get_or_compute(&key(), load).await.unwrap();
    sleep(secs(60) - millis(100)).await;
    let first = reader(&here, 9);
    store.reading.notified().await;
    (store, here, there, first)
}

fn reader(node: &nodes::Node, value: u64) -> JoinHandle<Outcome<u64>> {
    let cache = node.cache.clone();
    tokio::spawn(async move {
        cache
            .get_or_compute(&key(), move |_| async move { Ok::<_, Infallible>(value) })
            .detail()
            .await
            .unwrap()
    })
}

#[tokio::test(start_paused = true)]
async fn what_was_read_before_a_pattern_was_heard_is_not_refreshed_and_served_meanwhile() {
    for seed in SEEDS {
        let (store, here, there, first) = reading(seed).await;
        there.cache.invalidate_pattern("*").await.unwrap();
        settle().await;
        store.gate.add_permits(1);
        assert_eq!(shown(&first.await.unwrap()), (1, Tier::L2, None), "it began before");
        settle().await;
        let second = reader(&here, 2);
        settle().await;
        store.gate.add_permits(100);
        assert_eq!(shown(&second.await.unwrap()), (2, Tier::L3, None));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_read_before_its_invalidation_is_not_handed_on_by_a_refresh() {
    for seed in SEEDS {
        let (store, here, there, first) = reading(seed).await;
        assert_eq!(here.cache.invalidate(&key()).await.unwrap(), Done::Applied);
        settle().await;
        let gate = Arc::new(Semaphore::new(0));
        // Whoever refreshes it finds it being loaded elsewhere.
        let load = there.held_load(2, &gate);
        settle().await;
        store.gate.add_permits(1);
        assert_eq!(shown(&first.await.unwrap()), (1, Tier::L2, None), "it began before");
        settle().await;
        let second = reader(&here, 3);
        settle().await;
        store.gate.add_permits(100);
        settle().await;
        gate.add_permits(1);
        assert_eq!((*load.await.unwrap().value, *second.await.unwrap().value), (2, 2));
    }
}

/// What loaders were offered.
type Noted = Arc<Mutex<Vec<Option<u64>>>>;

/// Reads with a loader that notes it.
fn noting(node: &Node) -> (JoinHandle<Result<Arc<u64>, Error>>, Noted) {
    let (cache, noted) = (node.cache.clone(), Noted::default());
    let notes = Arc::clone(&noted);
    let load = move |cx: LoadCtx<u64>| async move {
        notes.lock().unwrap().push(cx.stale().map(|stale| *stale));
        Ok::<_, Infallible>(2)
    };
    (tokio::spawn(async move { cache.get_or_compute(&key(), load).await }), noted)
}

#[tokio::test(start_paused = true)]
async fn a_loader_is_not_offered_what_was_invalidated_before_its_turn() {
    for (pattern, early) in [(false, false), (true, false), (false, true), (true, true)] {
        fastrand::seed(7);
        let early_refresh = if early { 100.0 } else { 0.0 };
        let policy = Policy { max_loads: 1, soft_timeout: None, early_refresh, ..soft() };
        let fleet = Fleet::new();
        let (here, there) = (fleet.node(policy.clone()), fleet.node(policy));
        settle().await;
        read(&here, millis(200), Some(1)).await.unwrap();
        advance(if early { secs(10) - millis(100) } else { secs(11) }).await;
        let gate = Arc::new(Semaphore::new(0));
        let (cache, opened) = (here.cache.clone(), Arc::clone(&gate));
        let only_place = tokio::spawn(async move {
            let load = move |_| async move {
                let _permit = opened.acquire().await;
                Ok::<_, Infallible>(0)
            };
            cache.get_or_compute(&"000001".to_owned(), load).await.unwrap()
        });
        settle().await;
        let (reading, noted) = noting(&here);
        settle().await;
        if pattern {
            there.cache.invalidate_pattern("6*").await.unwrap();
        } else {
            assert_eq!(there.cache.invalidate(&key()).await.unwrap(), Done::Applied);
        }
        settle().await;
        gate.add_permits(1);
        only_place.await.unwrap();
        assert_eq!(*reading.await.unwrap().unwrap(), if early { 1 } else { 2 });
        settle().await;
        assert_eq!(*noted.lock().unwrap(), [None], "pattern: {pattern}, early: {early}");
    }
}
