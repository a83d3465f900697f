//! Entries stand where Python looks for them, and nowhere else.

use std::sync::Arc;

use mystocks_cache::{ErrorKind, Store};
use mystocks_keys::Json;

use crate::arrange::{get_raw, json, put_raw, service};
use crate::on_every_store;

on_every_store! {
    entries_stand_where_python_looks_for_them
    what_python_cached_is_found
    stocks_indicators_and_parameters_never_share_an_entry
    a_key_that_is_not_ours_is_refused
}

async fn entries_stand_where_python_looks_for_them(store: Arc<dyn Store>) {
    let cache = service(&store);
    let params = json(r#"{"timeperiod": 20}"#);
    cache.set("quote:600519", &1, None).await.unwrap();
    cache.cache_indicator_result("600519.SH", "SMA", &params, &[1.0, 2.5], None).await.unwrap();
    cache
        .cache_api_response("/api/stocks/000001", &json("{}"), &json(r#"{"ok": true}"#), None)
        .await
        .unwrap();
    for (key, text) in [
        ("mystocks:quote:600519", "1"),
        ("mystocks:indicator:600519.SH:SMA:ecdf2aa9", "[1.0, 2.5]"),
        ("mystocks:api:/api/stocks/000001:99914b93", r#"{"ok": true}"#),
    ] {
        assert_eq!(get_raw(&store, key).await.as_deref(), Some(text), "{key}");
    }
}

async fn what_python_cached_is_found(store: Arc<dyn Store>) {
    let cache = service(&store);
    put_raw(&store, "mystocks:indicator:000001:MACD:d7b32e6c", b"{\"macd\": [NaN, 0.5]}").await;
    put_raw(&store, "mystocks:api:/api/stocks/000001:7ac9970a", b"[]").await;
    // The order of the parameters is the caller's own affair.
    let params = json(r#"{"slowperiod": 26, "fastperiod": 12, "signalperiod": 9}"#);
    let macd: Option<Json> = cache.get_cached_indicator_result("000001", "MACD", &params).await.unwrap();
    assert_eq!(macd, Some(json("{\"macd\": [NaN, 0.5]}")));
    let five = json(r#"{"timeperiod": 5}"#);
    let answer: Option<Vec<f64>> = cache.get_cached_api_response("/api/stocks/000001", &five).await.unwrap();
    assert_eq!(answer, Some(vec![]));
}

async fn stocks_indicators_and_parameters_never_share_an_entry(store: Arc<dyn Store>) {
    let cache = service(&store);
    let mut all = Vec::new();
    for stock in ["600519.SH", "000001.SZ"] {
        for indicator in ["SMA", "EMA"] {
            for params in ["{}", "{\"timeperiod\": 20}", "{\"timeperiod\": 20.0}", "{\"timeperiod\": \"20\"}"]
            {
                all.push((stock, indicator, json(params)));
            }
        }
    }
    for (n, (stock, indicator, params)) in all.iter().enumerate() {
        let before = cache.get_cached_indicator_result::<usize>(stock, indicator, params).await;
        assert_eq!(before.unwrap(), None, "{stock} {indicator} {params:?}");
        cache.cache_indicator_result(stock, indicator, params, &n, None).await.unwrap();
    }
    for (n, (stock, indicator, params)) in all.iter().enumerate() {
        let read = cache.get_cached_indicator_result::<usize>(stock, indicator, params).await;
        assert_eq!(read.unwrap(), Some(n));
    }
}

async fn a_key_that_is_not_ours_is_refused(store: Arc<dyn Store>) {
    let cache = service(&store);
    put_raw(&store, "mystocks:lock:report", b"1").await;
    let long = "k".repeat(1 << 20);
    for key in ["lock:report", "session:abc", "", ":", "a{b}", "a*", "a\n", "own:bars:1", &long] {
        let refused = [
            cache.get::<Json>(key).await.unwrap_err(),
            cache.set(key, &1, None).await.unwrap_err(),
            cache.delete(key).await.unwrap_err(),
            cache.exists(key).await.unwrap_err(),
            cache.mget::<Json>(&["fine", key]).await.unwrap_err(),
            cache.mset([("fine", &1, None), (key, &1, None)]).await.unwrap_err(),
        ];
        for error in refused {
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
            assert!(error.to_string().len() < 600, "the message is bounded");
        }
    }
    assert!(!cache.exists("fine").await.unwrap());
    assert_eq!(get_raw(&store, "mystocks:lock:report").await.as_deref(), Some("1"));
    let refused = cache.cache_indicator_result("600519:SMA", "x", &json("{}"), &1, None).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidArgument);
}
