//! The promise to programs that write entries and take no lease.

use std::time::Duration;

use bytes::Bytes;
use tokio::join;
use tokio::time::timeout;

use super::fleet::{Fleet, heard, held, recheck, want, write};
use super::{HOUR, Namespace, PATIENCE, get_one, put};
use crate::backplane::Invalidation;
use crate::lease::{SEEN, Seen, Take, Want, Write};
use crate::store::Lifetime;

/// A write under a lease spares an entry that is not the one that was seen, tells nobody of it, and gives the lease back.
pub async fn a_write_spares_what_came_between(fleet: &Fleet, ns: &Namespace) {
    let entry = |last: &str| Bytes::from([&[b'h'; SEEN][..], last.as_bytes()].concat());
    let (old, new, longer, head) = (entry("old"), entry("new"), entry("newer"), entry(""));
    let (nothing, none) = (Bytes::new(), None);
    // What was seen, what stood there then and what came between, and whether the write takes its place.
    let cases = [
        (Seen::Whole(&nothing), none, none, true),
        (Seen::Whole(&nothing), none, Some(&new), false),
        (Seen::Whole(&old), Some(&old), Some(&old), true),
        (Seen::Whole(&old), Some(&old), Some(&new), false),
        (Seen::Whole(&old), Some(&old), Some(&longer), false),
        (Seen::Whole(&old), Some(&old), Some(&head), false),
        (Seen::Whole(&old), Some(&old), none, false),
        (Seen::Head(&nothing), none, Some(&new), false),
        (Seen::Head(&head), Some(&old), Some(&new), true),
        (Seen::Head(&head), Some(&old), none, false),
    ];
    let (mut here, mut there) = (fleet.here.listening().await, fleet.there.listening().await);
    for (number, (seen, before, between, writes)) in cases.into_iter().enumerate() {
        let key = &ns.key(number);
        if let Some(before) = before {
            put(&*fleet.store, key, before.clone(), HOUR).await;
        }
        let taken = fleet.here.take(Want { seen, ..want(key, "t", b"") }, HOUR).await;
        assert!(matches!(taken, Take::Taken { .. }), "{seen:?}: {taken:?}");
        let life = Duration::from_secs(60);
        match between {
            Some(between) => put(&*fleet.store, key, between.clone(), life).await,
            None => drop(fleet.store.remove(&[key]).await),
        }
        let ours = Write { seen: Some(seen), announce: !writes, ..write(key, "t", "ours") };
        let waiting = timeout(PATIENCE, fleet.there.leases.wait(key, HOUR));
        let (waited, written) = join!(waiting, fleet.here.commit(ours.clone()));
        assert!(matches!(waited, Ok(Ok(()))), "{waited:?}");
        assert_eq!(written, writes, "{seen:?} of {before:?}, then {between:?}");
        let expected = if writes { Some(&ours.value) } else { between };
        assert_eq!(get_one(&*fleet.store, key).await.as_ref(), expected, "{seen:?}");
        if !writes && between.is_some() {
            let lives = fleet.store.touch(key, None).await;
            assert!(matches!(lives, Ok(Lifetime::Expires(left)) if left <= life), "{lives:?}");
        }
        let there_now = expected.cloned().unwrap_or_default();
        let free = Want { seen: Seen::Whole(&there_now), ..want(key, "another", b"") };
        let taken = fleet.there.take(free, HOUR).await;
        assert!(matches!(taken, Take::Taken { .. }), "the lease was given back, but: {taken:?}");
    }

    // Each of a batch by itself; and without a word of what was seen, or without the lease, all is as ever.
    let keys = ["a", "b", "c", "d"].map(|name| ns.key(name));
    let [a, b, c, d] = keys.each_ref().map(String::as_str);
    fleet.here.take_all(&[a, b, c].map(|key| want(key, "t", b"")), HOUR).await;
    for key in [a, c] {
        put(&*fleet.store, key, "theirs", HOUR).await;
    }
    let seen = Some(Seen::Whole(b""));
    let [a, b, d] = [a, b, d].map(|key| Write { seen, ..write(key, "t", "ours") });
    let written = fleet.here.leases.commit(&[a, b, write(c, "t", "ours"), d]).await;
    assert_eq!(written.ok(), Some(vec![false, true, true, false]));
    let values = super::get(&*fleet.store, &keys.each_ref().map(String::as_str)).await;
    let expected = [Some("theirs"), Some("ours"), Some("ours"), None];
    assert_eq!(values, expected.map(|value| value.map(Bytes::from)));
    assert!(fleet.here.leases.release(&keys.each_ref().map(|key| held(key, "t"))).await.is_ok());

    for process in [&fleet.here, &fleet.there] {
        process.invalidate(Invalidation::Recheck("the end")).await;
    }
    assert_eq!(heard(&mut there).await, recheck("the end"), "a write that did not happen is told to nobody");
    assert_eq!(heard(&mut here).await, recheck("the end"));
}
