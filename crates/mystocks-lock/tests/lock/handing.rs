//! What is handed over is held as anything else.

use std::time::Duration;

use mystocks_config::LockSettings;
use mystocks_keys::Prefixes;
use mystocks_lock::{Keyspace, LockGuard, Locker, MemoryLocks, RedisLocks, Released, Resource};
use mystocks_testkit::eventually;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::gate::{At, Stopped, gated};
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

async fn left(locker: &Locker, resource: &Resource) -> Duration {
    locker.info(resource.clone()).await.unwrap().map_or(Duration::ZERO, |info| info.ttl.unwrap())
}

async fn it_is_held_for_its_time_and_named(here: Locker, there: Locker) {
    let there = there.with_owner("second");
    let resource = Resource::new("report").ttl(secs(20));
    let guard = handed(&here, &there, &resource).await;
    assert!(left(&here, &resource).await > secs(15));
    let owner = async || here.info(resource.clone()).await.unwrap().unwrap().owner.map(|owner| owner.name);
    eventually("it is named", secs(10), async || owner().await.as_deref() == Some("second")).await;
    let info = here.info(resource.clone()).await.unwrap().unwrap();
    assert_eq!(info.fence, guard.fence().map(u64::from));
    assert!(timeout(secs(2), guard.lost()).await.is_err(), "it is not lost when the place would have ended");
    assert!(guard.is_valid());
    assert_eq!(guard.release().await.unwrap(), Released::Released);
}

async fn what_is_not_renewed_has_its_time_once(here: Locker, there: Locker) {
    let resource = Resource::new("report").ttl(secs(3)).without_renewal();
    let guard = handed(&here, &there, &resource).await;
    assert!(left(&here, &resource).await > secs(1));
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

on_both! {
    it_is_held_for_its_time_and_named
    what_is_held_for_a_moment_is_over
    what_is_not_renewed_has_its_time_once
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

/// It is held for its time although the server cannot be told so.
#[tokio::test(start_paused = true)]
async fn it_outlives_a_silence() {
    let locks = MemoryLocks::new();
    let (here, (there, gate)) = (memory_locker(&locks), gated(&locks));
    let stops: Vec<_> = (0..8).map(|_| gate.stop(At::KeepRequest)).collect();
    let guard = handed(&here, &there, &Resource::new("report").ttl(secs(30))).await;
    sleep(secs(12)).await;
    assert!(guard.is_valid());
    stops.into_iter().for_each(Stopped::open);
    sleep(secs(60)).await;
    assert!(guard.is_valid());
}

/// A token that is taken out of it at once is good for the whole time to live.
#[tokio::test(start_paused = true)]
async fn its_token_is_good_for_its_time() {
    let locks = MemoryLocks::new();
    let (here, there) = (memory_locker(&locks), memory_locker(&locks));
    let resource = Resource::new("report").ttl(secs(30));
    let token = handed(&here, &there, &resource).await.into_token();
    sleep(secs(25)).await;
    assert!(LockGuard::from_token(&here, resource, token).await.unwrap().is_some());
}

/// Who does not hear, here because of another bus prefix, gets its turn on a lock that is never free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_hear_gets_its_turn() {
    let world = World::start().await;
    let keyspace = Keyspace::new(Prefixes { bus: "other:".to_owned(), ..Prefixes::default() }).unwrap();
    let locks = RedisLocks::new(connect(&world.server.url()).await, &keyspace).unwrap();
    let deaf = Locker::new(locks, &LockSettings::default(), &keyspace);
    let (over, tasks) = (CancellationToken::new(), TaskTracker::new());
    for _ in 0..3 {
        let locker = world.locker().await;
        tasks.spawn(over.clone().run_until_cancelled_owned(async move {
            loop {
                let guard = locker.lock_fair("report", secs(60)).await.unwrap().unwrap();
                sleep(millis(10)).await;
                guard.release().await.unwrap();
            }
        }));
    }
    for _ in 0..2 {
        let guard = deaf.lock_fair("report", secs(30)).await.unwrap().unwrap();
        assert_eq!(guard.release().await.unwrap(), Released::Released);
    }
    over.cancel();
    tasks.close();
    tasks.wait().await;
}
