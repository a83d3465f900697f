//! A redis-py client and ours on the same keys, locks and channels, both directions: `cargo xtask integration --only redis-py`.
#![expect(clippy::print_stdout, reason = "a story prints its figures")]
#![expect(clippy::unwrap_used, reason = "what surrounds the tests may panic as they do")]

mod bus;
mod contention;
mod ledger;
mod locks;
mod peer;
mod tracked;

use std::time::Duration;

use mystocks_cache::{CacheService, Lifetime, RedisStore};
use mystocks_config::RedisSettings;
use mystocks_keys::{Json, Keyspace};
use mystocks_redis_core::RedisManager;
use mystocks_testkit::RedisServer;
use peer::Peer;

/// One of every kind of value that is false in Python.
type Falsy = (i64, f64, String, Vec<u8>, Json, bool, Option<u8>);

const MINUTE: Duration = Duration::from_secs(60);

/// Text as `json.dumps` writes it, for every kind of value that the wire contract names.
const TEXTS: [&str; 23] = [
    "0",
    "-0.0",
    "\"\"",
    "[]",
    "{}",
    "false",
    "null",
    "true",
    "20",
    "20.0",
    "\"20\"",
    "1e-05",
    "0.0001",
    "1e+16",
    "1e+22",
    "0.1",
    "340282366920938463463374607431768211455",
    "NaN",
    "[NaN, Infinity, -Infinity, 1.5]",
    r#""\u8d35\u5dde\u8305\u53f0""#,
    r#""\ud83d\udcc8 \u007f \" \\ \n \r \t \b \f \u0000 /""#,
    r#"{"\u952e": {"b": [{"a": null}], "a": [[], {}, [[1]]]}, "B": 2, "A": 1}"#,
    r#"{"success": true, "values": {"sma": [NaN, 11.5, 12.0]}, "timestamps": ["2024-01-02", "2024-01-03"]}"#,
];

struct Both {
    _server: RedisServer,
    manager: RedisManager,
    ours: CacheService,
    python: Peer,
}

impl Both {
    async fn start() -> Self {
        let server = RedisServer::start().await;
        let url = server.url();
        let settings = RedisSettings::from_url(&url).unwrap();
        let manager = RedisManager::start(&settings).await.unwrap();
        let store = RedisStore::new(manager.clone());
        let ours = CacheService::new(store, Keyspace::default(), &mystocks_config::CacheSettings::default());
        Self { python: Peer::start(&url), manager, ours, _server: server }
    }

    async fn end(self) {
        self.manager.shutdown().await;
    }
}

fn json(text: &str) -> Json {
    Json::parse(text.as_bytes()).unwrap()
}

#[tokio::test]
async fn what_python_writes_reads_equal_here() {
    let mut both = Both::start().await;
    for (at, text) in TEXTS.iter().enumerate() {
        let name = format!("python:{at}");
        let key = both.python.text("key", &[&name]);
        both.python.ask("write_text", &[&key, text], Some(60));
        let read: Option<Json> = both.ours.get(&name).await.unwrap();
        assert_eq!(read.map(|value| value.dumps()).as_deref(), Some(*text));
    }
    both.end().await;
}

#[tokio::test]
async fn what_we_write_is_byte_for_byte_what_python_writes() {
    let mut both = Both::start().await;
    for (at, text) in TEXTS.iter().enumerate() {
        let name = format!("ours:{at}");
        both.ours.set(&name, &json(text), Some(MINUTE)).await.unwrap();
        let key = both.python.text("key", &[&name]);
        let expected = Json::Array(vec![Json::from(*text), Json::from(*text)]);
        assert_eq!(
            both.python.ask("read", &[&key], None),
            expected,
            "stored text, and Python's own of what it read"
        );
    }
    both.end().await;
}

#[tokio::test]
async fn values_that_python_code_makes_have_their_types_here() {
    let mut both = Both::start().await;
    for sample in ["nan", "infinities", "falsy", "tuple", "big", "tiny", "text", "nested"] {
        let key = both.python.text("key", &[sample]);
        both.python.ask("write_sample", &[&key, sample], Some(60));
    }
    let ours = &both.ours;
    assert!(ours.get::<f64>("nan").await.unwrap().unwrap().is_nan());
    assert_eq!(ours.get("infinities").await.unwrap(), Some([f64::INFINITY, f64::NEG_INFINITY]));
    let falsy: Option<Falsy> = ours.get("falsy").await.unwrap();
    assert_eq!(falsy, Some((0, 0.0, String::new(), Vec::new(), Json::Object(Vec::new()), false, None)));
    assert_eq!(ours.get("tuple").await.unwrap(), Some((1, 2.5, "x".to_owned())));
    assert_eq!(ours.get("big").await.unwrap(), Some(1_u128 << 80));
    assert_eq!(ours.get("tiny").await.unwrap(), Some(1e-5));
    assert_eq!(ours.get::<String>("text").await.unwrap().as_deref(), Some("贵州茅台 📈 \u{7f}\n\"\\"));
    let nested: Option<Json> = ours.get("nested").await.unwrap();
    assert_eq!(nested, Some(json(r#"{"b": [{"a": null, "A": [1, [2, [3]]]}], "a": {"键": -0.0}}"#)));
    both.end().await;
}

#[tokio::test]
async fn indicator_and_api_results_meet_under_the_same_key() {
    let mut both = Both::start().await;
    let result = [f64::NAN, 11.5];
    for params in
        ["{}", r#"{"timeperiod": 20}"#, r#"{"timeperiod": 20.0}"#, r#"{"b": "\u952e", "a": [1e-05, null]}"#]
    {
        let params = json(params);
        both.ours.cache_indicator_result("600519", "MACD", &params, &result, Some(MINUTE)).await.unwrap();
        let key = both.python.make_key("indicator_key", &["600519", "MACD"], &params);
        let text = "[NaN, 11.5]";
        assert_eq!(both.python.ask("read", &[&key], None), Json::Array(vec![text.into(), text.into()]));
        both.python.ask("write_text", &[&key, "[1.0, 2.0]"], Some(60));
        let read = both.ours.get_cached_indicator_result("600519", "MACD", &params).await.unwrap();
        assert_eq!(read, Some([1.0, 2.0]));

        let endpoint = "/api/stocks/600519";
        both.ours.cache_api_response(endpoint, &params, "ours", None).await.unwrap();
        let key = both.python.make_key("api_key", &[endpoint], &params);
        assert_eq!(
            both.python.ask("read", &[&key], None),
            Json::Array(vec!["\"ours\"".into(), "\"ours\"".into()])
        );
        both.python.ask("write_text", &[&key, "\"python\""], Some(60));
        let read: Option<String> = both.ours.get_cached_api_response(endpoint, &params).await.unwrap();
        assert_eq!(read.as_deref(), Some("python"));
    }
    both.end().await;
}

#[tokio::test]
async fn deletes_and_lifetimes_are_seen_on_both_sides() {
    let mut both = Both::start().await;
    let key = both.python.text("key", &["both"]);
    both.ours.set("both", &1, Some(MINUTE)).await.unwrap();
    let left = both.python.number("ttl_ms", &[&key]);
    assert!((30_000..=60_000).contains(&left), "{left} ms left of a minute");
    both.python.ask("expire", &[&key], Some(600));
    let Lifetime::Expires(left) = both.ours.ttl("both").await.unwrap() else {
        panic!("the entry has no lifetime")
    };
    assert!(left > 9 * MINUTE && left <= 10 * MINUTE, "{left:?} left of ten minutes");
    assert_eq!(both.python.number("delete", &[&key]), 1);
    assert_eq!(both.ours.get::<i64>("both").await.unwrap(), None);
    assert!(!both.ours.delete("both").await.unwrap());

    both.python.ask("write_text", &[&key, "2"], Some(60));
    assert!(both.ours.exists("both").await.unwrap());
    assert!(both.ours.expire("both", 10 * MINUTE).await.unwrap());
    assert!(both.python.number("ttl_ms", &[&key]) > 540_000);
    assert!(both.ours.delete("both").await.unwrap());
    assert_eq!(both.python.number("exists", &[&key]), 0);
    assert_eq!(both.python.ask("read", &[&key], None), Json::Null);
    both.end().await;
}
