//! With tracking, what others do to a lock is found at once.

use futures::future::join_all;
use mystocks_lock::{LockGuard, Locker, LossReason, Released, Resource};
use mystocks_redis_core::redis::{Cmd, cmd};
use mystocks_redis_core::{Call, RedisManager};
use mystocks_testkit::{FaultProxy, number_in};
use tokio::time::{sleep, timeout};

use crate::world::{World, connect, millis, secs, tracked_locker};

async fn held(locker: &Locker, with: impl Fn(usize, Resource) -> Resource) -> Vec<LockGuard> {
    let guards = (0..20)
        .map(async |n| locker.try_lock(with(n, Resource::new(format!("r{n}")))).await.unwrap().unwrap());
    join_all(guards).await
}

/// Does something to the locks, each of an hour, and waits until all are lost: by renewals that would take 20 minutes.
async fn is_found_at_once(what: impl Fn(usize) -> Option<Cmd>, expected: LossReason) {
    let world = World::start().await;
    let (locker, redis) = (tracked_locker(&world.server.url()).await, connect(&world.server.url()).await);
    // What is not renewed is watched all the same.
    let with = |n: usize, resource: Resource| match n % 3 {
        0 => resource.ttl(secs(3600)),
        1 => resource.ttl(secs(3600)).without_renewal(),
        _ => resource.ttl(secs(3600)).without_renewal().without_fence(),
    };
    let guards = held(&locker, with).await;
    // Extended, they are watched as before.
    for guard in &guards[..10] {
        guard.extend(secs(3600)).await.unwrap();
    }
    for command in (0..20).filter_map(what) {
        let _: mystocks_redis_core::redis::Value = redis.query(&command, Call::once()).await.unwrap();
    }
    for guard in &guards {
        assert_eq!(timeout(secs(10), guard.lost()).await.unwrap(), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_it_was_deleted() {
    is_found_at_once(|n| Some(cmd("DEL").arg(format!("mystocks:lock:r{n}")).to_owned()), LossReason::Gone)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_somebody_else_took_it() {
    let set = |n| Some(cmd("SET").arg(format!("mystocks:lock:r{n}")).arg("another").to_owned());
    is_found_at_once(set, LossReason::TakenOver).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_the_server_was_flushed() {
    is_found_at_once(|n| (n == 0).then(|| cmd("FLUSHALL")), LossReason::Gone).await;
}

async fn scripts(redis: &RedisManager) -> u64 {
    let info: String = redis.query(cmd("INFO").arg("commandstats"), Call::repeatable()).await.unwrap();
    number_in(&info, "cmdstat_evalsha:calls=")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_renewed_ends_when_it_is_to_whoever_touches_it() {
    let world = World::start().await;
    let (locker, redis) = (tracked_locker(&world.server.url()).await, connect(&world.server.url()).await);
    let resource = Resource::new("report").ttl(secs(60)).without_renewal();
    let guard = locker.try_lock(resource).await.unwrap().unwrap();
    let until = guard.valid_until();
    for _ in 0..20 {
        // It is the same holder's, and is written all the same.
        let mut set = cmd("SET");
        set.arg("mystocks:lock:report").arg(guard.token().as_str()).arg("KEEPTTL");
        let _: () = redis.query(&set, Call::once()).await.unwrap();
        sleep(millis(50)).await;
        assert!(guard.is_valid() && guard.valid_until() == until);
    }
    let left: i64 = redis.query(cmd("PTTL").arg("mystocks:lock:report"), Call::repeatable()).await.unwrap();
    assert!(left < 59_500, "{left}: made longer");
    let _: u64 = redis.query(cmd("DEL").arg("mystocks:lock:report"), Call::once()).await.unwrap();
    assert_eq!(timeout(secs(20), guard.lost()).await.unwrap(), LossReason::Gone);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_own_renewals_are_no_news_and_a_lost_connection_is() {
    let world = World::start().await;
    let proxy = FaultProxy::start(world.server.address()).await;
    let (locker, redis) = (tracked_locker(&proxy.url(1)).await, connect(&world.server.url()).await);
    let guards = held(&locker, |_, resource| resource.ttl(secs(3))).await;
    let before = scripts(&redis).await;
    sleep(secs(7)).await;
    let renewals = scripts(&redis).await - before;
    assert!(guards.iter().all(LockGuard::is_valid));
    assert!(renewals < 60, "{renewals} requests for ten sweeps");
    for guard in guards {
        assert_eq!(guard.release().await.unwrap(), Released::Released);
    }
    let long = locker.try_lock(Resource::new("long").ttl(secs(3600))).await.unwrap().unwrap();
    // Taken away while nothing was watched.
    proxy.refuse(true);
    proxy.cut();
    let _: u64 = redis.query(cmd("DEL").arg("mystocks:lock:long"), Call::once()).await.unwrap();
    proxy.heal();
    assert_eq!(timeout(secs(20), long.lost()).await.unwrap(), LossReason::Gone);
}
