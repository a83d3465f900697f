//! Requests that come late, answers that come late, and those that never come.

use std::sync::atomic::Ordering;
use std::time::Duration;

use mystocks_lock::{
    ErrorKind, Extended, Keep, Kept, Kind, LockBackend, LockGuard, Locker, LossReason, MemoryLocks, Resource,
    Spot,
};
use mystocks_testkit::eventually;
use tokio::time::{Instant, sleep, timeout};

use crate::gate::{At, gated};
use crate::world::{memory_locker, millis, secs};

const REPORT: Spot<'static> = Spot { key: "mystocks:lock:report", kind: Kind::Exclusive };

/// Returns for how long the server holds it, as another process sees it.
async fn left(other: &Locker) -> Duration {
    other.info("report").await.unwrap().map_or(Duration::ZERO, |info| info.ttl.unwrap())
}

/// Lets a request arrive of which whoever sent it knows nothing any more.
async fn arrives(locks: &MemoryLocks, guard: &LockGuard, (ttl, is_least): (Duration, bool)) {
    let late = Keep::Held { spot: REPORT, token: guard.token().as_str(), ttl, is_least, owner: None };
    assert_eq!(locks.keep(&[late]).await.unwrap(), [Kept::Held]);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_comes_after_a_longer_extension_shortens_nothing() {
    for is_given_up in [false, true] {
        let locks = MemoryLocks::new();
        let ((here, gate), other) = (gated(&locks), memory_locker(&locks));
        let guard = here.try_lock("report").await.unwrap().unwrap();
        let mut renewal = gate.stop(At::KeepRequest);
        renewal.reached().await;
        assert_eq!(guard.extend(secs(3600)).await.unwrap(), Extended::Extended);
        if is_given_up {
            let sent = gate.kept.lock().unwrap()[0];
            assert_eq!(sent.0, secs(30));
            sleep(secs(7)).await;
            arrives(&locks, &guard, sent).await;
        } else {
            renewal.open();
            sleep(millis(1)).await;
        }
        assert!(guard.valid_until() <= Instant::now() + left(&other).await);
        assert!(guard.valid_until() > Instant::now() + secs(3500), "held for as long as was asked for");
        sleep(secs(100)).await;
        assert!(guard.is_valid() && other.try_lock("report").await.unwrap().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_before_a_shorter_extension_claims_nothing() {
    let locks = MemoryLocks::new();
    let ((here, gate), other) = (gated(&locks), memory_locker(&locks));
    let guard = here.try_lock("report").await.unwrap().unwrap();
    let mut renewal = gate.stop(At::KeepAnswer);
    renewal.reached().await;
    assert_eq!(guard.extend(secs(3)).await.unwrap(), Extended::Extended);
    renewal.open();
    sleep(millis(1)).await;
    assert!(guard.valid_until() <= Instant::now() + left(&other).await);
    // And what is renewed from now on is renewed in time for the shorter one.
    sleep(secs(60)).await;
    assert!(guard.is_valid() && left(&other).await <= secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_shorter_extension_that_got_lost_may_still_come() {
    let locks = MemoryLocks::new();
    let ((here, gate), other) = (gated(&locks), memory_locker(&locks));
    let guard = here.try_lock("report").await.unwrap().unwrap();
    let lost = gate.stop(At::KeepRequest);
    assert!(timeout(millis(10), guard.extend(secs(2))).await.is_err());
    drop(lost);
    let sent = gate.kept.lock().unwrap()[0];
    assert_eq!(sent, (secs(2), false));
    assert_eq!(guard.extend(secs(60)).await.unwrap(), Extended::Extended);
    assert!(left(&other).await > secs(59));
    for _ in 0..20 {
        arrives(&locks, &guard, sent).await;
        assert!(guard.is_valid() && guard.valid_until() <= Instant::now() + left(&other).await);
        sleep(millis(700)).await;
    }
    assert!(other.try_lock("report").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn by_force_who_is_named_is_who_was_robbed() {
    let locks = MemoryLocks::new();
    let ((operator, gate), here) = (gated(&locks), memory_locker(&locks));
    let there = memory_locker(&locks).with_owner("there");
    let before = here.try_lock("report").await.unwrap().unwrap();
    let mut request = gate.stop(At::ReleaseRequest);
    let (robbed, after) = tokio::join!(operator.force_release("report", "a test"), async {
        request.reached().await;
        before.release().await.unwrap();
        let after = there.try_lock("report").await.unwrap().unwrap();
        request.open();
        after
    });
    let robbed = robbed.unwrap().unwrap();
    assert_eq!(robbed.fence, after.fence().map(u64::from));
    assert_eq!(robbed.owner.unwrap().name, "there");
    assert_eq!(after.lost().await, LossReason::Forced);
}

fn left_alone() -> Resource {
    Resource::new("report").ttl(secs(2)).without_renewal()
}

#[tokio::test]
async fn what_is_lost_by_the_own_clock_alone_is_not_extended() {
    let locks = MemoryLocks::new();
    let ((here, gate), other) = (gated(&locks), memory_locker(&locks));
    let short = Resource::new("report").ttl(millis(100)).without_renewal();
    let guard = here.try_lock(short).await.unwrap().unwrap();
    // The server holds it for longer, and the keeper has no time to look.
    arrives(&locks, &guard, (secs(60), true)).await;
    std::thread::sleep(millis(100));
    assert_eq!(guard.extend(secs(3600)).await.unwrap(), Extended::AlreadyExpired);
    assert_eq!(guard.lost().await, LossReason::Expired);
    assert!(gate.kept.lock().unwrap().is_empty(), "nobody was asked");
    let is_free = async || left(&other).await == Duration::ZERO;
    eventually("what was left of it is given back", secs(10), is_free).await;
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_by_force_is_not_extended() {
    let locks = MemoryLocks::new();
    let ((here, _), other) = (gated(&locks), memory_locker(&locks));
    let robbed = here.try_lock(left_alone()).await.unwrap().unwrap();
    other.force_release("report", "a test").await.unwrap().unwrap();
    let next = other.try_lock("report").await.unwrap().unwrap();
    assert_eq!(robbed.lost().await, LossReason::Forced);
    assert_eq!(robbed.extend(secs(3600)).await.unwrap(), Extended::AlreadyExpired);
    assert!(next.is_valid() && left(&other).await <= secs(30));
}

#[tokio::test(start_paused = true)]
async fn an_extension_under_way_when_it_is_lost_leaves_nothing_behind() {
    for at in [At::KeepRequest, At::KeepAnswer] {
        let locks = MemoryLocks::new();
        let ((here, gate), other) = (gated(&locks), memory_locker(&locks));
        let guard = here.try_lock(left_alone()).await.unwrap().unwrap();
        let mut extension = gate.stop(at);
        // Nor is anything given back for a while that is longer than the time to live, and shorter than the extension.
        gate.refuses_releases.store(true, Ordering::Relaxed);
        let (extended, ()) = tokio::join!(guard.extend(secs(3600)), async {
            extension.reached().await;
            assert_eq!(guard.lost().await, LossReason::Expired);
            extension.open();
        });
        assert_eq!(extended.unwrap(), Extended::AlreadyExpired, "{at:?}");
        assert!(!guard.is_valid());
        sleep(secs(60)).await;
        gate.refuses_releases.store(false, Ordering::Relaxed);
        sleep(secs(5)).await;
        assert_eq!(left(&other).await, Duration::ZERO, "{at:?}: it lives on without an owner");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_extended_is_given_back_for_as_long_as_it_may_live() {
    let locks = MemoryLocks::new();
    let ((here, gate), other) = (gated(&locks), memory_locker(&locks));
    let guard = here.try_lock(left_alone()).await.unwrap().unwrap();
    assert_eq!(guard.extend(secs(3600)).await.unwrap(), Extended::Extended);
    gate.refuses_releases.store(true, Ordering::Relaxed);
    drop(guard);
    sleep(secs(60)).await;
    gate.refuses_releases.store(false, Ordering::Relaxed);
    sleep(secs(5)).await;
    assert_eq!(left(&other).await, Duration::ZERO);
}

/// The release overtakes the request that it takes back: it is sent once more.
#[tokio::test(start_paused = true)]
async fn what_is_granted_after_its_release_is_released_again() {
    let locks = MemoryLocks::new();
    let ((here, gate), other) = (gated(&locks), memory_locker(&locks));
    gate.delays_acquisitions.store(true, Ordering::Relaxed);
    let request = gate.stop(At::AcquireRequest);
    assert_eq!(here.try_lock("report").await.unwrap_err().kind(), ErrorKind::Unknown);
    sleep(millis(300)).await;
    request.open();
    eventually("it is granted", secs(1), async || other.is_locked("report").await.unwrap()).await;
    sleep(secs(2)).await;
    assert!(!other.is_locked("report").await.unwrap(), "long before its time to live has passed");
}
