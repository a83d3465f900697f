//! Promises about invalidating and listening.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::timeout;

use super::fleet::{Fleet, heard, recheck};
use super::{HOUR, Namespace, PATIENCE, get_one, put};
use crate::backplane::{Invalidation, Signal, digest};

/// Listening begins with how the link stands.
pub async fn the_first_signal_says_how_the_link_stands(fleet: &Fleet, _: &Namespace) {
    let mut signals = fleet.here.backplane.listen();
    let first = heard(&mut signals).await;
    assert!(matches!(first, Signal::Up | Signal::Down), "{first:?}");
    let mut second = fleet.here.listening().await;
    fleet.there.invalidate(Invalidation::Recheck("both")).await;
    while heard(&mut signals).await != recheck("both") {}
    assert_eq!(heard(&mut second).await, recheck("both"), "every listener hears");
}

/// When the others hear that an entry was invalidated it is gone, and the message has the digests and the stamp.
pub async fn an_entry_is_gone_before_anybody_is_told(fleet: &Fleet, ns: &Namespace) {
    let mut signals = fleet.there.listening().await;
    for round in 0..50 {
        let (gone, stays) = (&ns.key(round), &ns.key(format!("{round} stays")));
        put(&*fleet.store, gone, "v", HOUR).await;
        put(&*fleet.store, stays, "v", HOUR).await;
        let told = async {
            let signal = heard(&mut signals).await;
            (signal, get_one(&*fleet.store, gone).await)
        };
        let gone_too = [gone.as_str()];
        let invalidated = fleet.here.invalidate(Invalidation::Keys(&gone_too));
        let (stamp, (signal, entry)) = tokio::join!(invalidated, told);
        assert_eq!(signal, Signal::Keys { digests: vec![digest(gone)], stamp });
        assert_eq!(entry, None, "told before it was gone");
        assert!(get_one(&*fleet.store, stays).await.is_some());
    }
}

/// One invalidation of many keys is one message.
pub async fn a_thousand_keys_are_one_message(fleet: &Fleet, ns: &Namespace) {
    let mut signals = fleet.there.listening().await;
    let keys: Vec<String> = (0..1_000).map(|n| ns.key(n)).collect();
    for key in keys.iter().step_by(100) {
        put(&*fleet.store, key, "v", HOUR).await;
    }
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    let stamp = fleet.here.invalidate(Invalidation::Keys(&names)).await;
    let digests = names.iter().map(|key| digest(key)).collect();
    assert_eq!(heard(&mut signals).await, Signal::Keys { digests, stamp });
    for key in keys.iter().step_by(100) {
        assert_eq!(get_one(&*fleet.store, key).await, None);
    }
}

/// A mark has the stamp of its last invalidation, 0 before the first.
pub async fn a_mark_has_the_stamp_of_its_invalidation(fleet: &Fleet, ns: &Namespace) {
    let mut signals = fleet.there.listening().await;
    let (a, b, never) = (&ns.key("a"), &ns.key("b"), &ns.key("never"));
    let first = fleet.here.invalidate(Invalidation::Mark(a)).await;
    let second = fleet.here.invalidate(Invalidation::Mark(b)).await;
    assert_eq!(fleet.there.marks(&[b, never, a]).await, [second, 0, first]);
    let third = fleet.here.invalidate(Invalidation::Mark(a)).await;
    assert_eq!(fleet.here.marks(&[a]).await, [third]);
    assert!(fleet.here.marks(&[]).await.is_empty());
    for (mark, stamp) in [(a, first), (b, second), (a, third)] {
        assert_eq!(heard(&mut signals).await, Signal::Mark { mark: mark.clone(), stamp });
    }
}

/// A recheck changes nothing in the store.
pub async fn a_recheck_removes_nothing(fleet: &Fleet, ns: &Namespace) {
    let mut signals = fleet.there.listening().await;
    let (key, name) = (&ns.key("k"), "a \"name\" \\ with 价 and \n");
    put(&*fleet.store, key, "v", HOUR).await;
    fleet.here.invalidate(Invalidation::Recheck(name)).await;
    assert_eq!(heard(&mut signals).await, recheck(name));
    assert!(get_one(&*fleet.store, key).await.is_some());
}

/// Nobody hears what they invalidated themselves.
pub async fn nobody_hears_themselves(fleet: &Fleet, ns: &Namespace) {
    let (mut here, mut there) = (fleet.here.listening().await, fleet.there.listening().await);
    let key = ns.key("k");
    fleet.here.invalidate(Invalidation::Keys(&[&key])).await;
    fleet.here.invalidate(Invalidation::Mark(&key)).await;
    fleet.here.invalidate(Invalidation::Recheck("mine")).await;
    fleet.there.invalidate(Invalidation::Recheck("yours")).await;
    assert_eq!(heard(&mut here).await, recheck("yours"));
    assert!(matches!(heard(&mut there).await, Signal::Keys { .. }));
}

/// What happens one after the other is heard one after the other.
pub async fn signals_come_in_order(fleet: &Fleet, ns: &Namespace) {
    let mut signals = fleet.there.listening().await;
    let key = &ns.key("k");
    let telling = async {
        let mut expected = Vec::new();
        for n in 0..300 {
            let cache = format!("c{n}");
            let stamp = fleet.here.invalidate(Invalidation::Keys(&[key])).await;
            expected.push(Signal::Keys { digests: vec![digest(key)], stamp });
            let stamp = fleet.here.invalidate(Invalidation::Mark(key)).await;
            expected.push(Signal::Mark { mark: key.clone(), stamp });
            fleet.here.invalidate(Invalidation::Recheck(&cache)).await;
            expected.push(recheck(&cache));
        }
        expected
    };
    let hearing = async {
        let mut all = Vec::new();
        while all.len() < 900 {
            all.push(heard(&mut signals).await);
        }
        all
    };
    let (expected, all) = tokio::join!(telling, hearing);
    assert!(all == expected, "in another order or others");
}

/// A listener that does not keep up slows nobody, and is told by down and up when it missed something.
pub async fn a_slow_listener_is_told_what_it_missed(fleet: &Fleet, ns: &Namespace) {
    const CALLS: usize = 300;
    let mut signals = fleet.there.listening().await;
    let keys: Vec<String> = (0..1_000).map(|n| ns.key(n)).collect();
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    let telling = async {
        for _ in 0..CALLS / 10 {
            join_all((0..10).map(|_| fleet.here.invalidate(Invalidation::Keys(&names)))).await;
        }
    };
    assert!(timeout(PATIENCE, telling).await.is_ok(), "a listener that sleeps slows others");
    // Lets whatever is on its way arrive, so that the listener is behind as far as it can be.
    tokio::time::sleep(Duration::from_millis(200)).await;
    fleet.here.invalidate(Invalidation::Recheck("the end")).await;
    let (mut messages, mut is_up, mut missed) = (0, true, false);
    loop {
        match heard(&mut signals).await {
            Signal::Keys { .. } if is_up => messages += 1,
            Signal::Down => (is_up, missed) = (false, true),
            Signal::Up => is_up = true,
            end if is_up && end == recheck("the end") => break,
            other => panic!("{other:?} with the link {}", if is_up { "up" } else { "down" }),
        }
    }
    assert!(missed || messages == CALLS, "{messages} of {CALLS} came, and none was said to be missed");
}

/// A listener that is dropped disturbs nobody.
pub async fn listeners_come_and_go(fleet: &Fleet, _: &Namespace) {
    for n in 0..20 {
        let mut signals = fleet.there.listening().await;
        drop(fleet.there.listening().await);
        let cache = format!("c{n}");
        fleet.here.invalidate(Invalidation::Recheck(&cache)).await;
        assert_eq!(heard(&mut signals).await, recheck(&cache));
    }
}
