//! What is handed over is held as anything else.

use std::time::Duration;

use mystocks_lock::{Keyspace, LockGuard, Locker, MemoryLocks, Released, Resource};
use mystocks_redis_core::Call;
use mystocks_redis_core::redis::cmd;
use mystocks_testkit::eventually;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::hygiene::leftovers;
use crate::world::{World, connect, memory_locker, millis, redis_locker, secs};

/// Lets `here` hold `resource`, and `there` wait for it until it is handed over.
async fn handed(here: &Locker, there: &Locker, resource: &Resource) -> LockGuard {
    let guard = here.try_lock(resource.clone()).await.unwrap().unwrap();
    let before = guard.fence();
    let release = async {
        eventually("it waits", secs(10), async || {
            here.info(resource.clone()).await.unwrap().is_some_and(|info| info.waiters == 1)
        })
        .await;
        guard.release().await.unwrap()
    };
    let (next, released) = tokio::join!(there.lock(resource.clone(), secs(20)), release);
    let next = next.unwrap().unwrap();
    assert_eq!(released, Released::Released);
    assert!(next.fence() > before && next.is_valid());
    next
}

async fn waiting(locker: &Locker) -> u64 {
    locker.info("report").await.unwrap().map_or(0, |info| info.waiters)
}

async fn left(locker: &Locker, resource: &Resource) -> Duration {
    locker.info(resource.clone()).await.unwrap().map_or(Duration::ZERO, |info| info.ttl.unwrap())
}

async fn it_is_held_for_its_time_and_named(here: Locker, there: Locker) {
    let there = there.with_owner("second");
    let resource = Resource::new("report").ttl(secs(20));
    let guard = handed(&here, &there, &resource).await;
    eventually("it has its whole time", secs(10), async || left(&here, &resource).await > secs(19)).await;
    let info = here.info(resource.clone()).await.unwrap().unwrap();
    assert_eq!(info.owner.unwrap().name, "second");
    assert_eq!(info.fence, guard.fence().map(u64::from));
    assert!(timeout(secs(2), guard.lost()).await.is_err(), "it is not lost when the place would have ended");
    assert!(guard.is_valid());
    assert_eq!(guard.release().await.unwrap(), Released::Released);
}

async fn what_is_not_renewed_has_its_time_once(here: Locker, there: Locker) {
    let resource = Resource::new("report").ttl(secs(3)).without_renewal();
    let guard = handed(&here, &there, &resource).await;
    eventually("it has its whole time", secs(10), async || left(&here, &resource).await > secs(2)).await;
    sleep(secs(1)).await;
    assert!(guard.is_valid() && left(&here, &resource).await <= secs(2), "it is not renewed");
    timeout(secs(10), guard.lost()).await.unwrap();
    assert!(!guard.is_valid());
}

/// Whose work is over before the server was told who holds it leaves nothing: telling it brings nothing back.
async fn what_is_held_for_a_moment_is_over(here: Locker, there: Locker) {
    let resource = Resource::new("report");
    for round in 0..100 {
        let guard = handed(&here, &there, &resource).await;
        if round % 2 == 0 {
            drop(guard);
        } else {
            assert_eq!(guard.release().await.unwrap(), Released::Released);
        }
        let free = here.lock(resource.clone(), secs(20)).await.unwrap().unwrap();
        assert_eq!(free.release().await.unwrap(), Released::Released, "round {round}");
    }
    sleep(millis(300)).await;
    assert!(!here.is_locked(resource).await.unwrap());
}

macro_rules! on_both {
    ($($test:ident)*) => {
        mod memory {
            use super::*;
            $(#[tokio::test]
            async fn $test() {
                let locks = MemoryLocks::new();
                super::$test(memory_locker(&locks), memory_locker(&locks)).await;
            })*
        }
        mod redis {
            use super::*;
            $(#[tokio::test]
            async fn $test() {
                let world = World::start().await;
                super::$test(world.locker().await, world.locker().await).await;
                let watch = connect(&world.server.url()).await;
                eventually("nothing is left", secs(10), async || leftovers(&watch).await.is_empty()).await;
            })*
        }
    };
}

on_both! {
    it_is_held_for_its_time_and_named
    what_is_held_for_a_moment_is_over
    what_is_not_renewed_has_its_time_once
}

/// Who polls, as Python does, gets its turns although there is always somebody in the queue.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_polls_gets_its_turns() {
    let world = World::start().await;
    let locker = world.locker().await;
    let python = connect(&world.server.url()).await;
    let key = Keyspace::default().lock("report").unwrap();
    let mut set = cmd("SET");
    set.arg(key.as_str()).arg("python").arg("NX").arg("PX").arg(10_000);
    let take = async || python.query::<Option<String>>(&set, Call::once()).await.unwrap().is_some();
    let give = async || python.query::<u64>(cmd("DEL").arg(key.as_str()), Call::once()).await.unwrap();
    // That it takes part is known once somebody who waited has found it there.
    assert!(take().await);
    let over = CancellationToken::new();
    let tasks = TaskTracker::new();
    for _ in 0..4 {
        let locker = locker.clone();
        tasks.spawn(over.clone().run_until_cancelled_owned(async move {
            loop {
                let guard = locker.lock("report", secs(60)).await.unwrap().unwrap();
                sleep(millis(10)).await;
                guard.release().await.unwrap();
            }
        }));
    }
    eventually("they wait", secs(10), async || waiting(&locker).await > 0).await;
    give().await;
    let polling = async {
        let mut turns = 0;
        while turns < 5 {
            sleep(millis(100)).await;
            if take().await {
                turns += 1;
                sleep(millis(10)).await;
                give().await;
            }
        }
    };
    timeout(secs(90), polling).await.unwrap();
    over.cancel();
    tasks.close();
    tasks.wait().await;
}

/// Permits are handed over too, each with its own fence.
#[tokio::test]
async fn permits_are_handed_over() {
    let world = World::start().await;
    let (here, there) = (world.locker().await, redis_locker(&world.server.url()).await);
    let (mine, other) = (here.semaphore("tasks", 2).unwrap(), there.semaphore("tasks", 2).unwrap());
    let (one, two) = (mine.try_acquire().await.unwrap().unwrap(), mine.try_acquire().await.unwrap().unwrap());
    let both = async { tokio::join!(other.acquire(secs(20)), other.acquire(secs(20))) };
    let release = async {
        eventually("both wait", secs(10), async || mine.info().await.unwrap().waiters == 2).await;
        let last = one.fence().max(two.fence());
        one.release().await.unwrap();
        two.release().await.unwrap();
        last
    };
    let ((first, second), last) = tokio::join!(both, release);
    let (first, second) = (first.unwrap().unwrap(), second.unwrap().unwrap());
    assert!(first.fence() > last && second.fence() > last && first.fence() != second.fence());
    assert_eq!(mine.info().await.unwrap().held, 2);
    assert!(timeout(secs(2), first.lost()).await.is_err() && second.is_valid());
    assert!(mine.try_acquire().await.unwrap().is_none());
}
