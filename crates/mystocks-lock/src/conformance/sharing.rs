//! Semaphores, read-write locks, and what is told of all.

use tokio::time::sleep;

use super::telling::{listen, listen_there};
use super::{Fleet, MINUTE, MOMENT, give, hold, is_free, line_up, lock, permit, queued, take, want};
use crate::backend::{Acquire, Kept, Kind, Share, Spot, Standing, State};

/// So many permits are held as there are, whoever holds them, and each is given back by itself.
pub async fn permits_are_as_many_as_there_are(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = permit(&key, 3);
    for token in ["t", "u"] {
        take(&fleet.here, want(spot, token)).await;
    }
    take(&fleet.there, want(spot, "v")).await;
    assert!(!is_free(&fleet.here, want(spot, "w")).await);
    take(&fleet.here, want(spot, "u")).await;
    assert!(!is_free(&fleet.there, want(spot, "w")).await, "asked again it is the same permit");
    assert_eq!(give(&fleet.there, spot, "u").await, Standing::Held);
    assert_eq!(give(&fleet.there, spot, "u").await, Standing::Gone);
    assert!(is_free(&fleet.there, want(spot, "w")).await);
    assert!(!is_free(&fleet.there, want(spot, "x")).await);
}

/// A permit that is not kept is free after its time to live; the others stay.
pub async fn a_permit_that_is_not_kept_is_free(fleet: &Fleet) {
    let key = fleet.key("a");
    let spot = permit(&key, 2);
    take(&fleet.here, Acquire { ttl: 3 * MOMENT, ..want(spot, "t") }).await;
    take(&fleet.here, Acquire { ttl: 3 * MOMENT, ..want(spot, "u") }).await;
    assert_eq!(hold(&fleet.here, spot, "u", MINUTE).await, Kept::Held);
    assert!(!is_free(&fleet.there, want(spot, "v")).await);
    sleep(5 * MOMENT).await;
    assert_eq!(hold(&fleet.here, spot, "t", MINUTE).await, Kept::Gone, "it does not come back to life");
    assert!(is_free(&fleet.there, want(spot, "v")).await);
    assert!(!is_free(&fleet.there, want(spot, "w")).await);
}

/// A lock, a semaphore and a read-write lock under one key know nothing of each other.
pub async fn kinds_know_nothing_of_each_other(fleet: &Fleet) {
    let key = fleet.key("a");
    let read = Spot { key: &key, kind: Kind::ReadWrite(Share { weight: 1, of: 9 }) };
    let write = Spot { key: &key, kind: Kind::ReadWrite(Share { weight: 9, of: 9 }) };
    for spot in [lock(&key), permit(&key, 1), read] {
        take(&fleet.here, want(spot, "t")).await;
        assert_eq!(hold(&fleet.here, spot, "t", MINUTE).await, Kept::Held);
    }
    assert!(is_free(&fleet.there, want(read, "u")).await, "readers share");
    assert!(!is_free(&fleet.there, want(write, "w")).await);
    for token in ["t", "u"] {
        assert_eq!(give(&fleet.there, read, token).await, Standing::Held);
    }
    assert!(is_free(&fleet.there, want(write, "w")).await);
    assert!(!is_free(&fleet.there, want(read, "u")).await);
    assert!(!is_free(&fleet.there, want(lock(&key), "u")).await);
    assert!(!is_free(&fleet.there, want(permit(&key, 1), "u")).await);
}

/// Readers that come after a waiting writer wait for it.
pub async fn a_writer_is_not_overtaken(fleet: &Fleet) {
    let key = fleet.key("a");
    let _listening = (listen(fleet).await, listen_there(fleet).await);
    let read = Spot { key: &key, kind: Kind::ReadWrite(Share { weight: 1, of: 9 }) };
    let write = Spot { key: &key, kind: Kind::ReadWrite(Share { weight: 9, of: 9 }) };
    take(&fleet.here, want(read, "t")).await;
    assert!(line_up(&fleet.there, queued(write, "w")).await.is_first);
    assert!(!is_free(&fleet.here, Acquire { fair: true, ..want(read, "u") }).await);
    assert!(!line_up(&fleet.here, queued(read, "u")).await.is_first);
    give(&fleet.here, read, "t").await;
    assert!(!is_free(&fleet.here, queued(read, "u")).await);
    take(&fleet.there, queued(write, "w")).await;
    give(&fleet.there, write, "w").await;
    take(&fleet.here, queued(read, "u")).await;
}

/// Who holds a spot is told: token, part, time left, fence, since when, and what the holder said of itself.
pub async fn what_is_held_is_told(fleet: &Fleet) {
    let (key, other) = (fleet.key("a"), fleet.key("b"));
    let owner = "{\"owner\": \"a b\", \"pid\": 7}";
    let fence = take(&fleet.here, Acquire { owner, ..want(lock(&key), "t") }).await;
    take(&fleet.there, Acquire { ttl: MOMENT, ..want(lock(&other), "v") }).await;
    sleep(2 * MOMENT).await;
    let states = fleet.there.inspect(&[lock(&key), lock(&other), lock(&fleet.key("none"))]).await;
    let Ok([held, ended, none]) = states.as_deref() else { panic!("three states: {states:?}") };
    let [holder] = &held.holders[..] else { panic!("one holder: {held:?}") };
    assert_eq!((holder.token.as_str(), holder.weight, held.waiters), ("t", 1, 0));
    assert!(holder.ttl.is_some_and(|ttl| ttl <= MINUTE && ttl > MINUTE / 2), "{holder:?}");
    let grant = holder.grant.as_ref().map(|grant| (grant.fence, grant.owner.as_str()));
    assert_eq!(grant, Some((fence, owner)));
    assert!(holder.grant.as_ref().is_some_and(|grant| grant.at.abs_diff(fence / 1000) < 5_000));
    assert_eq!((ended, none), (&State::default(), &State::default()), "what has ended is not told");
}

/// Who holds parts of a spot is told.
pub async fn what_is_shared_is_told(fleet: &Fleet) {
    let key = fleet.key("a");
    for token in ["t", "u"] {
        take(&fleet.here, want(permit(&key, 3), token)).await;
    }
    take(&fleet.there, Acquire { ttl: MOMENT, ..want(permit(&key, 3), "v") }).await;
    sleep(2 * MOMENT).await;
    let states = fleet.there.inspect(&[permit(&key, 3)]).await;
    let Ok([shared]) = states.as_deref() else { panic!("one state: {states:?}") };
    let mut holders: Vec<_> =
        shared.holders.iter().map(|holder| (holder.token.as_str(), holder.weight)).collect();
    holders.sort_unstable();
    assert_eq!(holders, [("t", 1), ("u", 1)], "what has ended is not told");
}

/// What is held is listed by how its key begins, also when it is much; what was released is not.
pub async fn what_is_held_is_listed(fleet: &Fleet) {
    let mut held: Vec<String> = (0..1_200).map(|n| fleet.key(&format!("held:{n:04}"))).collect();
    for key in &held {
        take(&fleet.here, want(lock(key), "t")).await;
    }
    take(&fleet.here, want(lock(&fleet.key("other")), "t")).await;
    take(&fleet.here, want(permit(&fleet.key("held:permits"), 1), "t")).await;
    let gone = held.remove(17);
    give(&fleet.here, lock(&gone), "t").await;
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        match fleet.there.scan(&fleet.key("held:"), cursor).await {
            Ok((keys, next)) => {
                found.extend(keys);
                cursor = next;
            }
            Err(error) => panic!("scan: {error}"),
        }
        if cursor.is_none() {
            break;
        }
    }
    found.sort();
    found.dedup();
    assert_eq!(found, held);
}
