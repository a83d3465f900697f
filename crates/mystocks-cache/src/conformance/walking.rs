//! Promises about `scan`.

use std::collections::BTreeSet;

use super::{HOUR, Namespace, entry, put};
use crate::store::{Cursor, Store};

/// Every key that matches is found, and no other.
pub async fn a_walk_finds_every_key_that_stays(store: &dyn Store, ns: &Namespace) {
    let wanted = fill(store, ns, "wanted", 2_500).await;
    fill(store, ns, "other", 500).await;
    let (found, _) = walk(store, &ns.key("wanted:*")).await;
    assert_eq!(found.len(), wanted.len());
    assert!(found == wanted, "the walk found other keys than were written");
    let (found, _) = walk(store, &ns.key("none:*")).await;
    assert_eq!(found, BTreeSet::new());
}

/// However many keys there are, one page holds a bounded part of them.
pub async fn a_page_is_bounded(store: &dyn Store, ns: &Namespace) {
    fill(store, ns, "k", 10_000).await;
    let (found, largest) = walk(store, &ns.key("k:*")).await;
    assert_eq!(found.len(), 10_000);
    assert!(largest <= 2_500, "one page holds {largest} of 10,000 keys");
}

/// A walk comes to its end though keys are added and removed at every step.
pub async fn a_walk_ends_while_keys_are_written(store: &dyn Store, ns: &Namespace) {
    let stay = fill(store, ns, "stay", 3_000).await;
    let mut found = BTreeSet::new();
    let mut cursor = Some(Cursor::START);
    let mut pages = 0;
    while let Some(at) = cursor {
        pages += 1;
        assert!(pages < 10_000, "the walk does not end");
        fill(store, ns, &format!("added:{pages}"), 50).await;
        let removed = store.remove(&[&ns.key(format!("added:{}:0", pages - 1))]).await;
        assert!(removed.is_ok(), "{removed:?}");
        let Ok(page) = store.scan(&ns.key("*"), at).await else {
            panic!("the walk failed");
        };
        found.extend(page.keys);
        cursor = page.next;
    }
    assert!(stay.is_subset(&found), "a key that was there all along was missed");
}

/// `*`, `?`, classes, ranges and negation mean what they mean to Redis, on bytes.
pub async fn a_glob_means_what_it_means_to_redis(store: &dyn Store, ns: &Namespace) {
    let names = ["a", "ab", "abc", "b", "b1", "b2", "b9", "bx", "贵州", "a*", "a-"];
    for name in names {
        put(store, &ns.key(name), "v", HOUR).await;
    }
    let table: &[(&str, &[&str])] = &[
        ("*", &names),
        ("a", &["a"]),
        ("a?", &["ab", "a*", "a-"]),
        ("a*c", &["abc"]),
        ("b[12]", &["b1", "b2"]),
        ("b[0-5]", &["b1", "b2"]),
        ("b[^0-5]", &["b9", "bx"]),
        ("b[5-0]", &["b1", "b2"]),
        ("a[b\\-]", &["ab", "a-"]),
        ("a[b", &["ab"]),
        ("贵*", &["贵州"]),
        ("??????", &["贵州"]),
        ("*b*", &["ab", "abc", "b", "b1", "b2", "b9", "bx"]),
    ];
    for (glob, expected) in table {
        let expected: BTreeSet<String> = expected.iter().map(|name| ns.key(name)).collect();
        let (found, _) = walk(store, &ns.key(glob)).await;
        assert_eq!(found, expected, "{glob}");
    }
}

/// Behind a backslash a glob character is a plain one.
pub async fn an_escaped_glob_character_is_itself(store: &dyn Store, ns: &Namespace) {
    for name in ["*", "x", "[ab]", "a", "?", "\\", "\\*"] {
        put(store, &ns.key(name), "v", HOUR).await;
    }
    for (glob, expected) in
        [("\\*", "*"), ("\\[ab\\]", "[ab]"), ("\\?", "?"), ("\\\\", "\\"), ("\\\\\\*", "\\*"), ("\\x", "x")]
    {
        let (found, _) = walk(store, &ns.key(glob)).await;
        assert_eq!(found, BTreeSet::from([ns.key(expected)]), "{glob}");
    }
}

async fn fill(store: &dyn Store, ns: &Namespace, group: &str, count: usize) -> BTreeSet<String> {
    let keys: BTreeSet<String> = (0..count).map(|n| ns.key(format!("{group}:{n}"))).collect();
    let entries: Vec<_> = keys.iter().map(|key| entry(key, "v", HOUR)).collect();
    let written = store.put(&entries).await;
    assert!(written.is_ok(), "{written:?}");
    keys
}

/// Returns all keys that match and the size of the largest page.
async fn walk(store: &dyn Store, pattern: &str) -> (BTreeSet<String>, usize) {
    let mut found = BTreeSet::new();
    let mut largest = 0;
    let mut cursor = Some(Cursor::START);
    while let Some(at) = cursor {
        let page = match store.scan(pattern, at).await {
            Ok(page) => page,
            Err(error) => panic!("scan {pattern}: {error}"),
        };
        largest = largest.max(page.keys.len());
        found.extend(page.keys);
        cursor = page.next;
    }
    (found, largest)
}
