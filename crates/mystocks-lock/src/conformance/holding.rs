//! Who holds a lock, and for how long.

use futures::future::join_all;
use tokio::time::sleep;

use super::{Fleet, MINUTE, MOMENT, ask, give, hold, is_free, keep, lock, permit, release, take, want};
use crate::backend::{Acquire, Acquired, Keep, Kept, Release, Standing};

/// Of many that ask at once, one is granted it.
pub async fn one_of_many_takes_it(fleet: &Fleet) {
    for round in 0..8 {
        let key = fleet.key(&format!("a{round}"));
        let tokens: Vec<String> = (0..16).map(|n| format!("t{n}")).collect();
        let asked = tokens.iter().enumerate().map(|(n, token)| {
            let backend = if n % 2 == 0 { &fleet.here } else { &fleet.there };
            ask(backend, want(lock(&key), token))
        });
        let granted =
            join_all(asked).await.into_iter().filter(|answer| matches!(answer, Acquired::Granted { .. }));
        // Who asks several servers at once may get too few of them, and another turn.
        let granted = granted.count();
        assert!(granted <= 1, "{granted} hold {key}");
        if granted == 0 {
            take(&fleet.here, want(lock(&key), "later")).await;
        }
    }
}

/// Asked again with the token that holds it, it grants it again, with no smaller fence, and sets the time to live anew.
pub async fn asked_again_it_answers_as_before(fleet: &Fleet) {
    let key = fleet.key("a");
    let short = Acquire { ttl: 5 * MOMENT, ..want(lock(&key), "t") };
    let fence = take(&fleet.here, short).await;
    let again = take(&fleet.here, want(lock(&key), "t")).await;
    assert!(again >= fence, "{again} after {fence}");
    sleep(7 * MOMENT).await;
    assert!(!is_free(&fleet.there, want(lock(&key), "u")).await, "the second time to live counts");
    let again = take(&fleet.there, want(lock(&key), "t")).await;
    assert!(again >= fence, "whoever asks with it");
    give(&fleet.here, lock(&key), "t").await;
    assert!(take(&fleet.there, want(lock(&key), "u")).await > again);
}

/// A fence is greater than every one granted before, and than what is asked for at least.
pub async fn a_fence_is_greater_than_every_one_before(fleet: &Fleet) {
    let key = fleet.key("a");
    let mut last = 0;
    for turn in 0..20 {
        let token = format!("t{turn}");
        let backend = if turn % 3 == 0 { &fleet.there } else { &fleet.here };
        let fence = take(backend, want(lock(&key), &token)).await;
        assert!(fence > last, "turn {turn}: {fence} after {last}");
        assert_eq!(give(backend, lock(&key), &token).await, Standing::Held);
        last = fence;
    }
    let floor = last + 60_000_000;
    let raised = Acquire { fence: Some(floor), ..want(lock(&key), "high") };
    assert_eq!(take(&fleet.here, raised).await, floor);
    give(&fleet.here, lock(&key), "high").await;
    assert!(take(&fleet.there, want(lock(&key), "next")).await > floor);
    let more = Acquire { fence: Some(floor + 5), ..want(lock(&key), "next") };
    assert_eq!(take(&fleet.there, more).await, floor + 5, "who holds it may be given a greater one");
    let other = fleet.key("b");
    let without = Acquire { fence: None, ..want(lock(&other), "t") };
    assert_eq!(ask(&fleet.here, without).await, Acquired::Granted { fence: None });
}

/// Only the holder keeps and releases it; others are told how it stands.
pub async fn only_the_holder_keeps_and_releases(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = lock(&key);
    assert_eq!(hold(&fleet.here, spot, "t", MINUTE).await, Kept::Gone);
    assert_eq!(give(&fleet.here, spot, "t").await, Standing::Gone);
    take(&fleet.here, want(spot, "t")).await;
    assert_eq!(hold(&fleet.there, spot, "u", MINUTE).await, Kept::TakenOver);
    assert_eq!(give(&fleet.there, spot, "u").await, Standing::TakenOver);
    assert!(!is_free(&fleet.there, want(spot, "u")).await);
    // It is the token that holds, not the process.
    assert_eq!(hold(&fleet.there, spot, "t", MINUTE).await, Kept::Held);
    assert_eq!(give(&fleet.there, spot, "t").await, Standing::Held);
    assert_eq!(give(&fleet.here, spot, "t").await, Standing::Gone);
    assert!(is_free(&fleet.there, want(spot, "u")).await);
}

/// What is not kept is anybody's after its time to live, and not before.
pub async fn what_is_not_kept_is_anybodys(fleet: &Fleet) {
    let (key, other) = (fleet.key("a"), fleet.key("b"));
    take(&fleet.here, Acquire { ttl: 3 * MOMENT, ..want(lock(&key), "t") }).await;
    take(&fleet.here, want(lock(&other), "t")).await;
    assert!(!is_free(&fleet.there, want(lock(&key), "u")).await);
    sleep(5 * MOMENT).await;
    assert_eq!(hold(&fleet.here, lock(&key), "t", MINUTE).await, Kept::Gone);
    assert!(is_free(&fleet.there, want(lock(&key), "u")).await);
    assert!(!is_free(&fleet.there, want(lock(&other), "u")).await);
}

/// Keeping sets the time to live, it does not add to it.
pub async fn keeping_sets_the_time(fleet: &Fleet) {
    let (key, other) = (fleet.key("a"), fleet.key("b"));
    for key in [&key, &other] {
        take(&fleet.here, Acquire { ttl: 5 * MOMENT, ..want(lock(key), "t") }).await;
    }
    assert_eq!(hold(&fleet.here, lock(&key), "t", MINUTE).await, Kept::Held);
    assert_eq!(hold(&fleet.here, lock(&other), "t", MOMENT).await, Kept::Held);
    sleep(2 * MOMENT).await;
    assert!(is_free(&fleet.there, want(lock(&other), "u")).await, "shorter");
    sleep(5 * MOMENT).await;
    assert!(!is_free(&fleet.there, want(lock(&key), "u")).await, "longer");
}

/// Kept for at least a time, or acquired again, it is held until the later end.
pub async fn what_comes_late_shortens_nothing(fleet: &Fleet) {
    let key = fleet.key("a");
    for spot in [lock(&key), permit(&key, 1)] {
        let least = |ttl| Keep::Held { spot, token: "t", ttl, is_least: true, owner: None };
        take(&fleet.here, Acquire { ttl: 5 * MOMENT, ..want(spot, "t") }).await;
        assert_eq!(keep(&fleet.here, least(MOMENT)).await, Kept::Held);
        take(&fleet.here, Acquire { ttl: MOMENT, ..want(spot, "t") }).await;
        sleep(3 * MOMENT).await;
        assert!(!is_free(&fleet.there, want(spot, "u")).await, "shortened");
        assert_eq!(keep(&fleet.here, least(5 * MOMENT)).await, Kept::Held);
        sleep(3 * MOMENT).await;
        assert!(!is_free(&fleet.there, want(spot, "u")).await, "not made longer");
        sleep(3 * MOMENT).await;
        assert!(is_free(&fleet.there, want(spot, "u")).await);
    }
}

/// By force it is taken from whoever holds it, which is told; and only then something was done.
pub async fn by_force_it_is_taken_from_whoever_holds_it(fleet: &Fleet) {
    let key = fleet.key("a");
    let force = Release { spot: lock(&key), token: None, leaves: None };
    assert_eq!(release(&fleet.there, force).await, Standing::Gone);
    let owner = "{\"pid\": 7}";
    let fence = take(&fleet.here, Acquire { owner, ..want(lock(&key), "t") }).await;
    let stood = release(&fleet.there, force).await;
    let Standing::Forced(before) = &stood else { panic!("from whom? {stood:?}") };
    let [holder] = &before.holders[..] else { panic!("one holder: {before:?}") };
    let grant = holder.grant.as_ref().map(|grant| (grant.fence, grant.owner.as_str()));
    assert_eq!((holder.token.as_str(), grant), ("t", Some((fence, owner))));
    assert!(holder.ttl.is_some_and(|ttl| ttl <= MINUTE && ttl > MINUTE / 2), "{holder:?}");
    assert_eq!(hold(&fleet.here, lock(&key), "t", MINUTE).await, Kept::Gone);
    assert!(is_free(&fleet.there, want(lock(&key), "u")).await);
}

/// Answers come as many as asked, in that order.
pub async fn answers_come_as_many_as_asked_in_that_order(fleet: &Fleet) {
    let keys: Vec<String> = (0..250).map(|n| fleet.key(&format!("k{n}"))).collect();
    for key in keys.iter().step_by(2) {
        take(&fleet.here, want(lock(key), "t")).await;
    }
    let leases: Vec<Keep<'_>> = keys
        .iter()
        .map(|key| Keep::Held { spot: lock(key), token: "t", ttl: MINUTE, is_least: true, owner: None })
        .collect();
    let kept = fleet.here.keep(&leases).await;
    let expected = |n: usize| if n.is_multiple_of(2) { Kept::Held } else { Kept::Gone };
    assert!(kept.is_ok_and(|kept| kept == (0..250).map(expected).collect::<Vec<_>>()));
    let releases: Vec<Release<'_>> =
        keys.iter().map(|key| Release { spot: lock(key), token: Some("t"), leaves: None }).collect();
    let stood = fleet.here.release(&releases).await;
    let expected = |n: usize| if n.is_multiple_of(2) { Standing::Held } else { Standing::Gone };
    assert!(stood.is_ok_and(|stood| stood == (0..250).map(expected).collect::<Vec<_>>()));
    assert!(fleet.here.keep(&[]).await.is_ok_and(|kept| kept.is_empty()));
    assert!(fleet.here.release(&[]).await.is_ok_and(|stood| stood.is_empty()));
}
