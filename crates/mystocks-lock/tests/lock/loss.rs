//! A lock that is lost is known to be lost in time.

use std::time::Duration;

use futures::future::join_all;
use mystocks_lock::{LockGuard, Locker, LossReason, Resource};
use mystocks_redis_core::redis::cmd;
use mystocks_redis_core::{Call, RedisManager};
use mystocks_testkit::FaultProxy;
use tokio::time::{Instant, sleep, timeout};

use crate::world::{World, connect, millis, redis_locker, secs};

/// How late a timer may be on a machine that does other things too; what the deadline itself allows for is not in it.
const LATE: Duration = Duration::from_millis(700);

/// Takes twenty locks of 1.5 s, which end at different times.
async fn held(locker: &Locker) -> Vec<LockGuard> {
    held_for(locker, millis(1_500)).await
}

async fn held_for(locker: &Locker, ttl: Duration) -> Vec<LockGuard> {
    let mut guards = Vec::new();
    for n in 0..20 {
        let resource = Resource::new(format!("r{n}")).ttl(ttl);
        guards.push(locker.try_lock(resource).await.unwrap().unwrap());
        sleep(millis(7)).await;
    }
    // Some have been renewed, some not yet.
    sleep(millis(450)).await;
    assert!(guards.iter().all(LockGuard::is_valid));
    guards
}

/// Waits until each is lost, and returns why and how long after its deadline at `faulted` that was.
async fn lost(guards: &[LockGuard]) -> Vec<(LossReason, Duration, Duration)> {
    let faulted = Instant::now();
    join_all(guards.iter().map(async |guard| {
        let reason = timeout(secs(20), guard.lost()).await.unwrap();
        assert!(!guard.is_valid() && guard.lost_token().is_cancelled());
        (reason, guard.valid_until().elapsed(), faulted.elapsed())
    }))
    .await
}

async fn expires_in_time(guards: Vec<LockGuard>) {
    for (reason, late, _) in lost(&guards).await {
        assert_eq!(reason, LossReason::Expired);
        assert!(late <= LATE, "{late:?} after its deadline");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_deadline_when_the_network_is_a_black_hole() {
    let world = World::start().await;
    let proxy = FaultProxy::start(world.server.address()).await;
    let locker = redis_locker(&proxy.url(1)).await;
    let guards = held(&locker).await;
    proxy.hang_new(true);
    proxy.black_hole();
    expires_in_time(guards).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_deadline_when_the_server_stands_still() {
    let world = World::start().await;
    let locker = world.locker().await;
    let guards = held(&locker).await;
    world.server.pause();
    expires_in_time(guards).await;
    world.server.resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_deadline_when_the_server_is_dead() {
    let mut world = World::start().await;
    let locker = world.locker().await;
    let guards = held(&locker).await;
    world.server.kill().await;
    expires_in_time(guards).await;
}

/// Does something to the server that makes it forget the locks: it is found at the next renewal.
async fn is_found_out(what: impl AsyncFnOnce(&RedisManager), expected: LossReason) {
    let world = World::start().await;
    let (locker, redis) = (world.locker().await, connect(&world.server.url()).await);
    let guards = held(&locker).await;
    what(&redis).await;
    for (reason, _, after) in lost(&guards).await {
        assert_eq!(reason, expected);
        assert!(after <= millis(500) + LATE, "{after:?} after it happened");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soon_when_its_key_is_gone() {
    let delete = async |redis: &RedisManager| {
        for n in 0..20 {
            let removed: u64 =
                redis.query(cmd("DEL").arg(format!("mystocks:lock:r{n}")), Call::once()).await.unwrap();
            assert_eq!(removed, 1);
        }
    };
    is_found_out(delete, LossReason::Gone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soon_when_the_server_is_flushed() {
    let flush = async |redis: &RedisManager| {
        let _: () = redis.query(&cmd("FLUSHALL"), Call::once()).await.unwrap();
    };
    is_found_out(flush, LossReason::Gone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soon_when_somebody_else_took_it() {
    let take = async |redis: &RedisManager| {
        for n in 0..20 {
            let mut set = cmd("SET");
            set.arg(format!("mystocks:lock:r{n}")).arg("another");
            let _: () = redis.query(&set, Call::once()).await.unwrap();
        }
    };
    is_found_out(take, LossReason::TakenOver).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_for_a_connection_that_breaks_every_second() {
    let world = World::start().await;
    let proxy = FaultProxy::start(world.server.address()).await;
    let locker = redis_locker(&proxy.url(1)).await;
    let guards = held_for(&locker, secs(4)).await;
    for _ in 0..6 {
        proxy.cut();
        sleep(secs(1)).await;
        assert!(guards.iter().all(LockGuard::is_valid));
    }
    for guard in guards {
        assert_eq!(guard.release().await.unwrap(), mystocks_lock::Released::Released);
    }
}

#[tokio::test]
async fn at_the_first_look_after_a_pause_past_the_deadline() {
    let locker = Locker::memory();
    let guard = locker.try_lock(Resource::new("report").ttl(millis(100))).await.unwrap().unwrap();
    assert!(guard.is_valid());
    std::thread::sleep(millis(120));
    // Nothing of this process has run meanwhile that could have told it.
    assert!(!guard.is_valid() && !guard.lost_token().is_cancelled());
}

#[tokio::test]
async fn what_was_handed_over_is_not_renewed_here_any_more() {
    let world = World::start().await;
    let locker = world.locker().await;
    let guard = locker.try_lock(Resource::new("report").ttl(millis(300))).await.unwrap().unwrap();
    let _token = guard.into_token();
    assert!(locker.is_locked("report").await.unwrap());
    sleep(millis(700)).await;
    assert!(!locker.is_locked("report").await.unwrap());
}
