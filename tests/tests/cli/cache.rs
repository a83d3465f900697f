//! `mystocks cache`.

use std::time::Duration;

use mystocks_cache::{CacheService, Keyspace, RedisStore};
use mystocks_config::{CacheSettings, RedisSettings};
use mystocks_redis_core::RedisManager;
use mystocks_testkit::RedisServer;
use serde_json::{Value, json};

use crate::raw::Raw;
use crate::run::{Desk, sample};

#[tokio::test]
async fn entries_are_shown_as_they_stand_and_removed() {
    let server = RedisServer::start().await;
    let (desk, mut raw) = (Desk::of(&server.url()), Raw::connect(&server.url()).await);
    for (key, value) in [
        ("mystocks:quote:600519", r#"{"price": 1688.5, "change": NaN}"#),
        ("mystocks:quote:000001", "11"),
        ("mystocks:text", "no JSON {"),
        ("mystocks:lock:quote:1", "token"),
        ("other:quote:1", "1"),
    ] {
        let _: () = raw.ask(&["SET", key, value, "PX", "60000"]).await;
    }
    let one = desk.run(&["cache", "get", "quote:600519", "--json"]).await.well();
    assert_eq!(
        (&one["key"], &one["found"], &one["form"]),
        (&json!("mystocks:quote:600519"), &json!(true), &json!("JSON"))
    );
    assert_eq!((&one["value"], &one["bytes"]), (&json!({ "price": 1688.5, "change": null }), &json!(32)));
    assert!((0.0..=60.0).contains(&one["seconds_left"].as_f64().unwrap()), "{one}");
    // With the prefix it is the same; in text the value is as Python wrote it.
    let text = desk.run(&["cache", "get", "mystocks:quote:600519"]).await;
    assert_eq!(text.out.lines().nth(1), Some(r#"{"price": 1688.5, "change": NaN}"#), "{text:?}");
    let other = desk.run(&["cache", "get", "text", "--json"]).await.well();
    assert_eq!((&other["form"], &other["value"]), (&json!("no JSON"), &Value::Null));
    let absent = desk.run(&["cache", "get", "quote:none", "--json"]).await;
    assert_eq!((absent.code, absent.json()["found"].clone()), (Some(1), json!(false)));
    desk.run(&["cache", "get", "lock:quote:1"]).await.assert_refused(&["lock:quote:1", "reserved"]);
    desk.run(&["cache", "get", "mystocks:lock:quote:1"]).await.assert_refused(&["no entry of the cache"]);

    let stats = desk.run(&["cache", "stats", "--json"]).await.well();
    assert_eq!(
        (&stats["keys"], &stats["keys_are_exact"], &stats["services"]),
        (&json!(3), &json!(true), &json!(0))
    );
    let removed =
        async |what| desk.run(&["cache", "invalidate", what, "--json"]).await.well()["removed"].clone();
    assert_eq!(removed("text").await, 1);
    assert_eq!(removed("text").await, 0);
    assert_eq!(removed("quote:*").await, 2);
    let mut left: Vec<String> = raw.ask(&["KEYS", "*"]).await;
    left.sort();
    assert_eq!(left, ["mystocks:lock:quote:1", "other:quote:1"]);
    desk.run(&["cache", "invalidate", "mystocks:lock:quote:1"])
        .await
        .assert_refused(&["no entry of the cache"]);
    assert_eq!(raw.ask::<u64>(&["DBSIZE"]).await, 2, "and looking left nothing behind");
}

#[tokio::test]
async fn the_figures_are_those_of_the_services() {
    let server = RedisServer::start().await;
    let redis = RedisManager::start(&RedisSettings::from_url(&server.url()).unwrap()).await.unwrap();
    let store = RedisStore::new(redis.clone());
    let service = CacheService::new(store, Keyspace::default(), &CacheSettings::default());
    service.set("quote:1", &1.5, Some(Duration::from_secs(60))).await.unwrap();
    for key in ["quote:1", "quote:1", "quote:1", "quote:2"] {
        let _: Option<f64> = service.get(key).await.unwrap();
    }
    service.stats().await.unwrap(); // which tells the others
    let desk = Desk::of(&server.url());
    for _ in 0..2 {
        let stats = desk.run(&["cache", "stats", "--json"]).await.well();
        let figures =
            ["services", "keys", "hits", "misses", "rejected"].map(|name| stats[name].as_u64().unwrap());
        assert_eq!(
            (figures, &stats["hit_rate"]),
            ([1, 1, 3, 1, 0], &json!(0.75)),
            "a look is no service: {stats}"
        );
    }
    let text = desk.run(&["cache", "stats"]).await.out;
    assert!(
        text.contains("1 key under mystocks:")
            && text.contains("1 service in the last hour: 75.0 % hits, 3 of 4"),
        "{text}"
    );
    redis.shutdown().await;
}

#[tokio::test]
async fn what_was_warmed_is_found() {
    let server = RedisServer::start().await;
    let (desk, bars) = (Desk::of(&server.url()), sample());
    let bars = bars.to_str().unwrap();
    let warm = ["cache", "warm", "--bars", bars, "--json"];
    let first = desk
        .run(&[&warm[..], &["--symbols", "AAPL,IBM", "--indicators", "SMA,RSI,MACD"]].concat())
        .await
        .well();
    let counts = |report: &Value| ["symbols", "computed", "found"].map(|name| report[name].as_u64().unwrap());
    assert_eq!((counts(&first), &first["failed"]), ([2, 6, 0], &json!([])));
    let again = desk.run(&[&warm[..], &["--symbols", "IBM", "--indicators", "RSI"]].concat()).await.well();
    assert_eq!(counts(&again), [1, 0, 1]);
    let read = desk.run(&["calc", "IBM", "RSI", "--bars", bars, "--json"]).await.well();
    assert_eq!(read["way"], "result_l2");
    // Everything: five series, nine results each, of which three of two symbols are there.
    let all = desk.run(&warm).await.well();
    assert_eq!(counts(&all), [5, 39, 6]);

    let run = desk.run(&[&warm[..], &["--symbols", "AAPL,NONE", "--indicators", "RSI"]].concat()).await;
    let report = run.json();
    assert_eq!((run.code, counts(&report)), (Some(1), [2, 0, 1]));
    assert!(report["failed"][0].as_str().unwrap().starts_with("NONE RSI: "), "{report}");

    // An entry of this project's own, by its whole name.
    let mut raw = Raw::connect(&server.url()).await;
    let keys: Vec<String> = raw.ask(&["KEYS", "*:indicators:IBM:*RSI*"]).await;
    let entry = desk.run(&["cache", "get", &keys[0], "--json"]).await.well();
    assert_eq!((&entry["form"], &entry["value"]), (&json!("an entry of this project's own"), &Value::Null));
    assert_eq!(desk.run(&["cache", "invalidate", &keys[0], "--json"]).await.well()["removed"], 1);
    assert_eq!(desk.run(&["calc", "IBM", "RSI", "--bars", bars, "--json"]).await.well()["way"], "source");
}

#[tokio::test]
async fn without_a_server_each_command_names_its_address() {
    let mut server = RedisServer::start().await;
    let url = server.url();
    server.stop().await;
    let desk = Desk::of(&url);
    for words in [
        &["cache", "stats"][..],
        &["lock", "list"],
        &["bus", "publish", "x", "{}"],
        &["bus", "tail", "--count", "1"],
        &["bus", "dlq", "list", "orders", "risk"],
    ] {
        desk.run(words).await.assert_refused(&["reach Redis at", &url, "refused"]);
    }
    for (words, key) in [
        (&["cache", "stats"][..], "REDIS_ENABLE_CACHE"),
        (&["lock", "list"], "REDIS_ENABLE_LOCK"),
        (&["bus", "tail"], "REDIS_ENABLE_PUBSUB"),
    ] {
        server.restart().await;
        Desk::of(&url).with(key, "false").run(words).await.assert_refused(&[key, "off"]);
    }
}
