//! Who polls and stands in no queue, as Python does, gets its turns.

use std::time::Duration;

use mystocks_lock::{LockGuard, Locker};
use mystocks_redis_core::redis::cmd;
use mystocks_redis_core::{Call, RedisManager};
use mystocks_testkit::eventually;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::world::{World, connect, millis, secs};

const KEY: &str = "mystocks:lock:report";
const STRANGERS: &str = "{mystocks:lock:report}:strangers";
/// A little less than it is, for clocks that differ.
const LEFT_FREE: Duration = millis(105);

struct Python(RedisManager);

impl Python {
    async fn start(world: &World) -> Self {
        Self(connect(&world.server.url()).await)
    }

    async fn take(&self) -> bool {
        let mut set = cmd("SET");
        set.arg(KEY).arg("python").arg("NX").arg("PX").arg(10_000);
        self.0.query::<Option<String>>(&set, Call::once()).await.unwrap().is_some()
    }

    async fn give(&self) {
        let gone: u64 = self.0.query(cmd("DEL").arg(KEY), Call::once()).await.unwrap();
        assert_eq!(gone, 1);
    }

    async fn is_free(&self) -> bool {
        self.0.query::<u8>(cmd("EXISTS").arg(KEY), Call::once()).await.unwrap() == 0
    }

    async fn strangers(&self) -> Option<String> {
        self.0.query(cmd("GET").arg(STRANGERS), Call::once()).await.unwrap()
    }

    async fn set_strangers(&self, value: &str) {
        let mut set = cmd("SET");
        set.arg(STRANGERS).arg(value).arg("PX").arg(60_000);
        self.0.query::<()>(&set, Call::once()).await.unwrap();
    }

    async fn micros(&self) -> u64 {
        let (seconds, micros): (u64, u64) = self.0.query(&cmd("TIME"), Call::once()).await.unwrap();
        seconds * 1_000_000 + micros
    }
}

async fn waiting(locker: &Locker) -> u64 {
    locker.info("report").await.unwrap().map_or(0, |info| info.waiters)
}

/// Lets the lock be held and one wait for it; the second tells when it was granted to that one.
async fn held_and_wanted(locker: &Locker) -> (LockGuard, AbortOnDropHandle<Instant>) {
    let guard = locker.try_lock("report").await.unwrap().unwrap();
    let next = wait(locker, secs(20));
    eventually("it waits", secs(10), async || waiting(locker).await == 1).await;
    (guard, next)
}

/// Waits for the lock in the background, and returns when it was granted.
fn wait(locker: &Locker, limit: Duration) -> AbortOnDropHandle<Instant> {
    let locker = locker.clone();
    AbortOnDropHandle::new(TaskTracker::new().spawn(async move {
        let guard = locker.lock("report", limit).await.unwrap().unwrap();
        let now = Instant::now();
        guard.release().await.unwrap();
        now
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_polls_gets_its_turns() {
    let world = World::start().await;
    let (locker, python) = (world.locker().await, Python::start(&world).await);
    // That it takes part is known once somebody who waited has found it there.
    assert!(python.take().await);
    let (over, tasks) = (CancellationToken::new(), TaskTracker::new());
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
    python.give().await;
    let polling = async {
        let mut turns = 0;
        while turns < 5 {
            sleep(millis(100)).await;
            if python.take().await {
                turns += 1;
                sleep(millis(10)).await;
                python.give().await;
            }
        }
    };
    timeout(secs(90), polling).await.unwrap();
    over.cancel();
    tasks.close();
    tasks.wait().await;
}

/// Nobody knows of strangers, and the lock has gone from hand to hand for more than a minute.
#[tokio::test]
async fn what_was_never_free_for_long_is_left_free_once() {
    let world = World::start().await;
    let (locker, python) = (world.locker().await, Python::start(&world).await);
    for (seconds, is_free) in [(50, false), (61, true)] {
        let (guard, next) = held_and_wanted(&locker).await;
        let since = python.micros().await - seconds * 1_000_000;
        python.set_strangers(&format!("c{since}")).await;
        let released = Instant::now();
        guard.release().await.unwrap();
        let waited = next.await.unwrap() - released;
        // From the release on it is left free for 110 ms, and that it is has been written down.
        assert!(!is_free || waited >= LEFT_FREE, "{waited:?}");
        let last = python.strangers().await;
        let is_written = last.as_ref().is_some_and(|last| last.parse::<u64>().is_ok());
        assert!(is_free || !is_written, "{last:?}");
    }
}

/// Whoever gives up while it is held does not use up the moment in which it is left free.
#[tokio::test]
async fn who_gives_up_while_it_is_held_costs_strangers_nothing() {
    let world = World::start().await;
    let (locker, python) = (world.locker().await, Python::start(&world).await);
    python.set_strangers("0").await;
    let (guard, next) = held_and_wanted(&locker).await;
    assert!(locker.lock("report", millis(50)).await.unwrap().is_none());
    eventually("it has left", secs(10), async || waiting(&locker).await == 1).await;
    assert_eq!(python.strangers().await.as_deref(), Some("0"));
    let released = Instant::now();
    guard.release().await.unwrap();
    assert!(next.await.unwrap() - released >= LEFT_FREE);
}

/// Whoever gives up while it is left free does not end that.
#[tokio::test]
async fn who_gives_up_while_it_is_left_free_does_not_end_that() {
    let world = World::start().await;
    let (locker, python) = (world.locker().await, Python::start(&world).await);
    python.set_strangers("0").await;
    let (guard, next) = held_and_wanted(&locker).await;
    let leaves = wait(&locker, secs(20));
    eventually("both wait", secs(10), async || waiting(&locker).await == 2).await;
    let released = Instant::now();
    guard.release().await.unwrap();
    drop(leaves);
    assert!(next.await.unwrap() - released >= LEFT_FREE);
    eventually("it is free again", secs(10), async || python.is_free().await).await;
}
