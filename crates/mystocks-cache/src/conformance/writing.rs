//! Promises about `put`, `remove` and `touch`.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use tokio::time::Instant;

use super::{HOUR, Namespace, entry, get, get_one, put, wait_until_absent};
use crate::error::ErrorKind;
use crate::store::{Cursor, Lifetime, Store};

const MINUTE: Duration = Duration::from_secs(60);

/// An entry is there until its time to live is over, and then nowhere.
pub async fn an_expired_entry_is_gone(store: &dyn Store, ns: &Namespace) {
    let (short, long) = (ns.key("short"), ns.key("long"));
    let ttl = Duration::from_millis(700);
    put(store, &long, "l", HOUR).await;
    let written = Instant::now();
    put(store, &short, "s", ttl).await;
    wait_until_absent(store, &short).await;
    // Servers keep time by the millisecond and cache it: an early end within two of them is not early.
    let lived = written.elapsed() + Duration::from_millis(2);
    assert!(lived >= ttl, "gone after {lived:?} of {ttl:?}");
    assert_eq!(get(store, &[&short, &long]).await, [None, Some(Bytes::from("l"))]);
    assert_eq!(store.touch(&short, None).await.ok(), Some(Lifetime::Absent));
    assert_eq!(store.touch(&short, Some(HOUR)).await.ok(), Some(Lifetime::Absent));
    assert_eq!(store.remove(&[&short]).await.ok(), Some(0));
    let mut cursor = Some(Cursor::START);
    while let Some(at) = cursor {
        let Ok(page) = store.scan(&ns.key("*"), at).await else {
            panic!("the walk failed");
        };
        assert!(!page.keys.contains(&short), "a walk shows an expired key");
        cursor = page.next;
    }
}

/// A second write replaces the value and the time to live, longer or shorter.
pub async fn writing_replaces_value_and_life(store: &dyn Store, ns: &Namespace) {
    let key = ns.key("k");
    for (value, ttl) in [("first", HOUR), ("second", MINUTE), ("third", 2 * HOUR)] {
        put(store, &key, value, ttl).await;
        assert_eq!(get_one(store, &key).await, Some(Bytes::from(value)));
        assert_lives(store, &key, ttl).await;
    }
}

/// In one batch every entry has its own time to live.
pub async fn a_batch_gives_every_entry_its_own_life(store: &dyn Store, ns: &Namespace) {
    let (a, b, c) = (ns.key("a"), ns.key("b"), ns.key("c"));
    let written = store
        .put(&[entry(&a, "1", HOUR), entry(&b, "2", Duration::from_millis(50)), entry(&c, "3", MINUTE)])
        .await;
    assert!(written.is_ok(), "{written:?}");
    assert_lives(store, &a, HOUR).await;
    assert_lives(store, &c, MINUTE).await;
    wait_until_absent(store, &b).await;
    assert_eq!(get(store, &[&a, &b, &c]).await, [Some(Bytes::from("1")), None, Some(Bytes::from("3"))]);
}

/// Of a key named twice in a batch the last entry stands.
pub async fn the_last_of_a_key_named_twice_wins(store: &dyn Store, ns: &Namespace) {
    let key = ns.key("k");
    let written = store.put(&[entry(&key, "first", HOUR), entry(&key, "last", MINUTE)]).await;
    assert!(written.is_ok(), "{written:?}");
    assert_eq!(get_one(store, &key).await, Some(Bytes::from("last")));
    assert_lives(store, &key, MINUTE).await;
}

/// A time to live below a millisecond is the caller's error, and not one entry of the batch is written.
pub async fn a_life_too_short_is_refused_and_nothing_written(store: &dyn Store, ns: &Namespace) {
    let (a, b, c) = (ns.key("a"), ns.key("b"), ns.key("c"));
    put(store, &b, "old", HOUR).await;
    for ttl in [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(999)] {
        let batch = [entry(&a, "1", HOUR), entry(&b, "new", ttl), entry(&c, "3", HOUR)];
        let refused = store.put(&batch).await.map_err(|error| error.kind());
        assert_eq!(refused, Err(ErrorKind::InvalidArgument), "{ttl:?}");
        assert_eq!(get(store, &[&a, &b, &c]).await, [None, Some(Bytes::from("old")), None]);
        let refused = store.touch(&b, Some(ttl)).await.map_err(|error| error.kind());
        assert_eq!(refused, Err(ErrorKind::InvalidArgument), "{ttl:?}");
        assert_lives(store, &b, HOUR).await;
    }
}

/// A time to live counts in whole milliseconds, rounded down, from one on.
pub async fn a_fraction_of_a_millisecond_is_dropped(store: &dyn Store, ns: &Namespace) {
    let (long, least) = (ns.key("long"), ns.key("least"));
    put(store, &long, "v", MINUTE + Duration::from_micros(999)).await;
    assert_lives(store, &long, MINUTE).await;
    put(store, &least, "v", Duration::from_micros(1_999)).await;
    wait_until_absent(store, &least).await;
}

/// `Duration::MAX` is taken as "very long" and is no error.
pub async fn an_endless_life_is_a_long_one(store: &dyn Store, ns: &Namespace) {
    let key = ns.key("k");
    put(store, &key, "v", Duration::MAX).await;
    assert_eq!(get_one(store, &key).await, Some(Bytes::from("v")));
    let year = 365 * 24 * HOUR;
    for ttl in [None, Some(Duration::MAX)] {
        match store.touch(&key, ttl).await {
            Ok(Lifetime::Unlimited) => {}
            Ok(Lifetime::Expires(left)) if left > year => {}
            other => panic!("{ttl:?} leaves {other:?}"),
        }
    }
}

/// Removing returns how many keys were there; one named twice is there once.
pub async fn removing_counts_what_was_there(store: &dyn Store, ns: &Namespace) {
    let (a, b, c, absent) = (ns.key("a"), ns.key("b"), ns.key("c"), ns.key("absent"));
    for key in [&a, &b, &c] {
        put(store, key, "v", HOUR).await;
    }
    assert_eq!(store.remove(&[&a, &absent, &b, &a]).await.ok(), Some(2));
    assert_eq!(store.remove(&[&a, &b]).await.ok(), Some(0));
    assert_eq!(get(store, &[&a, &b, &c]).await, [None, None, Some(Bytes::from("v"))]);
}

/// Touching tells the time left; with a time to live it sets that first, longer or shorter, and keeps the value.
pub async fn touching_reads_and_sets_the_life(store: &dyn Store, ns: &Namespace) {
    let (key, absent) = (ns.key("k"), ns.key("absent"));
    assert_eq!(store.touch(&absent, None).await.ok(), Some(Lifetime::Absent));
    assert_eq!(store.touch(&absent, Some(HOUR)).await.ok(), Some(Lifetime::Absent));
    assert_eq!(get_one(store, &absent).await, None, "touching makes no key");
    put(store, &key, "v", HOUR).await;
    assert_lives(store, &key, HOUR).await;
    for ttl in [MINUTE, 3 * HOUR] {
        let Ok(Lifetime::Expires(left)) = store.touch(&key, Some(ttl)).await else {
            panic!("the key is gone");
        };
        assert!(left <= ttl && left > ttl - MINUTE / 2, "{left:?} of {ttl:?}");
        assert_lives(store, &key, ttl).await;
    }
    assert_eq!(get_one(store, &key).await, Some(Bytes::from("v")));
    let touched = store.touch(&key, Some(Duration::from_millis(20))).await;
    assert!(touched.is_ok(), "{touched:?}");
    wait_until_absent(store, &key).await;
}

/// However many write at once, a reader sees one writer's whole value.
pub async fn concurrent_writers_never_mix_values(store: &dyn Store, ns: &Namespace) {
    const LENGTH: usize = 4_096;
    let shared = ns.key("shared");
    let (own, shared) = (&|writer: u8| ns.key(writer), shared.as_str());
    join_all((0..16_u8).map(async |writer| {
        let mine = own(writer);
        for round in 0..20_u8 {
            let batch = [entry(&mine, vec![round; LENGTH], HOUR), entry(shared, vec![writer; LENGTH], HOUR)];
            let written = store.put(&batch).await;
            assert!(written.is_ok(), "{written:?}");
            let answers = get(store, &[shared, &mine]).await;
            let [Some(seen), Some(kept)] = answers.as_slice() else {
                panic!("a key is lost: {} answers", answers.len());
            };
            assert_eq!(seen.len(), LENGTH);
            assert!(seen.iter().all(|byte| Some(byte) == seen.first()), "mixed values");
            assert!(*kept == vec![round; LENGTH], "another writer's value");
        }
    }))
    .await;
}

async fn assert_lives(store: &dyn Store, key: &str, ttl: Duration) {
    match store.touch(key, None).await {
        Ok(Lifetime::Expires(left)) => {
            assert!(left <= ttl && left > ttl - MINUTE / 2, "{left:?} of {ttl:?}");
        }
        other => panic!("{key} should live {ttl:?}, has {other:?}"),
    }
}
