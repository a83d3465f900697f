//! Many keys with one request each way and one call of the loader, whatever else goes on with them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use mystocks_cache::{Done, Error, ErrorKind, LoadCtx, Policy, Staleness, Tier};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance, sleep};

use crate::faulty::{Fleet, Mode, Node, assert_ledger, millis, plain, secs};
use crate::nodes::settle;

/// What the loaders of batches were called with.
#[derive(Debug, Clone, Default)]
struct Calls(Arc<Mutex<Vec<Vec<String>>>>);

impl Calls {
    fn note(&self, keys: &[String]) {
        self.0.lock().unwrap().push(keys.to_vec());
    }
    fn all(&self) -> Vec<Vec<String>> {
        self.0.lock().unwrap().clone()
    }
    fn most_of_one_key(&self) -> usize {
        let mut counts: HashMap<String, usize> = HashMap::new();
        self.all().into_iter().flatten().for_each(|key| *counts.entry(key).or_default() += 1);
        counts.into_values().max().unwrap_or(0)
    }
}

fn keys(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|key| format!("{key}")).collect()
}

fn values(keys: Vec<String>, value: u64) -> HashMap<String, u64> {
    keys.into_iter().map(|key| (key, value)).collect()
}

async fn many(
    node: &Node,
    keys: &[String],
    value: u64,
    calls: &Calls,
) -> Result<HashMap<String, u64>, Error> {
    let calls = calls.clone();
    let load = move |keys: Vec<String>| {
        calls.note(&keys);
        async move {
            sleep(millis(100)).await;
            Ok::<_, Infallible>(values(keys, value))
        }
    };
    let found = node.cache.get_or_compute_many(keys, load).await?;
    Ok(found.into_iter().map(|(key, value)| (key, *value)).collect())
}

#[tokio::test(start_paused = true)]
async fn a_thousand_keys_are_one_read_one_load_and_one_write() {
    let fleet = Fleet::new();
    let (node, other) = (Arc::new(fleet.node(plain())), fleet.node(plain()));
    let calls = Calls::default();
    settle().await;
    many(&node, &keys(0..900), 1, &calls).await.unwrap();
    many(&other, &keys(900..980), 2, &calls).await.unwrap();
    // So that it knows that its cache was never cleared.
    node.read("900", 9).await;
    node.cache.drop_l1();
    many(&node, &keys(0..900), 9, &calls).await.unwrap();
    let (calls, singles) = (Calls::default(), Arc::new(AtomicUsize::new(0)));
    let mut racing: Vec<JoinHandle<u64>> = Vec::new();
    for key in keys(980..990) {
        let (node, singles) = (Arc::clone(&node), Arc::clone(&singles));
        racing.push(tokio::spawn(async move {
            let load = move |_| async move {
                singles.fetch_add(1, Ordering::SeqCst);
                sleep(millis(120)).await;
                Ok::<_, Infallible>(3)
            };
            *node.cache.get_or_compute(&key, load).await.unwrap()
        }));
    }
    settle().await;
    let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
    let before = (
        count(&node.counts.reads),
        count(&node.counts.marks),
        count(&node.counts.takes),
        count(&node.counts.commits),
    );
    let began = Instant::now();
    let found = many(&node, &keys(0..1_000), 4, &calls).await.unwrap();
    assert!(began.elapsed() <= millis(125), "{:?}", began.elapsed());
    let after = (
        count(&node.counts.reads),
        count(&node.counts.marks),
        count(&node.counts.takes),
        count(&node.counts.commits),
    );
    let commits_of_singles = 10;
    assert_eq!(
        (after.0 - before.0, after.1 - before.1, after.2 - before.2, after.3 - before.3 - commits_of_singles),
        (1, 0, 1, 1)
    );
    let mut loaded = calls.all();
    loaded.iter_mut().for_each(|keys| keys.sort());
    assert_eq!(loaded, [keys(990..1_000)]);
    assert_eq!(singles.load(Ordering::SeqCst), 10);
    for (key, value) in &found {
        let expected = match key.parse::<usize>().unwrap() {
            0..900 => 1,
            900..980 => 2,
            980..990 => 3,
            _ => 4,
        };
        assert_eq!(*value, expected, "{key}");
    }
    assert_eq!(found.len(), 1_000);
    for read in racing {
        assert_eq!(read.await.unwrap(), 3);
    }
    assert_eq!(node.cache.stats().joined, 10);
    assert_ledger(&node.cache, 900 + 1 + 900 + 10 + 1_000);
}

#[tokio::test(start_paused = true)]
async fn the_marks_of_a_whole_batch_are_asked_for_at_once() {
    let fleet = Fleet::new();
    let (one, other) = (fleet.node(plain()), fleet.node(plain()));
    settle().await;
    for key in keys(0..80) {
        let tag = format!("symbol:{key}");
        let load = move |cx: LoadCtx<u64>| async move {
            cx.tag(tag);
            Ok::<_, Infallible>(1)
        };
        one.cache.get_or_compute(&key, load).await.unwrap();
    }
    assert!(other.cache.get_many(&keys(0..80)).await.unwrap().iter().all(Option::is_some));
    assert_eq!(
        (other.counts.reads.load(Ordering::SeqCst), other.counts.marks.load(Ordering::SeqCst)),
        (1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_key_asked_for_twice_is_loaded_once_and_one_left_out_is_absent() {
    let fleet = Fleet::new();
    let (node, calls) = (fleet.node(plain()), Calls::default());
    settle().await;
    let twice: Vec<String> = ["a", "b", "a", "b", "none"].map(str::to_owned).to_vec();
    let noted = calls.clone();
    let load = move |keys: Vec<String>| {
        noted.note(&keys);
        async move {
            let mut found = values(keys, 1);
            found.remove("none");
            found.insert("not asked for".to_owned(), 7);
            Ok::<_, Infallible>(found)
        }
    };
    for _ in 0..2 {
        let found = node.cache.get_or_compute_many(&twice, load.clone()).await.unwrap();
        assert_eq!((found.len(), found.get("none")), (2, None));
    }
    assert_eq!(calls.all().len(), 1);
    assert_eq!(calls.most_of_one_key(), 1);
    assert_eq!(node.cache.peek(&"not asked for".to_owned()), None);
    assert_eq!(node.cache.stats().negative, 2);
    assert_ledger(&node.cache, 10);
    advance(secs(6)).await;
    node.cache.get_or_compute_many(&twice, load).await.unwrap();
    assert_eq!(calls.all().last(), Some(&vec!["none".to_owned()]), "absent for negative_ttl");
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Wrong {
    Error,
    PanicAtOnce,
    Panic,
    Never,
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_leaves_no_lease_no_flight_and_no_place_behind() {
    for wrong in [Wrong::Error, Wrong::PanicAtOnce, Wrong::Panic, Wrong::Never] {
        let fleet = Fleet::new();
        let policy = Policy { max_loads: 1, load_deadline: secs(2), ..plain() };
        let (node, other) = (fleet.node(policy.clone()), fleet.node(policy));
        settle().await;
        let load = move |_| {
            assert!(wrong != Wrong::PanicAtOnce, "as asked");
            async move {
                sleep(millis(10)).await;
                match wrong {
                    Wrong::Never => pending().await,
                    Wrong::Panic => panic!("as asked"),
                    _ => Err::<HashMap<String, u64>, _>(std::fmt::Error),
                }
            }
        };
        let error = node.cache.get_or_compute_many(&keys(0..50), load).await.unwrap_err();
        let expected = match wrong {
            Wrong::Error => ErrorKind::Load,
            Wrong::Never => ErrorKind::Timeout,
            _ => ErrorKind::Panicked,
        };
        assert_eq!(error.kind(), expected, "{wrong:?}");
        settle().await;
        let began = Instant::now();
        assert_eq!(*other.read("7", 7).await.value, 7);
        assert!(began.elapsed() < millis(1), "{wrong:?}: the lease was given back, {:?}", began.elapsed());
        assert_eq!(*node.read("8", 8).await.value, 8, "{wrong:?}");
        assert_ledger(&node.cache, 51);
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_ends_nothing() {
    let fleet = Fleet::new();
    let (node, calls) = (Arc::new(fleet.node(plain())), Calls::default());
    settle().await;
    let caller = tokio::spawn({
        let (node, calls) = (Arc::clone(&node), calls.clone());
        async move { many(&node, &keys(0..100), 1, &calls).await }
    });
    settle().await;
    let waiting = tokio::spawn({
        let (node, calls) = (Arc::clone(&node), calls.clone());
        async move { many(&node, &keys(50..100), 2, &calls).await.unwrap() }
    });
    settle().await;
    caller.abort();
    assert!(waiting.await.unwrap().values().all(|value| *value == 1));
    assert!(keys(0..100).iter().all(|key| node.cache.peek(key).as_deref() == Some(&1)));
    assert_eq!(calls.all().len(), 1);
    assert_ledger(&node.cache, 50);
}

#[tokio::test(start_paused = true)]
async fn four_nodes_that_want_the_same_keys_load_each_once() {
    let fleet = Fleet::new();
    let nodes: Vec<Arc<Node>> = (0..4).map(|_| Arc::new(fleet.node(plain()))).collect();
    settle().await;
    for round in 0..20 {
        let calls = Calls::default();
        let mut reads = Vec::new();
        for (at, node) in nodes.iter().enumerate() {
            let (node, calls) = (Arc::clone(node), calls.clone());
            // Not the same keys to each, and not in the same order.
            let mut wanted = keys(round * 1_000 + at * 20..round * 1_000 + 200 + at * 20);
            fastrand::shuffle(&mut wanted);
            reads.push(tokio::spawn(async move { many(&node, &wanted, at as u64, &calls).await.unwrap() }));
        }
        let mut all: HashMap<String, u64> = HashMap::new();
        for read in reads {
            let read = read.await.unwrap();
            assert_eq!(read.len(), 200);
            for (key, value) in read {
                assert_eq!(*all.entry(key).or_insert(value), value, "two processes, two values");
            }
        }
        assert_eq!((all.len(), calls.most_of_one_key()), (260, 1));
    }
    nodes.iter().for_each(|node| assert_ledger(&node.cache, 20 * 200));
}

#[tokio::test(start_paused = true)]
async fn what_is_invalidated_during_the_load_of_a_batch_is_kept_nowhere() {
    for by_other in [false, true] {
        let fleet = Fleet::new();
        let (node, other) = (Arc::new(fleet.node(plain())), fleet.node(plain()));
        settle().await;
        let gate = Arc::new(Semaphore::new(0));
        let loading = tokio::spawn({
            let (node, gate) = (Arc::clone(&node), Arc::clone(&gate));
            async move {
                let load = move |keys| {
                    let gate = Arc::clone(&gate);
                    async move {
                        let _permit = gate.acquire().await;
                        Ok::<_, Infallible>(values(keys, 1))
                    }
                };
                node.cache.get_or_compute_many(&keys(0..10), load).await.unwrap()
            }
        });
        settle().await;
        let by = if by_other { &other } else { &*node };
        assert_eq!(by.cache.invalidate(&"3".to_owned()).await.unwrap(), Done::Applied);
        settle().await;
        gate.add_permits(1);
        assert_eq!(loading.await.unwrap().len(), 10);
        let kept = other.cache.get_many(&keys(0..10)).await.unwrap();
        assert!(kept[3].is_none() && kept.iter().flatten().count() == 9, "by other: {by_other}");
        assert_eq!(node.cache.peek(&"3".to_owned()), None, "by other: {by_other}");
        assert_eq!(node.cache.stats().overtaken, 1);
        assert_ledger(&node.cache, 10);
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_the_timeouts_and_the_stale_values_of_a_single_read() {
    let fleet = Fleet::new();
    let policy = Policy {
        ttl: secs(10),
        stale_if_error: secs(60),
        soft_timeout: Some(millis(50)),
        hard_timeout: Some(millis(500)),
        ..plain()
    };
    let node = fleet.node(policy);
    settle().await;
    many(&node, &keys(0..5), 1, &Calls::default()).await.unwrap();
    advance(secs(11)).await;
    let failing = |_| async { Err::<HashMap<String, u64>, _>(std::fmt::Error) };
    let stale = node.cache.get_or_compute_many(&keys(0..5), failing).await.unwrap();
    assert!(stale.len() == 5 && stale.values().all(|value| **value == 1));
    assert_eq!(node.cache.stats().stale, 5);
    advance(secs(2)).await;
    let hanging = |_| pending::<Result<HashMap<String, u64>, Infallible>>();
    let began = Instant::now();
    assert_eq!(node.cache.get_or_compute_many(&keys(0..5), hanging).await.unwrap().len(), 5);
    assert!((50..=55).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    let began = Instant::now();
    let error = node.cache.get_or_compute_many(&keys(5..10), hanging).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!((500..=505).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    let single = node.cache.get_or_compute(&"0".to_owned(), |_| async { Ok::<_, Infallible>(2) }).detail();
    assert_eq!(single.await.unwrap().stale, Some(Staleness::LoadSlow));
}

#[tokio::test(start_paused = true)]
async fn with_the_link_lost_and_the_store_gone_a_batch_is_answered_from_l1() {
    let fleet = Fleet::new();
    let (node, calls) = (fleet.node(plain()), Calls::default());
    settle().await;
    many(&node, &keys(0..100), 1, &calls).await.unwrap();
    fleet.out_one(Mode::Fail, &node);
    sleep(secs(2)).await;
    let found = many(&node, &keys(0..100), 2, &calls).await.unwrap();
    assert!(found.values().all(|value| *value == 1));
    assert_eq!((calls.all().len(), node.cache.stats().l1_hits), (1, 100));
}

#[tokio::test(start_paused = true)]
async fn a_key_whose_change_waits_costs_the_rest_of_its_batch_nothing() {
    let fleet = Fleet::new();
    let (node, other) = (fleet.node(plain()), fleet.node(plain()));
    settle().await;
    fleet.set(Mode::Fail);
    assert_eq!(node.cache.invalidate(&"3".to_owned()).await.unwrap(), Done::Queued);
    fleet.set(Mode::Answer);
    let load = |keys| async { Ok::<_, Infallible>(values(keys, 1)) };
    node.cache.get_or_compute_many(&keys(0..10), load).await.unwrap();
    assert_eq!(node.hub.state().queued, 1);
    let kept = other.cache.get_many(&keys(0..10)).await.unwrap();
    assert_eq!(kept.iter().map(|found| found.as_ref().map(|found| found.tier)).collect::<Vec<_>>(), {
        let mut tiers = vec![Some(Tier::L2); 10];
        tiers[3] = None;
        tiers
    });
}
