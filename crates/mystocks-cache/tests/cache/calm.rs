//! The store is slow, hung, gone, full or read-only: readers notice next to nothing, and it is left alone.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mystocks_cache::{Done, ErrorKind, Policy, Staleness, Tier};
use tokio::task::JoinSet;
use tokio::time::{Instant, advance, sleep};

use crate::faulty::{Fleet, Mode, Node, assert_ledger, millis, plain, secs};
use crate::nodes::settle;

const MODES: [Mode; 5] =
    [Mode::Fail, Mode::Hang, Mode::Slow(millis(100)), Mode::RefuseWrites, Mode::HangWrites];

/// What loaders ran, and how many at a time.
#[derive(Default)]
struct Loads {
    now: AtomicUsize,
    most: AtomicUsize,
    all: AtomicUsize,
}

impl Loads {
    async fn run<E>(self: Arc<Self>, takes: Duration, answer: Result<u64, E>) -> Result<u64, E> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        self.all.fetch_add(1, Ordering::SeqCst);
        sleep(takes).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        answer
    }
    fn count(&self) -> usize {
        self.all.load(Ordering::SeqCst)
    }
}

async fn timed_read(node: &Node, key: String, loads: &Arc<Loads>) -> (Instant, Duration) {
    let (cache, loads, began) = (node.cache.clone(), Arc::clone(loads), Instant::now());
    let load = move |_| async move { loads.run(millis(5), Ok::<_, Infallible>(1)).await };
    cache.get_or_compute(&key, load).await.unwrap();
    (began, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn two_thousand_reads_a_second_outlast_every_outage() {
    for mode in MODES {
        let fleet = Fleet::new();
        let node = Arc::new(fleet.node(plain()));
        let (warm, loads) = (Arc::<Loads>::default(), Arc::<Loads>::default());
        settle().await;
        for key in 0..100 {
            timed_read(&node, format!("warm{key}"), &warm).await;
        }
        fleet.out_one(mode, &node);
        let out = Instant::now();
        let mut reads = JoinSet::new();
        let mut quiet_from = 0;
        for round in 0..30_000 {
            for key in [format!("warm{}", round % 100), format!("cold{}", round / 3)] {
                let (node, loads) = (Arc::clone(&node), Arc::clone(&loads));
                reads.spawn(async move { timed_read(&node, key, &loads).await });
            }
            if round == 2_000 {
                quiet_from = writes_and_reads(&node, mode);
            }
            sleep(millis(1)).await;
        }
        let asked = writes_and_reads(&node, mode) - quiet_from;
        let times = reads.join_all().await;
        let longest =
            |from| times.iter().filter(|(at, _)| *at - out >= from).map(|(_, took)| *took).max().unwrap();
        let failed = node.cache.stats().store_errors;
        println!(
            "{mode:?}: {failed} failures, {asked} requests in 28 s, longest read {:?}, later {:?}, {} loads, {} at once",
            longest(Duration::ZERO),
            longest(secs(1)),
            loads.count(),
            loads.most.load(Ordering::SeqCst)
        );
        assert!(failed <= 50, "{mode:?}: {failed} failures");
        assert!(asked <= 28, "{mode:?}: {asked} requests in 28 s");
        assert!(longest(Duration::ZERO) <= millis(20 + 5 + 5), "{mode:?}: {:?}", longest(Duration::ZERO));
        assert!(longest(secs(1)) <= millis(5 + 1), "{mode:?}: {:?}", longest(secs(1)));
        assert_eq!(loads.count(), 10_000, "{mode:?}: each key once");
        assert!(loads.most.load(Ordering::SeqCst) <= 32);
        assert_ledger(&node.cache, 100 + 60_000);
    }
}

/// The requests that should have stopped: where reads are answered, only the others.
fn writes_and_reads(node: &Node, mode: Mode) -> usize {
    let reads = match mode {
        Mode::RefuseWrites | Mode::HangWrites => node.counts.reads.load(Ordering::SeqCst),
        _ => 0,
    };
    node.counts.all() - reads
}

#[tokio::test(start_paused = true)]
async fn what_is_computed_in_an_outage_stays_in_l1() {
    for (mode, link_cut) in MODES.into_iter().flat_map(|mode| [(mode, false), (mode, true)]) {
        let fleet = Fleet::new();
        let node = fleet.node(plain());
        let loads = Arc::<Loads>::default();
        settle().await;
        fleet.set(mode);
        if link_cut {
            node.link.cut();
        }
        settle().await;
        for _ in 0..300 {
            timed_read(&node, "600519".to_owned(), &loads).await;
            sleep(millis(100)).await;
        }
        assert_eq!(loads.count(), 1, "{mode:?}, link cut: {link_cut}");
        assert_ledger(&node.cache, 300);
    }
}

#[tokio::test(start_paused = true)]
async fn more_loads_than_may_run_wait_for_their_turn() {
    let fleet = Fleet::new();
    let node = Arc::new(fleet.node(Policy { max_loads: 8, ..plain() }));
    settle().await;
    fleet.out(Mode::Hang, std::slice::from_ref(&node));
    let loads = Arc::<Loads>::default();
    let mut reads = JoinSet::new();
    for key in 0..500 {
        let (node, loads) = (Arc::clone(&node), Arc::clone(&loads));
        reads.spawn(async move { timed_read(&node, format!("{key}"), &loads).await });
    }
    reads.join_all().await;
    assert_eq!((loads.count(), loads.most.load(Ordering::SeqCst)), (500, 8));
    assert_ledger(&node.cache, 500);
}

fn patient() -> Policy {
    Policy {
        ttl: secs(10),
        stale_if_error: secs(60),
        soft_timeout: Some(millis(50)),
        hard_timeout: Some(millis(500)),
        load_deadline: secs(5),
        retry_after: secs(3),
        max_loads: 1,
        ..plain()
    }
}

#[tokio::test(start_paused = true)]
async fn a_soft_timeout_serves_the_stale_value_and_the_load_goes_on() {
    for mode in [Mode::Answer, Mode::Hang, Mode::HangWrites] {
        let fleet = Fleet::new();
        // Longer than the soft timeout: a store that hangs must not hold the stale value back either.
        let node = fleet.node(Policy { l2_timeout: millis(250), ..patient() });
        settle().await;
        node.read("600519", 1).await;
        advance(secs(11)).await;
        fleet.set(mode);
        let loads = Arc::<Loads>::default();
        for _ in 0..5 {
            let (began, ran) = (Instant::now(), Arc::clone(&loads));
            let load = move |_| async move { ran.run(secs(1), Ok::<_, Infallible>(2)).await };
            let read = node.cache.get_or_compute(&"600519".to_owned(), load).detail().await.unwrap();
            assert_eq!((*read.value, read.stale), (1, Some(Staleness::LoadSlow)), "{mode:?}");
            assert!((50..=55).contains(&began.elapsed().as_millis()), "{mode:?}: {:?}", began.elapsed());
        }
        sleep(secs(2)).await;
        let read = node.read("600519", 3).await;
        assert_eq!((*read.value, read.tier, read.stale, loads.count()), (2, Tier::L1, None, 1), "{mode:?}");
        assert_ledger(&node.cache, 7);
    }
}

#[tokio::test(start_paused = true)]
async fn a_loader_that_never_returns_is_one_load_and_an_error_at_the_hard_timeout() {
    for mode in [Mode::Answer, Mode::Hang, Mode::RefuseWrites] {
        let fleet = Fleet::new();
        let node = fleet.node(patient());
        settle().await;
        fleet.set(mode);
        let loads = Arc::<Loads>::default();
        let begin = Instant::now();
        for _ in 0..8 {
            let (began, ran) = (Instant::now(), Arc::clone(&loads));
            let load = move |_| async move {
                ran.all.fetch_add(1, Ordering::SeqCst);
                pending::<Result<u64, Infallible>>().await
            };
            let error = node.cache.get_or_compute(&"600519".to_owned(), load).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout);
            assert!((500..=525).contains(&began.elapsed().as_millis()), "{mode:?}: {:?}", began.elapsed());
        }
        assert_eq!(loads.count(), 1, "{mode:?}: never a second load beside it");
        // The only place among the loads is free again at the load's own deadline, and so is the key.
        sleep(secs(5).saturating_sub(begin.elapsed()) + millis(50)).await;
        assert_eq!(*node.read("600519", 7).await.value, 7, "{mode:?}");
        assert_eq!(*node.read("000001", 8).await.value, 8, "{mode:?}");
        assert_ledger(&node.cache, 10);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_is_served_until_its_limit_and_the_loader_is_spared() {
    for mode in [Mode::Answer, Mode::Fail, Mode::Hang, Mode::RefuseWrites] {
        let fleet = Fleet::new();
        let node = fleet.node(Policy { soft_timeout: None, hard_timeout: None, ..patient() });
        settle().await;
        node.read("600519", 1).await;
        let born = Instant::now();
        advance(secs(11)).await;
        fleet.set(mode);
        let loads = Arc::<Loads>::default();
        let (mut served, mut refused) = (0, 0);
        while born.elapsed() < secs(80) {
            let ran = Arc::clone(&loads);
            let load = move |_| async move { ran.run(Duration::ZERO, Err::<u64, _>(std::fmt::Error)).await };
            let began = born.elapsed();
            match node.cache.get_or_compute(&"600519".to_owned(), load).detail().await {
                Ok(read) => {
                    assert_eq!((*read.value, read.stale), (1, Some(Staleness::LoadFailed)), "{mode:?}");
                    assert!(born.elapsed() <= secs(70), "{mode:?}: served at {:?}", born.elapsed());
                    served += 1;
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Load);
                    assert!(born.elapsed() >= secs(70), "{mode:?}: refused at {began:?}");
                    refused += 1;
                }
            }
            if refused == 0 {
                let most = 1 + (born.elapsed() - secs(11)).as_secs() / 3;
                assert!(loads.count() as u64 <= most, "{mode:?}: {} loads", loads.count());
            }
            sleep(millis(100)).await;
        }
        assert!(served > 400 && refused > 50, "{mode:?}: {served} and {refused}");
        assert_ledger(&node.cache, 1 + served + refused);
    }
}

/// The ways in which a value is invalidated.
#[derive(Debug, Clone, Copy)]
enum How {
    Key,
    Tag,
    Clear,
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_that_was_invalidated_is_never_served() {
    let modes = [Mode::Answer, Mode::Fail, Mode::Hang, Mode::RefuseWrites];
    for (mode, how) in
        modes.into_iter().flat_map(|mode| [How::Key, How::Tag, How::Clear].map(|how| (mode, how)))
    {
        for slow in [false, true] {
            let fleet = Fleet::new();
            let node = fleet.node(patient());
            settle().await;
            let tagged = |cx: mystocks_cache::LoadCtx<u64>| async move {
                cx.tag("day");
                Ok::<_, Infallible>(1)
            };
            node.cache.get_or_compute(&"600519".to_owned(), tagged).await.unwrap();
            advance(secs(11)).await;
            // Once it is put aside for the retry, and then it is invalidated.
            assert_eq!(*node.read_failing("600519").await.unwrap().value, 1);
            fleet.set(mode);
            let done = match how {
                How::Key => node.cache.invalidate(&"600519".to_owned()).await.unwrap(),
                How::Tag => node.hub.invalidate_tag("day").await.unwrap(),
                How::Clear => node.cache.clear().await.unwrap(),
            };
            assert_eq!(
                done,
                if mode == Mode::Answer { Done::Applied } else { Done::Queued },
                "{mode:?} {how:?}"
            );
            let error = if slow {
                let load = |_| pending::<Result<u64, Infallible>>();
                node.cache.get_or_compute(&"600519".to_owned(), load).await.unwrap_err()
            } else {
                node.read_failing("600519").await.unwrap_err()
            };
            let expected = if slow { ErrorKind::Timeout } else { ErrorKind::Load };
            assert_eq!(error.kind(), expected, "{mode:?} {how:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_that_is_invalidated_while_its_reader_waits_is_not_served_either() {
    for (fails, how) in
        [false, true].into_iter().flat_map(|fails| [How::Key, How::Clear].map(|how| (fails, how)))
    {
        let fleet = Fleet::new();
        let node = fleet.node(patient());
        settle().await;
        node.read("600519", 1).await;
        advance(secs(11)).await;
        let reading = tokio::spawn({
            let cache = node.cache.clone();
            async move {
                let load = move |_| async move {
                    // Ends before the soft timeout, or never.
                    sleep(if fails { millis(30) } else { secs(60) }).await;
                    Err::<u64, _>(std::fmt::Error)
                };
                cache.get_or_compute(&"600519".to_owned(), load).await
            }
        });
        settle().await;
        let done = match how {
            How::Clear => node.cache.clear().await.unwrap(),
            _ => node.cache.invalidate(&"600519".to_owned()).await.unwrap(),
        };
        assert_eq!(done, Done::Applied);
        let expected = if fails { ErrorKind::Load } else { ErrorKind::Timeout };
        assert_eq!(reading.await.unwrap().unwrap_err().kind(), expected, "{how:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_that_another_process_invalidated_unheard_is_not_served_when_l2_has_nothing() {
    let fleet = Fleet::new();
    let (deaf, other) = (fleet.node(patient()), fleet.node(patient()));
    settle().await;
    deaf.read("600519", 1).await;
    deaf.link.cut();
    settle().await;
    other.cache.invalidate(&"600519".to_owned()).await.unwrap();
    advance(secs(11)).await;
    assert_eq!(deaf.read_failing("600519").await.unwrap_err().kind(), ErrorKind::Load);
}

#[tokio::test(start_paused = true)]
async fn a_fresh_process_serves_the_stale_value_of_l2() {
    let fleet = Fleet::new();
    fleet.node(patient()).read("600519", 1).await;
    advance(secs(11)).await;
    let fresh = fleet.node(patient());
    settle().await;
    let read = fresh.read_failing("600519").await.unwrap();
    assert_eq!((*read.value, read.tier, read.stale), (1, Tier::L2, Some(Staleness::LoadFailed)));
    advance(secs(60)).await;
    assert_eq!(fresh.read_failing("600519").await.unwrap_err().kind(), ErrorKind::Load);
    assert_ledger(&fresh.cache, 2);
}

#[tokio::test(start_paused = true)]
async fn refused_writes_leave_the_reading_of_l2_alone() {
    let fleet = Fleet::new();
    let (one, other) = (fleet.node(plain()), fleet.node(plain()));
    settle().await;
    for key in 0..50 {
        one.read(&format!("{key}"), 1).await;
    }
    fleet.set(Mode::RefuseWrites);
    for key in 50..60 {
        other.read(&format!("{key}"), 2).await;
    }
    for key in 0..50 {
        assert_eq!(other.read(&format!("{key}"), 2).await.tier, Tier::L2);
    }
    assert!(other.hub.state().reads && !other.hub.state().writes);
    assert_eq!(other.cache.invalidate(&"7".to_owned()).await.unwrap(), Done::Queued);
    assert_eq!(*other.read("7", 3).await.value, 3, "not what L2 still has");
    assert_eq!(other.cache.invalidate(&"7".to_owned()).await.unwrap(), Done::Queued);
    other.cache.drop_l1();
    assert_eq!(*other.read("7", 4).await.value, 4);
    assert_ledger(&other.cache, 62);
}
