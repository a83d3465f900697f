//! Promises about taking, renewing and giving back leases.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use tokio::time::sleep;

use super::fleet::{Fleet, held, want, write};
use super::{HOUR, Namespace, get, get_one, put};
use crate::backplane::Invalidation;
use crate::error::ErrorKind;
use crate::lease::{SEEN, Seen, Take, Want, Write};

const MINUTE: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(200);

/// Of many processes that want a lease at once, one takes it.
pub async fn one_of_many_takes_the_lease(fleet: &Fleet, ns: &Namespace) {
    for round in 0..10 {
        let key = &ns.key(round);
        let takes = join_all((0..50).map(async |n| {
            let process = if n % 2 == 0 { &fleet.here } else { &fleet.there };
            process.take(want(key, &format!("t{n}"), b""), MINUTE).await
        }))
        .await;
        let is_taken = |take: &&Take| matches!(take, Take::Taken { .. });
        let is_busy =
            |take: &&Take| matches!(take, Take::Busy(left) if *left <= MINUTE && *left > MINUTE / 2);
        assert_eq!(takes.iter().filter(is_taken).count(), 1, "{takes:?}");
        assert_eq!(takes.iter().filter(is_busy).count(), 49, "{takes:?}");
    }
}

/// An entry other than the one that was seen is answered instead of a lease, and nobody holds one then.
pub async fn another_entry_than_the_seen_one_is_answered(fleet: &Fleet, ns: &Namespace) {
    let key = &ns.key("k");
    let entry = |byte: u8, last: u8| [&[byte; SEEN][..], b"the rest", &[last]].concat();
    put(&*fleet.store, key, entry(1, 1), HOUR).await;
    let changed = Take::Changed(Bytes::from(entry(1, 1)));
    let (same, other) = ([1; SEEN], [2; SEEN]);
    for seen in [&b""[..], &other, &same[..SEEN - 1]] {
        assert_eq!(fleet.here.take(want(key, "a", seen), MINUTE).await, changed);
    }
    let taken = fleet.here.take(want(key, "a", &same), MINUTE).await;
    assert!(matches!(taken, Take::Taken { .. }), "{taken:?}: the seen one still stands there");
    assert_eq!(fleet.there.take(want(key, "b", &other), MINUTE).await, changed, "also while it is held");
    let busy = fleet.there.take(want(key, "b", &same), MINUTE).await;
    assert!(matches!(busy, Take::Busy(_)), "{busy:?}");

    // Where only the whole tells two entries apart, neither a head in common nor a length does.
    let whole = |seen| Want { seen: Seen::Whole(seen), ..want(key, "c", b"") };
    let (like, longer) = (entry(1, 2), [&entry(1, 1)[..], b"!"].concat());
    for seen in [&b""[..], &same, &like, &longer] {
        assert_eq!(fleet.there.take(whole(seen), MINUTE).await, changed);
    }
    let busy = fleet.there.take(whole(&entry(1, 1)), MINUTE).await;
    assert!(matches!(busy, Take::Busy(_)), "{busy:?}");

    let short = &ns.key("short");
    put(&*fleet.store, short, "of a few bytes", HOUR).await;
    let taken = fleet.here.take(want(short, "a", b"of a few bytes"), MINUTE).await;
    assert!(matches!(taken, Take::Taken { .. }), "{taken:?}");
    let gone = fleet.here.take(want(&ns.key("gone"), "a", b"was there"), MINUTE).await;
    assert!(matches!(gone, Take::Taken { .. }), "{gone:?}: there is no entry to answer");
}

/// A lease that nobody gives back ends by its time to live; who held it cannot write, renew or release any more.
pub async fn an_expired_lease_is_anybodys(fleet: &Fleet, ns: &Namespace) {
    let key = &ns.key("k");
    fleet.here.taken(key, "old", SHORT).await;
    sleep(SHORT + SHORT / 2).await;
    assert!(!fleet.here.commit(write(key, "old", "late")).await, "nobody took it, and still");
    assert!(!fleet.here.renew(key, "old", MINUTE).await);
    fleet.there.taken(key, "new", MINUTE).await;
    assert!(!fleet.here.commit(write(key, "old", "late")).await);
    assert!(!fleet.here.renew(key, "old", MINUTE).await);
    fleet.here.release(key, "old").await;
    assert_eq!(get_one(&*fleet.store, key).await, None);
    assert!(fleet.there.commit(write(key, "new", "loaded")).await);
    assert_eq!(get_one(&*fleet.store, key).await, Some(Bytes::from("loaded")));
}

/// The holder's token renews a lease, for longer or shorter, and no other.
pub async fn only_the_holder_renews(fleet: &Fleet, ns: &Namespace) {
    let key = &ns.key("k");
    fleet.here.taken(key, "mine", SHORT).await;
    assert!(fleet.here.renew(key, "mine", MINUTE).await);
    assert!(!fleet.there.renew(key, "yours", SHORT).await);
    assert!(!fleet.there.renew(&ns.key("none"), "mine", SHORT).await);
    sleep(SHORT + SHORT / 2).await;
    let busy = fleet.there.take(want(key, "yours", b""), MINUTE).await;
    assert!(matches!(busy, Take::Busy(left) if left > MINUTE / 2), "{busy:?}");
    assert!(fleet.here.renew(key, "mine", SHORT).await);
    sleep(SHORT + SHORT / 2).await;
    fleet.there.taken(key, "yours", MINUTE).await;
}

/// The holder's token writes, once; no other writes anything.
pub async fn only_the_holder_writes(fleet: &Fleet, ns: &Namespace) {
    let key = &ns.key("k");
    put(&*fleet.store, key, "old", HOUR).await;
    assert!(!fleet.here.commit(write(key, "mine", "new")).await, "nobody holds it");
    let taken = fleet.here.take(want(key, "mine", b"old"), MINUTE).await;
    assert!(matches!(taken, Take::Taken { .. }), "{taken:?}");
    for token in ["yours", "", "min", "mine2"] {
        assert!(!fleet.there.commit(write(key, token, "stolen")).await, "{token:?}");
    }
    assert_eq!(get_one(&*fleet.store, key).await, Some(Bytes::from("old")));
    assert!(fleet.here.commit(write(key, "mine", "new")).await);
    assert!(!fleet.here.commit(write(key, "mine", "newer")).await, "the lease was given back");
    assert_eq!(get_one(&*fleet.store, key).await, Some(Bytes::from("new")));
    fleet.here.release(key, "mine").await;
}

/// Only the holder's token gives a lease back.
pub async fn only_the_holder_releases(fleet: &Fleet, ns: &Namespace) {
    let key = &ns.key("k");
    fleet.here.taken(key, "mine", MINUTE).await;
    fleet.there.release(key, "yours").await;
    let busy = fleet.there.take(want(key, "yours", b""), MINUTE).await;
    assert!(matches!(busy, Take::Busy(_)), "{busy:?}");
    fleet.here.release(key, "mine").await;
    fleet.there.taken(key, "yours", MINUTE).await;
}

/// An invalidation takes the lease away: what was loaded under it is never written.
pub async fn an_invalidation_voids_the_lease(fleet: &Fleet, ns: &Namespace) {
    let key = &ns.key("k");
    for invalidating in [&fleet.here, &fleet.there] {
        fleet.here.taken(key, "before", MINUTE).await;
        invalidating.invalidate(Invalidation::Keys(&[key])).await;
        assert!(!fleet.here.renew(key, "before", MINUTE).await);
        assert!(!fleet.here.commit(write(key, "before", "stale")).await);
        assert_eq!(get_one(&*fleet.store, key).await, None);
        fleet.there.taken(key, "after", MINUTE).await;
        assert!(!fleet.here.commit(write(key, "before", "stale")).await);
        assert!(fleet.there.commit(write(key, "after", "fresh")).await);
        assert_eq!(get_one(&*fleet.store, key).await, Some(Bytes::from("fresh")));
        invalidating.invalidate(Invalidation::Keys(&[key])).await;
    }
}

/// By force a lease is taken from whoever holds it, whatever stands in the entry.
pub async fn a_lease_is_taken_by_force(fleet: &Fleet, ns: &Namespace) {
    let key = &ns.key("k");
    fleet.here.taken(key, "mine", MINUTE).await;
    put(&*fleet.store, key, "changed", HOUR).await;
    let taken = fleet.there.take(Want { by_force: true, ..want(key, "yours", b"") }, MINUTE).await;
    assert!(matches!(taken, Take::Taken { .. }), "{taken:?}");
    assert!(!fleet.here.commit(write(key, "mine", "lost")).await);
    assert!(fleet.there.commit(write(key, "yours", "forced")).await);
    assert_eq!(get_one(&*fleet.store, key).await, Some(Bytes::from("forced")));
}

/// There are as many answers as questions, in their order, each key on its own.
pub async fn answers_come_as_many_as_asked_in_that_order(fleet: &Fleet, ns: &Namespace) {
    let keys = ["a", "b", "c", "d"].map(|name| ns.key(name));
    let [a, b, c, d] = keys.each_ref().map(String::as_str);
    put(&*fleet.store, a, "there", HOUR).await;
    fleet.there.taken(c, "yours", MINUTE).await;
    let wanted = [b, a, c, d].map(|key| want(key, "mine", b""));
    let takes = fleet.here.take_all(&wanted, MINUTE).await;
    let [Take::Taken { stamp: first }, Take::Changed(seen), Take::Busy(_), Take::Taken { stamp: second }] =
        takes.as_slice()
    else {
        panic!("{takes:?}");
    };
    assert_eq!(seen, "there");
    assert!(first < second);
    let renewed = fleet.here.leases.renew(&[c, b, a, d].map(|key| held(key, "mine")), MINUTE).await;
    assert_eq!(renewed.ok(), Some(vec![false, true, false, true]));
    let writes = [(d, "4"), (c, "3"), (b, "2"), (a, "1")].map(|(key, value)| write(key, "mine", value));
    assert_eq!(fleet.here.leases.commit(&writes).await.ok(), Some(vec![true, false, true, false]));
    let values = get(&*fleet.store, &[a, b, c, d]).await;
    assert_eq!(values, [Some("there"), Some("2"), None, Some("4")].map(|value| value.map(Bytes::from)));
    assert_eq!(fleet.here.take_all(&[], MINUTE).await, []);
    assert_eq!(fleet.here.leases.renew(&[], MINUTE).await.ok(), Some(vec![]));
    assert_eq!(fleet.here.leases.commit(&[]).await.ok(), Some(vec![]));
    assert!(fleet.here.leases.release(&[]).await.is_ok());
}

/// A time to live below a millisecond is the caller's error, and nothing is written or taken.
pub async fn a_lease_or_life_too_short_is_refused(fleet: &Fleet, ns: &Namespace) {
    let (a, b) = (&ns.key("a"), &ns.key("b"));
    let tiny = Duration::from_micros(999);
    let refused = fleet.here.leases.take(&[want(a, "t", b"")], tiny).await;
    assert_eq!(refused.map_err(|error| error.kind()), Err(ErrorKind::InvalidArgument));
    fleet.here.take_all(&[want(a, "t", b""), want(b, "t", b"")], MINUTE).await;
    let refused = fleet.here.leases.renew(&[held(a, "t")], tiny).await;
    assert_eq!(refused.map_err(|error| error.kind()), Err(ErrorKind::InvalidArgument));
    let batch = [write(a, "t", "1"), Write { ttl: tiny, ..write(b, "t", "2") }];
    let refused = fleet.here.leases.commit(&batch).await;
    assert_eq!(refused.map_err(|error| error.kind()), Err(ErrorKind::InvalidArgument));
    assert_eq!(get(&*fleet.store, &[a, b]).await, [None, None]);
    assert!(fleet.here.commit(write(a, "t", "1")).await, "the lease is still held");
}

/// What is written has the value and the time to live that were asked for.
pub async fn a_write_has_its_value_and_life(fleet: &Fleet, ns: &Namespace) {
    let (key, large) = (&ns.key("k"), &ns.key("large"));
    let any: Bytes = (0..=255).collect();
    let bytes = Bytes::from(vec![7; 3 * 1024 * 1024]);
    for (key, value, ttl) in [(key, any, SHORT), (large, bytes, MINUTE)] {
        fleet.here.taken(key, "t", MINUTE).await;
        let one = Write { held: held(key, "t"), value: value.clone(), ttl, seen: None, announce: false };
        assert!(fleet.here.commit(one).await);
        assert_eq!(get_one(&*fleet.store, key).await, Some(value));
    }
    super::wait_until_absent(&*fleet.store, key).await;
    assert!(get_one(&*fleet.store, large).await.is_some());
}

/// Every stamp is greater than all before it, whoever draws it and for what, and is the time in microseconds.
pub async fn stamps_only_grow(fleet: &Fleet, ns: &Namespace) {
    let mut last = fleet.here.taken(&ns.key("first"), "t", MINUTE).await;
    let wall = fleet.store.now_ms().saturating_mul(1_000);
    assert!(last.abs_diff(wall) < 60_000_000, "{last} is not about {wall}");
    let mark = &ns.key("mark");
    for round in 0..100 {
        let key = &ns.key(round);
        for process in [&fleet.there, &fleet.here] {
            let stamps = [
                process.taken(key, "t", MINUTE).await,
                process.invalidate(Invalidation::Keys(&[key])).await,
                process.invalidate(Invalidation::Mark(mark)).await,
                process.invalidate(Invalidation::Recheck("bars")).await,
                process.invalidate(Invalidation::Keys(&[])).await,
            ];
            for stamp in stamps {
                assert!(stamp > last, "{stamp} after {last}");
                last = stamp;
            }
        }
    }
}
