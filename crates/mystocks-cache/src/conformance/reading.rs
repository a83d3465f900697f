//! Promises about `get` and the clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::{HOUR, Namespace, entry, get, get_one, put};
use crate::store::Store;

/// The answer is as long as the question and in its order, absent keys are `None`, a key may be asked twice.
pub async fn answers_as_many_as_asked_in_that_order(store: &dyn Store, ns: &Namespace) {
    let (a, b, absent) = (ns.key("a"), ns.key("b"), ns.key("absent"));
    put(store, &a, "1", HOUR).await;
    put(store, &b, "2", HOUR).await;
    let (one, two) = (Some(Bytes::from("1")), Some(Bytes::from("2")));
    assert_eq!(get(store, &[&b, &absent, &a, &b]).await, [two.clone(), None, one.clone(), two]);
    assert_eq!(get(store, &[&a]).await, [one]);
    assert_eq!(get(store, &[&absent]).await, [None]);
    assert_eq!(get(store, &[&absent, &absent]).await, [None, None]);
}

/// No keys and no entries are served as any other number.
pub async fn answers_nothing_to_no_keys(store: &dyn Store, _: &Namespace) {
    assert_eq!(get(store, &[]).await, Vec::<Option<Bytes>>::new());
    assert!(store.put(&[]).await.is_ok(), "writing nothing succeeds");
    assert_eq!(store.remove(&[]).await.ok(), Some(0));
}

/// Ten thousand keys are one call: written, read in order, removed and counted.
pub async fn answers_ten_thousand_keys_at_once(store: &dyn Store, ns: &Namespace) {
    let keys: Vec<String> = (0..10_000).map(|n| ns.key(n)).collect();
    let entries: Vec<_> = keys.iter().enumerate().map(|(n, key)| entry(key, n.to_string(), HOUR)).collect();
    let written = store.put(&entries).await;
    assert!(written.is_ok(), "{written:?}");
    let asked: Vec<&str> = keys.iter().rev().map(String::as_str).collect();
    let answers = get(store, &asked).await;
    assert_eq!(answers.len(), 10_000);
    for (n, answer) in (0..10_000).rev().zip(&answers) {
        assert_eq!(answer.as_deref(), Some(n.to_string().as_bytes()), "key {n}");
    }
    assert_eq!(store.remove(&asked).await.ok(), Some(10_000));
}

/// Bytes come back as they went: every byte value, zeros, line ends, and a megabyte.
pub async fn gives_back_any_bytes(store: &dyn Store, ns: &Namespace) {
    let key = ns.key("bytes");
    let every: Vec<u8> = (0..=255).collect();
    let large: Vec<u8> = every.iter().copied().cycle().take(1 << 20).collect();
    for value in [every, vec![0; 64], b"\r\n$-1\r\n".to_vec(), vec![0xC1, 1], large] {
        put(store, &key, value.clone(), HOUR).await;
        let answer = get_one(store, &key).await;
        assert!(answer.as_deref() == Some(value.as_slice()), "{} bytes come back changed", value.len());
    }
}

/// An empty value is a value.
pub async fn tells_an_empty_value_from_none(store: &dyn Store, ns: &Namespace) {
    let (empty, absent) = (ns.key("empty"), ns.key("absent"));
    put(store, &empty, Bytes::new(), HOUR).await;
    assert_eq!(get_one(store, &empty).await, Some(Bytes::new()));
    assert_eq!(get(store, &[&absent, &empty]).await, [None, Some(Bytes::new())]);
}

/// The store's clock is within a minute of wall time, advances, and never runs backwards.
pub async fn the_clock_is_wall_time_and_advances(store: &dyn Store, _: &Namespace) {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let first = store.now_ms();
    let apart = wall.abs_diff(u128::from(first));
    assert!(apart < 60_000, "the clock is {apart} ms from wall time");
    let mut last = first;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let now = store.now_ms();
        assert!(now >= last, "the clock ran from {last} back to {now}");
        last = now;
    }
    assert!(last >= first + 30, "40 ms later the clock shows {}", last - first);
}
