//! Whatever ends a guard or an acquisition, nothing is left behind.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use mystocks_lock::{Locker, Resource};
use mystocks_redis_core::redis::cmd;
use mystocks_redis_core::{Call, RedisManager};
use mystocks_testkit::{FaultProxy, eventually};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::TaskTracker;

use crate::world::{World, connect, millis, redis_locker, secs};

/// Keys that only guards and waiters have: not fences, which outlive them.
pub(crate) async fn leftovers(redis: &RedisManager) -> Vec<String> {
    let keys: Vec<String> = redis.query(cmd("KEYS").arg("*"), Call::repeatable()).await.unwrap();
    keys.into_iter().filter(|key| !key.ends_with(":fence") && !key.ends_with(":strangers")).collect()
}

pub(crate) async fn nothing_is_left(redis: &RedisManager, within: Duration) {
    eventually("nothing is left", within, async || leftovers(redis).await.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_guards_ended_in_every_way_leave_nothing() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let world = World::start().await;
    let (locker, redis) = (world.locker().await, world.locker().await);
    let watch = connect(&world.server.url()).await;
    let tasks = TaskTracker::new();
    // Held for an hour: what is gone was released, and not outlived.
    for round in 0..20 {
        let ended: Vec<_> = (0..500)
            .map(|n| {
                let locker = if n % 2 == 0 { locker.clone() } else { redis.clone() };
                let pause = Duration::from_micros(random.u64(0..3_000));
                let resource = Resource::new(format!("r{round}:{n}")).ttl(secs(3600));
                let holding = async move {
                    let guard = locker.try_lock(resource).await.unwrap();
                    sleep(pause).await;
                    if n % 3 == 0 {
                        std::panic::resume_unwind(Box::new("in the middle of it"));
                    }
                    drop(guard);
                };
                let task = tasks.spawn(AssertUnwindSafe(holding).catch_unwind());
                (task, (n % 3 == 1).then(|| Duration::from_micros(random.u64(0..4_000))))
            })
            .collect();
        join_all(ended.into_iter().map(async |(task, abort)| {
            if let Some(after) = abort {
                sleep(after).await;
                task.abort();
            }
            let _ = task.await;
        }))
        .await;
    }
    nothing_is_left(&watch, secs(20)).await;
    locker.shutdown().await;
    redis.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_aborted_acquisitions_leave_neither_key_nor_place() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let world = World::start().await;
    let proxy = FaultProxy::start(world.server.address()).await;
    let locker = redis_locker(&proxy.url(1)).await;
    proxy.delay(millis(1));
    let watch = connect(&world.server.url()).await;
    let (mut granted, mut aborted) = (0, 0);
    for _ in 0..40 {
        let attempts = (0..250).map(|n| {
            let limit = Duration::from_micros(random.u64(0..12_000));
            let resource = Resource::new(format!("r{}", n % 50)).ttl(secs(3600));
            let locker = &locker;
            async move {
                let asked = async {
                    match n % 3 {
                        0 => locker.try_lock(resource).await,
                        1 => locker.lock(resource, secs(60)).await,
                        _ => locker.lock_fair(resource, secs(60)).await,
                    }
                };
                timeout(limit, asked).await.is_ok_and(|answer| answer.unwrap().is_some())
            }
        });
        for done in join_all(attempts).await {
            if done { granted += 1 } else { aborted += 1 }
        }
    }
    println!("{granted} granted, {aborted} aborted or busy");
    assert!(aborted > 1_000 && granted > 100, "the limits fall on both sides of the answers");
    nothing_is_left(&watch, secs(20)).await;
    locker.shutdown().await;
}

#[tokio::test]
async fn a_guard_may_be_dropped_outside_a_runtime_and_after_it() {
    let world = World::start().await;
    let watch = connect(&world.server.url()).await;
    let locker = world.locker().await;
    let guard = locker.try_lock("report").await.unwrap().unwrap();
    std::thread::spawn(move || drop(guard)).join().unwrap();
    nothing_is_left(&watch, secs(20)).await;
    let url = world.server.url();
    let guard = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            redis_locker(&url).await.try_lock(Resource::new("gone").ttl(millis(500))).await
        })
    });
    let guard = guard.join().unwrap().unwrap();
    assert!(guard.is_some(), "nobody is there any more to release it");
    drop(guard);
    nothing_is_left(&watch, secs(20)).await;
}

#[tokio::test]
async fn the_time_to_live_never_rises_after_the_end() {
    let world = World::start().await;
    let proxy = FaultProxy::start(world.server.address()).await;
    let locker = redis_locker(&proxy.url(1)).await;
    proxy.delay(millis(5));
    let watch = connect(&world.server.url()).await;
    let short = Resource::new("short").ttl(millis(300));
    for turn in 0..20_u64 {
        let guard = locker.lock(&short, secs(10)).await.unwrap().unwrap();
        sleep(millis(90 + turn % 20)).await; // A renewal is due, under way or answered.
        drop(guard);
        let (mut last, end) = (i64::MAX, Instant::now() + millis(900));
        let mut is_free = false;
        while Instant::now() < end && !is_free {
            let key = "mystocks:lock:short";
            let left: i64 = watch.query(cmd("PTTL").arg(key), Call::repeatable()).await.unwrap();
            // The renewal that was sent before the end may still arrive, right before the release.
            assert!(left <= last || left <= 300 && last > 0, "turn {turn}: from {last} to {left} ms");
            is_free = left < 0;
            last = left;
            sleep(millis(3)).await;
        }
        assert!(is_free, "turn {turn}");
        sleep(millis(20)).await;
        assert!(leftovers(&watch).await.is_empty(), "turn {turn}: it came back");
    }
    locker.shutdown().await;
}

#[tokio::test]
async fn the_last_handle_ends_the_task() {
    let world = World::start().await;
    let watch = connect(&world.server.url()).await;
    let locker: Locker = world.locker().await;
    let guard = locker.try_lock("report").await.unwrap().unwrap();
    drop(locker);
    sleep(millis(50)).await;
    assert!(guard.is_valid(), "a guard is a handle");
    drop(guard);
    nothing_is_left(&watch, secs(20)).await;
    let subscribers = async || {
        let channels: Vec<String> =
            watch.query(cmd("PUBSUB").arg("CHANNELS").arg("*lock:freed*"), Call::repeatable()).await.unwrap();
        channels.len()
    };
    eventually("nobody listens", secs(20), async || subscribers().await == 0).await;
}
