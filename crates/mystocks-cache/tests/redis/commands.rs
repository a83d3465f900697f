//! One request for one key, one for many, and none that holds the server up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use mystocks_cache::{Cursor, ErrorKind, Lifetime, Put, Store};
use mystocks_redis_core::{BULK_FROM, Call};
use redis::{FromRedisValue, Value, cmd};

use crate::fixture::PrivateRedis;

const HOUR: Duration = Duration::from_secs(3600);

impl PrivateRedis {
    pub(crate) async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut asked = cmd(words[0]);
        asked.arg(&words[1..]);
        self.manager.query(&asked, Call::once()).await.unwrap()
    }

    /// How often each command was executed since the counters were reset, the test's own left out.
    pub(crate) async fn executed(&self) -> BTreeMap<String, u64> {
        let info: String = self.ask(&["INFO", "commandstats"]).await;
        let counted = info.lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let calls = rest.split(',').next()?.parse().ok()?;
            let own = name.starts_with("config") || ["info", "time", "ping"].contains(&name);
            (!own).then(|| (name.to_owned(), calls))
        });
        counted.collect()
    }
}

fn put<'a>(key: &'a str, value: &'static [u8]) -> Put<'a> {
    let value = Bytes::from_static(value);
    Put { key, value, ttl: HOUR }
}

#[tokio::test]
async fn each_operation_is_the_cheapest_command() {
    let private = PrivateRedis::start().await;
    let store = &private.store;
    let (a, b) = ("a", "b");
    macro_rules! sends {
        ($operation:expr, [$($command:literal: $calls:literal),*]) => {
            let _: () = private.ask(&["CONFIG", "RESETSTAT"]).await;
            $operation.await.unwrap();
            let expected = BTreeMap::from([$(($command.to_owned(), $calls)),*]);
            assert_eq!(private.executed().await, expected, "{}", stringify!($operation));
        };
    }
    sends!(store.put(&[put(a, b"1")]), ["set": 1]);
    sends!(store.put(&[put(a, b"1"), put(b, b"2")]), ["set": 2]);
    sends!(store.get(&[a]), ["get": 1]);
    sends!(store.get(&[a, b, "absent"]), ["mget": 1]);
    sends!(store.touch(a, None), ["pttl": 1]);
    sends!(store.touch(a, Some(HOUR)), ["pexpire": 1, "pttl": 1]);
    sends!(store.scan("*", Cursor::START), ["scan": 1]);
    sends!(store.remove(&[a, b]), ["unlink": 1]);
    sends!(store.get(&[]), []);
    sends!(store.put(&[]), []);
    sends!(store.remove(&[]), []);
}

#[tokio::test]
async fn large_values_travel_apart() {
    let private = PrivateRedis::start().await;
    let (small, large) = (vec![0; BULK_FROM - 1], vec![0; BULK_FROM]);
    let _: () = private.ask(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]).await;
    for (key, value) in [("small", small), ("large", large)] {
        let value = Bytes::from(value);
        private.store.put(&[Put { key, value, ttl: HOUR }]).await.unwrap();
    }
    private.store.get(&["small"]).await.unwrap();
    private.store.clone().bulk().get(&["large"]).await.unwrap();
    let log: Vec<Value> = private.ask(&["SLOWLOG", "GET", "-1"]).await;
    let mut seen = BTreeMap::new();
    for entry in log {
        let (_, _, _, words, client, _): (u64, u64, u64, Vec<Vec<u8>>, String, String) =
            redis::from_redis_value(entry).unwrap();
        let name = words.iter().take(2).map(|word| String::from_utf8_lossy(word).into_owned());
        seen.insert(name.collect::<Vec<_>>().join(" "), client);
    }
    let client = |command: &str| seen.get(command).unwrap_or_else(|| panic!("{command} in {seen:?}"));
    assert_eq!(client("SET small"), client("GET small"));
    assert_ne!(client("SET large"), client("SET small"));
    assert_ne!(client("GET large"), client("GET small"));
}

#[tokio::test]
async fn a_key_without_an_end_is_unlimited_until_it_gets_one() {
    let private = PrivateRedis::start().await;
    let _: () = private.ask(&["SET", "k", "v"]).await;
    assert_eq!(private.store.touch("k", None).await.unwrap(), Lifetime::Unlimited);
    let touched = private.store.touch("k", Some(HOUR)).await.unwrap();
    assert!(matches!(touched, Lifetime::Expires(left) if left <= HOUR && left > HOUR / 2));
    let _: () = private.ask(&["SET", "k", "v"]).await;
    private.store.put(&[put("k", b"w")]).await.unwrap();
    assert_ne!(private.store.touch("k", None).await.unwrap(), Lifetime::Unlimited);
}

#[tokio::test]
async fn another_type_is_an_error_alone_and_none_in_a_batch() {
    let private = PrivateRedis::start().await;
    let _: i64 = private.ask(&["RPUSH", "list", "x"]).await;
    private.store.put(&[put("k", b"v")]).await.unwrap();
    let error = private.store.get(&["list"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(error.to_string().starts_with("get \"list\": the store refused"), "{error}");
    let both = private.store.get(&["list", "k"]).await.unwrap();
    assert_eq!(both, [None, Some(Bytes::from_static(b"v"))]);
}

#[tokio::test]
async fn a_walk_passes_over_keys_that_are_no_text() {
    let private = PrivateRedis::start().await;
    let mut foreign = cmd("SET");
    foreign.arg(&b"k:\xff\xfe"[..]).arg("v");
    let _: () = private.manager.query(&foreign, Call::once()).await.unwrap();
    private.store.put(&[put("k:text", b"v")]).await.unwrap();
    let page = private.store.scan("k:*", Cursor::START).await.unwrap();
    assert_eq!(page.keys, ["k:text"]);
}

#[tokio::test]
async fn a_full_server_is_an_error_that_names_the_key() {
    let private = PrivateRedis::start().await;
    private.store.put(&[put("there", b"v")]).await.unwrap();
    let _: () = private.ask(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let error = private.store.put(&[put("a", b"v"), put("b", b"v")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store, "{error}");
    assert!(error.to_string().starts_with("put \"a and 1 more\": the store refused"), "{error}");
    let read = private.store.get(&["there"]).await.unwrap();
    assert_eq!(read, [Some(Bytes::from_static(b"v"))]);
}

#[tokio::test]
async fn keys_of_others_are_walked_over_in_small_steps() {
    let private = PrivateRedis::start().await;
    let keys: Vec<String> = (0..20_000).map(|n| format!("other:{n}")).collect();
    let entries: Vec<_> = keys.iter().map(|key| put(key, b"v")).collect();
    private.store.put(&entries).await.unwrap();
    let (mut cursor, mut steps, mut found) = (Some(Cursor::START), 0, BTreeSet::new());
    let _: () = private.ask(&["CONFIG", "RESETSTAT"]).await;
    while let Some(at) = cursor {
        let page = private.store.scan("mystocks:*", at).await.unwrap();
        (cursor, steps) = (page.next, steps + 1);
        found.extend(page.keys);
    }
    assert_eq!(found, BTreeSet::new());
    assert!(steps >= 20, "{steps} steps for 20,000 keys");
    assert_eq!(private.executed().await, BTreeMap::from([("scan".to_owned(), steps)]));
}
