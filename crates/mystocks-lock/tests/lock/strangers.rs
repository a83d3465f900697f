//! Nobody releases or extends what is somebody else's, and a lost answer harms nobody.

use std::collections::HashSet;
use std::time::Duration;

use mystocks_lock::{ErrorKind, Extended, LockGuard, Locker, MemoryLocks, Released, Resource, Token};
use mystocks_redis_core::Call;
use mystocks_redis_core::redis::cmd;
use mystocks_testkit::{FaultProxy, eventually};
use tokio::time::{Instant, sleep, timeout};

use crate::hygiene::nothing_is_left;
use crate::world::{World, connect, memory_locker, millis, redis_locker, secs};

/// Takes, forgets, extends and releases at random, with tokens that are good, stale or foreign, and compares with a model.
async fn random_steps(locker: Locker, steps: usize, rest: impl AsyncFn(Duration)) {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut current, mut old): (Option<Token>, Vec<Token>) = (None, vec![Token::from("foreign")]);
    let mut drawn = HashSet::new();
    for step in 0..steps {
        let stale = old[random.usize(..old.len())].clone();
        match random.u8(0..6) {
            0 | 1 => {
                let taken = locker.acquire("report", secs(60)).await.unwrap();
                assert_eq!(taken.is_some(), current.is_none(), "step {step}");
                if let Some(token) = taken {
                    assert!(drawn.insert(token.as_str().to_owned()), "step {step}: a token twice");
                    current = Some(token);
                }
            }
            2 => {
                let expected = current.as_ref().map_or(Released::AlreadyExpired, |_| Released::TakenOver);
                assert_eq!(locker.release("report", &stale).await.unwrap(), expected, "step {step}");
            }
            3 => {
                let expected = current.as_ref().map_or(Extended::AlreadyExpired, |_| Extended::TakenOver);
                let extended = locker.extend("report", &stale, millis(10)).await.unwrap();
                assert_eq!(extended, expected, "step {step}");
            }
            4 => {
                if let Some(token) = current.take() {
                    assert_eq!(
                        locker.release("report", &token).await.unwrap(),
                        Released::Released,
                        "step {step}"
                    );
                    old.push(token);
                }
            }
            _ => {
                if let Some(token) = current.take_if(|_| step % 40 == 0) {
                    assert_eq!(locker.extend("report", &token, millis(5)).await.unwrap(), Extended::Extended);
                    rest(millis(20)).await;
                    old.push(token);
                }
            }
        }
        if let Some(token) = &current {
            let ttl = locker.info("report").await.unwrap().unwrap().ttl.unwrap();
            assert!(ttl > secs(30), "step {step}: somebody shortened it to {ttl:?}");
            assert_eq!(locker.extend("report", token, secs(60)).await.unwrap(), Extended::Extended);
        }
    }
    locker.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_steps_in_memory() {
    random_steps(memory_locker(&MemoryLocks::new()), 10_000, async |time| sleep(time).await).await;
}

#[tokio::test]
async fn ten_thousand_steps_in_redis() {
    let world = World::start().await;
    random_steps(world.locker().await, 10_000, async |time| sleep(time).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_that_ended_late_does_not_touch_its_successor() {
    let world = World::start().await;
    let (here, there) = (world.locker().await, world.locker().await);
    let short = Resource::new("report").ttl(millis(250)).without_renewal();
    for turn in 0..20 {
        let old = here.try_lock(&short).await.unwrap().unwrap();
        old.lost().await;
        let next = there.lock(Resource::new("report"), secs(10)).await.unwrap().unwrap();
        match turn % 3 {
            0 => drop(old),
            1 => assert_eq!(old.release().await.unwrap(), Released::TakenOver),
            _ => assert_eq!(
                old.extend(millis(50)).await.unwrap(),
                Extended::AlreadyExpired,
                "it was lost before"
            ),
        }
        sleep(millis(30)).await;
        let ttl = there.info("report").await.unwrap().unwrap().ttl.unwrap();
        assert!(next.is_valid() && ttl > secs(20), "turn {turn}: {ttl:?}");
        assert_eq!(next.release().await.unwrap(), Released::Released);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_blocks_nobody_and_fences_nobody_twice() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let world = World::start().await;
    let proxy = FaultProxy::start(world.server.address()).await;
    let (locker, watch) = (redis_locker(&proxy.url(1)).await, connect(&world.server.url()).await);
    let (mut unknown, mut fences) = (0, HashSet::new());
    for turn in 0..60 {
        let resource = Resource::new("report").ttl(secs(3600));
        proxy.hold_replies(true);
        let asking = async {
            let resource = if turn % 2 == 0 { resource } else { resource.without_fence() };
            let guard: Option<LockGuard> = match turn % 3 {
                0 => locker.lock_fair(resource, secs(30)).await?,
                _ => locker.try_lock(resource).await?,
            };
            Ok::<_, mystocks_lock::Error>(guard)
        };
        let fault = async {
            sleep(Duration::from_micros(random.u64(0..3_000))).await;
            // What was applied meanwhile has no answer any more.
            proxy.cut();
            proxy.heal();
        };
        let begun = Instant::now();
        let (answer, ()) = tokio::join!(timeout(secs(20), asking), fault);
        assert!(begun.elapsed() < secs(8), "turn {turn}: {:?}", begun.elapsed());
        match answer.unwrap() {
            Ok(Some(guard)) => {
                assert!(guard.is_valid());
                if let Some(fence) = guard.fence() {
                    assert!(fences.insert(fence), "turn {turn}: a fence twice");
                }
                drop(guard);
            }
            Ok(None) => panic!("turn {turn}: blocked by itself"),
            Err(error) => {
                unknown += 1;
                assert!(matches!(error.kind(), ErrorKind::Unknown | ErrorKind::Unavailable), "{error}");
            }
        }
        // Whatever was applied is taken back, long before its time to live.
        let free = async || {
            let holder: Option<String> =
                watch.query(cmd("GET").arg("mystocks:lock:report"), Call::repeatable()).await.unwrap();
            holder.is_none()
        };
        eventually("it is free", secs(20), free).await;
    }
    println!("{unknown} of 60 not known");
    assert!(unknown > 0, "some answers were lost for good");
    nothing_is_left(&watch, secs(20)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shorter_time_without_an_answer_is_the_one_that_counts() {
    let world = World::start().await;
    let proxy = FaultProxy::start(world.server.address()).await;
    let (locker, other) = (redis_locker(&proxy.url(1)).await, world.locker().await);
    let guard = locker.try_lock(Resource::new("report").without_renewal()).await.unwrap().unwrap();
    // The server knows the script from now on.
    assert_eq!(guard.extend(secs(30)).await.unwrap(), Extended::Extended);
    proxy.hold_replies(true);
    let _ = timeout(millis(200), guard.extend(millis(700))).await;
    let taken = other.lock("report", secs(10)).await.unwrap();
    assert!(taken.is_some() && !guard.is_valid(), "two would hold it");
    proxy.heal();
}
