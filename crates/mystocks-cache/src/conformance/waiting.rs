//! Promises about waiting for leases.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::fleet::{Fleet, want, write};
use super::{HOUR, Namespace, PATIENCE};
use crate::backplane::Invalidation;
use crate::lease::{Take, Write};

/// Who waits is woken when the holder writes.
pub async fn a_write_wakes_who_waits(fleet: &Fleet, ns: &Namespace) {
    let key = &ns.key("k");
    fleet.here.taken(key, "t", HOUR).await;
    tokio::join!(fleet.there.wait_until_free(key), async {
        settle(fleet, ns).await;
        assert!(fleet.here.commit(write(key, "t", "v")).await);
    });
}

/// Who waits is woken when the holder gives the lease back.
pub async fn a_release_wakes_who_waits(fleet: &Fleet, ns: &Namespace) {
    let key = &ns.key("k");
    fleet.here.taken(key, "t", HOUR).await;
    tokio::join!(fleet.there.wait_until_free(key), async {
        settle(fleet, ns).await;
        fleet.here.release(key, "t").await;
    });
}

/// Who waits is woken when an invalidation takes the lease away.
pub async fn an_invalidation_wakes_who_waits(fleet: &Fleet, ns: &Namespace) {
    let key = &ns.key("k");
    fleet.here.taken(key, "t", HOUR).await;
    tokio::join!(fleet.there.wait_until_free(key), async {
        settle(fleet, ns).await;
        fleet.here.invalidate(Invalidation::Keys(&[&ns.key("other"), key])).await;
    });
}

/// Everybody who waits is woken, in every process.
pub async fn everybody_who_waits_is_woken(fleet: &Fleet, ns: &Namespace) {
    let key = &ns.key("k");
    fleet.here.taken(key, "t", HOUR).await;
    let waiting = (0..50).map(async |n| {
        let process = if n % 2 == 0 { &fleet.here } else { &fleet.there };
        while let Take::Busy(_) = process.take(want(key, "who waits", b"seen"), HOUR).await {
            assert!(process.leases.wait(key, HOUR).await.is_ok());
        }
    });
    let all = timeout(PATIENCE, futures::future::join_all(waiting));
    let (woken, ()) = tokio::join!(all, async {
        settle(fleet, ns).await;
        assert!(fleet.here.commit(write(key, "t", "v")).await);
    });
    assert!(woken.is_ok(), "somebody was not woken");
}

/// No wake-up is lost, whenever the lease is given back: before one waits, meanwhile, or just then.
pub async fn no_wake_up_is_lost(fleet: &Fleet, ns: &Namespace) {
    let before = &ns.key("before");
    fleet.here.taken(before, "t", HOUR).await;
    let busy = fleet.there.take(want(before, "u", b""), HOUR).await;
    assert!(matches!(busy, Take::Busy(_)), "{busy:?}");
    assert!(fleet.here.commit(write(before, "t", "v")).await);
    let waited = timeout(PATIENCE, fleet.there.leases.wait(before, HOUR)).await;
    assert!(matches!(waited, Ok(Ok(()))), "{waited:?}: it is free already");
    for round in 0..100 {
        let key = &ns.key(round);
        fleet.here.taken(key, "t", HOUR).await;
        tokio::join!(fleet.there.wait_until_free(key), async {
            for _ in 0..round % 10 {
                tokio::task::yield_now().await;
            }
            assert!(fleet.here.commit(write(key, "t", "v")).await);
        });
    }
}

/// Waiting ends with the limit, when the lease expires, and at once when nobody holds it.
pub async fn waiting_ends_with_the_limit_and_with_the_lease(fleet: &Fleet, ns: &Namespace) {
    let (short, key) = (Duration::from_millis(150), &ns.key("k"));
    let wait = async |at_most| {
        let waited = timeout(PATIENCE, fleet.there.leases.wait(key, at_most)).await;
        assert!(matches!(waited, Ok(Ok(()))), "{waited:?}");
    };
    wait(HOUR).await;
    fleet.here.taken(key, "t", HOUR).await;
    wait(short).await;
    wait(Duration::ZERO).await;
    assert!(fleet.here.renew(key, "t", short).await);
    wait(HOUR).await;
    fleet.there.wait_until_free(key).await;
}

/// Waiting for a lease that is held is no busy loop.
pub async fn waiting_takes_time(fleet: &Fleet, ns: &Namespace) {
    let key = &ns.key("k");
    fleet.here.taken(key, "t", HOUR).await;
    let (started, limit) = (Instant::now(), Duration::from_secs(1));
    let mut looks = 0;
    while started.elapsed() < limit {
        assert!(fleet.there.leases.wait(key, limit).await.is_ok());
        looks += 1;
    }
    assert!(looks <= 60, "{looks} looks in {limit:?}");
}

/// A write that is announced is told to the others and not to the process itself; one that is not, to nobody.
pub async fn a_write_is_told_to_the_others_when_asked(fleet: &Fleet, ns: &Namespace) {
    use super::fleet::{heard, recheck};
    use crate::backplane::{Signal, digest};
    let (quiet, loud) = (&ns.key("quiet"), &ns.key("loud"));
    let (mut here, mut there) = (fleet.here.listening().await, fleet.there.listening().await);
    fleet.here.taken(quiet, "t", HOUR).await;
    assert!(fleet.here.commit(write(quiet, "t", "v")).await);
    let taken = fleet.here.taken(loud, "t", HOUR).await;
    assert!(!fleet.here.commit(Write { announce: true, ..write(loud, "not the token", "v") }).await);
    assert!(fleet.here.commit(Write { announce: true, ..write(loud, "t", "v") }).await);
    let Signal::Keys { digests, stamp } = heard(&mut there).await else {
        panic!("an announced write is told as keys");
    };
    assert_eq!(digests, [digest(loud)]);
    assert!(stamp > taken, "{stamp} after {taken}");
    for process in [&fleet.here, &fleet.there] {
        process.invalidate(Invalidation::Recheck("the end")).await;
    }
    assert_eq!(heard(&mut there).await, recheck("the end"));
    assert_eq!(heard(&mut here).await, recheck("the end"));
}

/// Lets who waits begin to, as far as can be known from outside: each round trip is one more chance.
async fn settle(fleet: &Fleet, ns: &Namespace) {
    for n in 0..20 {
        fleet.here.taken(&ns.key(format!("settle {n}")), "t", HOUR).await;
        tokio::task::yield_now().await;
    }
}
