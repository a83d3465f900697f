//! Who waits gets it, in order, and soon.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use mystocks_lock::{LockGuard, Locker, MemoryLocks, Resource};
use mystocks_redis_core::Call;
use mystocks_redis_core::redis::cmd;
use mystocks_testkit::{FaultProxy, Line, eventually};
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;

use crate::hygiene::{leftovers, nothing_is_left};
use crate::world::{World, connect, memory_locker, millis, redis_locker, secs};

async fn waiters(locker: &Locker, resource: &'static str) -> u64 {
    locker.info(resource).await.unwrap().map_or(0, |info| info.waiters)
}

/// Fifty wait, in an order that is known, and hold in that order; twenty times.
async fn in_order(lockers: Vec<Locker>) {
    for round in 0..20 {
        let first = lockers[0].try_lock("report").await.unwrap().unwrap();
        let held = Arc::new(Mutex::new(Vec::new()));
        let tasks = TaskTracker::new();
        for n in 0..50_usize {
            let (locker, held) = (lockers[n % lockers.len()].clone(), Arc::clone(&held));
            tasks.spawn(async move {
                let guard = locker.lock_fair("report", secs(60)).await.unwrap().unwrap();
                held.lock().unwrap().push(n);
                guard.release().await.unwrap();
            });
            eventually("it has its place", secs(20), async || {
                waiters(&lockers[0], "report").await == n as u64 + 1
            })
            .await;
        }
        drop(first);
        tasks.close();
        tasks.wait().await;
        assert_eq!(*held.lock().unwrap(), (0..50).collect::<Vec<_>>(), "round {round}");
    }
}

/// Who waits for long stands in the queue all the while, though its place is good for a second only.
#[tokio::test(start_paused = true)]
async fn who_waits_keeps_its_place() {
    let locks = MemoryLocks::new();
    let (here, there) = (memory_locker(&locks), memory_locker(&locks));
    let guard = here.try_lock("report").await.unwrap().unwrap();
    let waiting = join_all((0..3).map(|_| there.lock_fair("report", secs(60))));
    let looking = async {
        sleep(millis(10)).await;
        for look in 0..200 {
            assert_eq!(waiters(&here, "report").await, 3, "look {look}");
            sleep(millis(50)).await;
        }
    };
    tokio::select! {
        _ = waiting => panic!("it is held"),
        () = looking => {}
    }
    assert!(guard.is_valid());
}

#[tokio::test(start_paused = true)]
async fn fifty_are_served_in_order_in_memory() {
    let locks = MemoryLocks::new();
    in_order((0..3).map(|_| memory_locker(&locks)).collect()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_are_served_in_order_in_redis() {
    let world = World::start().await;
    let lockers = vec![world.locker().await, world.locker().await, world.locker().await];
    in_order(lockers).await;
    let watch = connect(&world.server.url()).await;
    nothing_is_left(&watch, secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_waiter_gets_it_while_subscriptions_break() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let world = World::start().await;
    let proxy = FaultProxy::start(world.server.address()).await;
    let lockers = [redis_locker(&proxy.url(1)).await, redis_locker(&proxy.url(1)).await];
    let tasks = TaskTracker::new();
    let slowest = Arc::new(Mutex::new(Duration::ZERO));
    let released: Arc<Mutex<Option<Instant>>> = Arc::default();
    for n in 0..60 {
        let locker = lockers[n % 2].clone();
        let (slowest, released) = (Arc::clone(&slowest), Arc::clone(&released));
        tasks.spawn(async move {
            let guard = locker.lock_fair("report", secs(120)).await.unwrap().unwrap();
            if let Some(released) = released.lock().unwrap().take() {
                let mut slowest = slowest.lock().unwrap();
                *slowest = slowest.max(released.elapsed());
            }
            sleep(millis(20)).await;
            *released.lock().unwrap() = Some(Instant::now());
            guard.release().await.unwrap();
        });
    }
    tasks.close();
    while !tasks.is_empty() {
        proxy.sever(Some(Line::Subscription));
        sleep(Duration::from_micros(random.u64(0..30_000))).await;
        proxy.sever(None);
        sleep(Duration::from_micros(random.u64(0..60_000))).await;
    }
    let slowest = *slowest.lock().unwrap();
    println!("the slowest hand-over took {slowest:?}");
    assert!(slowest < secs(3), "{slowest:?}");
    for locker in lockers {
        locker.shutdown().await;
    }
    let watch = connect(&world.server.url()).await;
    assert_eq!(leftovers(&watch).await, Vec::<String>::new());
    let nobody_listens = async || {
        let asked = cmd("PUBSUB").arg("CHANNELS").arg("*lock:freed*").to_owned();
        watch.query::<Vec<String>>(&asked, Call::repeatable()).await.unwrap().is_empty()
    };
    eventually("nobody listens any more", secs(20), nobody_listens).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_nobody_tells_is_noticed() {
    let world = World::start().await;
    let (locker, watch) = (world.locker().await, connect(&world.server.url()).await);
    let key = "mystocks:lock:report";
    // As the Python side does it.
    let mut set = cmd("SET");
    set.arg(key).arg("a-uuid").arg("NX").arg("PX").arg(60_000);
    let _: () = watch.query(&set, Call::once()).await.unwrap();
    let waiting = locker.clone();
    let waiting = TaskTracker::new().spawn(async move { waiting.lock("report", secs(30)).await });
    eventually("it waits", secs(20), async || waiters(&locker, "report").await == 1).await;
    sleep(millis(300)).await;
    let released = Instant::now();
    let _: () = watch.query(cmd("DEL").arg(key), Call::once()).await.unwrap();
    assert!(waiting.await.unwrap().unwrap().is_some());
    assert!(released.elapsed() < secs(3), "{:?}", released.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_holder_left_goes_to_who_waits_when_it_ends() {
    let world = World::start().await;
    let locker = world.locker().await;
    let resource = || Resource::new("report").ttl(millis(700)).without_renewal();
    let guard = locker.try_lock(resource()).await.unwrap().unwrap();
    let taken = Instant::now();
    drop(LockGuard::into_token(guard));
    let waiting = join_all((0..5).map(|_| async {
        let guard = locker.lock_fair(resource(), secs(30)).await.unwrap().unwrap();
        let after = taken.elapsed();
        guard.release().await.unwrap();
        after
    }));
    let mut after = waiting.await;
    after.sort();
    assert!(after[0] >= millis(690) && after[4] < secs(5), "{after:?}");
}

/// Who gives up leaves the queue, long before its place would end.
#[tokio::test(start_paused = true)]
async fn who_gives_up_has_no_place() {
    let locks = MemoryLocks::new();
    let (here, other) = (memory_locker(&locks), memory_locker(&locks));
    let _held = other.try_lock("report").await.unwrap().unwrap();
    for ends_by_limit in [false, true] {
        let limit = if ends_by_limit { millis(300) } else { secs(600) };
        let waiting = tokio::time::timeout(millis(300), here.lock("report", limit)).await;
        assert!(!matches!(waiting, Ok(Ok(Some(_)))));
        sleep(millis(50)).await;
        assert_eq!(waiters(&other, "report").await, 0, "ends by limit: {ends_by_limit}");
    }
}
