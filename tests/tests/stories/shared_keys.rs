//! What the Python side finds in Redis, without a Python side: byte for byte, and nothing of others touched.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use mystocks_cache::{Cache, CacheService, RedisStore};
use mystocks_config::{CacheSettings, RedisSettings};
use mystocks_keys::{Json, Keyspace};
use mystocks_redis_core::RedisManager;
use mystocks_testkit::RedisServer;
use serde::Serialize;

use crate::raw::Raw;
use crate::worker::{Quote, QuoteKey};

#[derive(Serialize)]
struct Calculated {
    success: bool,
    values: BTreeMap<&'static str, Vec<f64>>,
    dates: [&'static str; 2],
    name: &'static str,
    count: u128,
    error: Option<String>,
}

fn calculated() -> Calculated {
    Calculated {
        success: true,
        values: [("macd", vec![f64::NAN, -0.0]), ("signal", vec![1e-5, 1e16])].into(),
        dates: ["2024-01-02", "2024-01-03"],
        name: "贵州茅台 📈\u{7f}\n\"\\/",
        count: 1 << 80,
        error: None,
    }
}

/// What `json.dumps` makes of the same.
const TEXT: &str = r#"{"success": true, "values": {"macd": [NaN, -0.0], "signal": [1e-05, 1e+16]}, "dates": ["2024-01-02", "2024-01-03"], "name": "\u8d35\u5dde\u8305\u53f0 \ud83d\udcc8\u007f\n\"\\/", "count": 1208925819614629174706176, "error": null}"#;

struct Here {
    _server: RedisServer,
    raw: Raw,
    store: RedisStore,
    service: CacheService,
    manager: RedisManager,
}

async fn here() -> Here {
    let server = RedisServer::start().await;
    let manager = RedisManager::start(&RedisSettings::from_url(&server.url()).unwrap()).await.unwrap();
    let store = RedisStore::new(manager.clone());
    let service = CacheService::new(store.clone(), Keyspace::default(), &CacheSettings::default());
    Here { raw: Raw::connect(&server.url()).await, _server: server, store, service, manager }
}

#[tokio::test]
async fn shared_entries_are_the_text_that_python_writes() {
    let Here { service, mut raw, manager, _server, .. } = here().await;
    let params = Json::parse(br#"{"timeperiod": 20}"#).unwrap();
    let spelled = Json::parse(br#"{"slowperiod": 26, "fastperiod": 12, "signalperiod": 9}"#).unwrap();
    service.cache_indicator_result("600519.SH", "SMA", &params, &calculated(), None).await.unwrap();
    service.cache_indicator_result("600519.SH", "MACD", &spelled, &[1.5, f64::INFINITY], None).await.unwrap();
    service.cache_api_response("/api/stocks/000001", &Json::Object(Vec::new()), "ok", None).await.unwrap();
    service.set("quote:600519", &1688.5, Some(Duration::from_secs(60))).await.unwrap();
    service.set("falsy", &Vec::<u8>::new(), None).await.unwrap();
    service.mset([("a", &20.0, None), ("b", &0.1, Some(Duration::from_secs(50)))]).await.unwrap();

    let expected: [(&str, &str, i64); 7] = [
        ("mystocks:indicator:600519.SH:SMA:ecdf2aa9", TEXT, 3600),
        ("mystocks:indicator:600519.SH:MACD:d7b32e6c", "[1.5, Infinity]", 3600),
        ("mystocks:api:/api/stocks/000001:99914b93", "\"ok\"", 300),
        ("mystocks:quote:600519", "1688.5", 60),
        ("mystocks:falsy", "[]", 3600),
        ("mystocks:a", "20.0", 3600),
        ("mystocks:b", "0.1", 50),
    ];
    for (key, text, seconds) in expected {
        let stored: Option<Vec<u8>> = raw.ask(&["GET", key]).await;
        let stored = stored.map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(stored.as_deref(), Some(text), "{key}");
        let left: i64 = raw.ask(&["PTTL", key]).await;
        // An hour must not pass for five minutes; how long the test itself took does not matter.
        assert!(
            left <= seconds * 1000 && left > (seconds - 60).max(0) * 1000,
            "{key}: {left} ms of {seconds} s"
        );
    }
    let keys: usize = raw.ask(&["DBSIZE"]).await;
    assert_eq!(keys, expected.len(), "nothing else was written");
    manager.shutdown().await;
}

#[tokio::test]
async fn deleting_everything_by_pattern_leaves_locks_and_sessions() {
    let Here { service, store, mut raw, manager, _server } = here().await;
    let keyspace = Keyspace::default();
    let lock = keyspace.lock_indicator("600519.SH", "SMA", &Json::Object(Vec::new())).unwrap();
    let task = keyspace.lock_task("batch-7").unwrap();
    let session = keyspace.session("8f2c").unwrap();
    let mut others = vec!["other:mystocks:quote".to_owned(), "mystocks".to_owned()];
    for key in [&lock, &task, &session] {
        others.push(key.as_str().to_owned());
        others.extend([key.lease(), key.fence(), key.queue()].map(|sidecar| sidecar.as_str().to_owned()));
    }
    for key in &others {
        let _: () = raw.ask(&["SET", key, "somebody's"]).await;
    }
    let before = raw.everything().await;
    assert_eq!(before.len(), 14);

    // Entries of both kinds, more than one step of a walk sees.
    let names: Vec<String> = (0..1_200).map(|at| format!("quote:{at}")).collect();
    service.mset(names.iter().map(|name| (name.as_str(), &1, None))).await.unwrap();
    let cache = Cache::<QuoteKey, Quote>::builder("quotes", &keyspace).store(store).build().unwrap();
    let key = QuoteKey("600519".to_owned());
    let quote = Quote::of("600519", 1);
    let load = |_| async { Ok::<_, Infallible>(quote) };
    cache.get_or_compute(&key, load).await.unwrap();
    assert_eq!(raw.everything().await.len(), 14 + 1_200 + 1);

    // By name they cannot be reached either, nor by a pattern that means them.
    assert!(service.delete("lock:task:batch:batch-7").await.is_err());
    assert!(service.delete("session:8f2c").await.is_err());
    assert_eq!(service.delete_pattern("lock:*").await.unwrap(), 0);
    assert_eq!(service.delete_pattern("session:*").await.unwrap(), 0);
    assert_eq!(service.delete_pattern("quote:1*").await.unwrap(), 1 + 10 + 100 + 200);

    // A typed entry lies under the cache prefix, so "everything in the cache" means it too.
    assert_eq!(service.delete_pattern("*").await.unwrap(), 1_200 - 311 + 1);
    assert_eq!(raw.everything().await, before);
    cache.shutdown().await;
    manager.shutdown().await;
}
