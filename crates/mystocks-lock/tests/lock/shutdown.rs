//! A shutdown leaves nothing behind, and waits for nobody who never comes.

use std::pin::pin;
use std::time::Duration;

use futures::poll;
use mystocks_lock::{ErrorKind, Locker, LossReason, MemoryLocks, Released};
use mystocks_redis_core::Call;
use mystocks_redis_core::redis::cmd;
use mystocks_testkit::eventually;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::TaskTracker;

use crate::gate::{At, gated};
use crate::world::{World, connect, memory_locker, millis, secs};

const PATIENCE: Duration = Duration::from_secs(5);

async fn waiters(other: &Locker) -> u64 {
    other.info("report").await.unwrap().map_or(0, |info| info.waiters)
}

#[tokio::test(start_paused = true)]
async fn who_waits_has_no_place_any_more_when_it_returns() {
    let locks = MemoryLocks::new();
    let (here, other) = (memory_locker(&locks), memory_locker(&locks));
    let _held = other.try_lock("report").await.unwrap().unwrap();
    let tasks = TaskTracker::new();
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let here = here.clone();
            tasks.spawn(async move { here.lock_fair("report", secs(600)).await })
        })
        .collect();
    eventually("all wait", secs(10), async || waiters(&other).await == 20).await;
    let begun = Instant::now();
    here.shutdown().await;
    assert_eq!(waiters(&other).await, 0);
    assert!(begun.elapsed() < secs(2), "{:?}", begun.elapsed());
    for one in waiting {
        assert_eq!(one.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_granted_meanwhile_is_given_back_before_it_returns() {
    for waits in [false, true] {
        let locks = MemoryLocks::new();
        let ((here, gate), other) = (gated(&locks), memory_locker(&locks));
        let mut answer = gate.stop(At::AcquireAnswer);
        let asking = here.clone();
        let asking = TaskTracker::new().spawn(async move {
            if waits { asking.lock("report", secs(600)).await } else { asking.try_lock("report").await }
        });
        answer.reached().await;
        let ((), ()) = tokio::join!(here.shutdown(), async {
            sleep(secs(2)).await;
            answer.open();
        });
        assert!(!other.is_locked("report").await.unwrap(), "waits: {waits}");
        assert_eq!(asking.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_under_way_is_waited_for() {
    let locks = MemoryLocks::new();
    let ((here, gate), other) = (gated(&locks), memory_locker(&locks));
    let guard = here.try_lock("report").await.unwrap().unwrap();
    let mut request = gate.stop(At::ReleaseRequest);
    let releasing = TaskTracker::new().spawn(guard.release());
    request.reached().await;
    let ((), ()) = tokio::join!(here.shutdown(), async {
        sleep(secs(2)).await;
        request.open();
    });
    assert!(!other.is_locked("report").await.unwrap());
    assert_eq!(releasing.await.unwrap().unwrap(), Released::Released);
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_nobody_drops_holds_nobody_up() {
    let locks = MemoryLocks::new();
    let (here, other) = (memory_locker(&locks), memory_locker(&locks));
    let guard = here.try_lock("report").await.unwrap().unwrap();
    let begun = Instant::now();
    here.shutdown().await;
    assert!(begun.elapsed() < millis(100), "{:?}", begun.elapsed());
    assert!(!other.is_locked("report").await.unwrap());
    assert_eq!(guard.lost().await, LossReason::Shutdown);
}

#[tokio::test(start_paused = true)]
async fn a_future_that_nobody_polls_costs_its_patience_and_no_more() {
    let locks = MemoryLocks::new();
    let (here, other) = (memory_locker(&locks), memory_locker(&locks));
    let _held = other.try_lock("report").await.unwrap().unwrap();
    let mut forgotten = pin!(here.lock("report", secs(600)));
    assert!(poll!(&mut forgotten).is_pending());
    assert_eq!(waiters(&other).await, 1);
    let begun = Instant::now();
    assert!(timeout(secs(2), here.shutdown()).await.is_err());
    here.shutdown().await;
    assert!(begun.elapsed() <= PATIENCE, "{:?}: called again it does not begin anew", begun.elapsed());
    assert_eq!(forgotten.await.unwrap_err().kind(), ErrorKind::Closed);
    sleep(secs(1)).await;
    assert_eq!(waiters(&other).await, 0, "nobody keeps its place any more");
}

#[tokio::test(start_paused = true)]
async fn it_may_be_dropped_and_called_again() {
    let locks = MemoryLocks::new();
    let ((here, gate), other) = (gated(&locks), memory_locker(&locks));
    let _guard = here.try_lock("held").await.unwrap().unwrap();
    let mut answer = gate.stop(At::AcquireAnswer);
    let asking = here.clone();
    let asking = TaskTracker::new().spawn(async move { asking.try_lock("report").await });
    answer.reached().await;
    let begun = Instant::now();
    for _ in 0..3 {
        assert!(timeout(secs(1), here.shutdown()).await.is_err());
    }
    answer.open();
    here.shutdown().await;
    assert!(begun.elapsed() <= PATIENCE, "{:?}", begun.elapsed());
    assert_eq!(other.list("").await.unwrap(), []);
    assert_eq!(asking.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn nobody_listens_any_more_though_the_locker_is_still_there() {
    let world = World::start().await;
    let (locker, watch) = (world.locker().await, connect(&world.server.url()).await);
    let channels = async || {
        let asked = cmd("PUBSUB").arg("CHANNELS").arg("*lock:freed*").to_owned();
        watch.query::<Vec<String>>(&asked, Call::repeatable()).await.unwrap().len()
    };
    eventually("it listens", secs(20), async || channels().await == 1).await;
    locker.shutdown().await;
    eventually("it does not listen", secs(20), async || channels().await == 0).await;
    drop(locker);
}
