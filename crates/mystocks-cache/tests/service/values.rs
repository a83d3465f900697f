//! What goes in comes out, what is no value is a miss, and nothing falsy is lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use mystocks_cache::{ErrorKind, Store};
use mystocks_keys::Json;
use serde::{Deserialize, Serialize};

use crate::arrange::{get_raw, json, put_raw, service};
use crate::on_every_store;

on_every_store! {
    falsy_values_are_hits
    a_stored_null_is_told_from_a_miss
    numbers_without_json_text_travel_as_python_writes_them
    a_struct_comes_back_as_it_was
    what_python_wrote_is_read
    an_undecodable_value_is_a_miss
    one_bad_value_in_a_batch_is_one_miss
    a_binary_entry_of_our_own_is_a_miss
    a_value_above_the_limit_is_neither_written_nor_decoded
    a_value_that_is_no_json_is_refused_and_nothing_written
    a_batch_is_written_and_read_in_order
}

async fn falsy_values_are_hits(store: Arc<dyn Store>) {
    let cache = service(&store);
    for text in ["0", "0.0", "\"\"", "[]", "{}", "false", "null"] {
        cache.set("k", &json(text), None).await.unwrap();
        assert_eq!(cache.get::<Json>("k").await.unwrap(), Some(json(text)), "{text}");
        let many = cache.mget::<Json>(&["absent", "k"]).await.unwrap();
        assert_eq!(many, [None, Some(json(text))], "{text}");
        assert!(cache.exists("k").await.unwrap(), "{text}");
    }
    let process = cache.stats().await.unwrap().process;
    assert_eq!((process.hits, process.misses), (14, 7));
}

async fn a_stored_null_is_told_from_a_miss(store: Arc<dyn Store>) {
    let cache = service(&store);
    cache.set("k", &None::<f64>, None).await.unwrap();
    assert_eq!(cache.get::<Option<f64>>("k").await.unwrap(), Some(None));
    assert_eq!(cache.get::<Option<f64>>("absent").await.unwrap(), None);
    cache.set("k", "", None).await.unwrap();
    assert_eq!(cache.get::<String>("k").await.unwrap(), Some(String::new()));
}

async fn numbers_without_json_text_travel_as_python_writes_them(store: Arc<dyn Store>) {
    let cache = service(&store);
    let values = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 20.0, 1e-5, -0.0];
    cache.set("k", &values, None).await.unwrap();
    assert_eq!(
        get_raw(&store, "mystocks:k").await.as_deref(),
        Some("[NaN, Infinity, -Infinity, 20.0, 1e-05, -0.0]")
    );
    let read: Vec<f64> = cache.get("k").await.unwrap().unwrap();
    assert!(read[0].is_nan());
    assert_eq!(&read[1..5], &values[1..5]);
    assert!(read[5] == 0.0 && read[5].is_sign_negative());
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Quote {
    name: String,
    price: f64,
    volume: u64,
    halted: bool,
    note: Option<String>,
}

async fn a_struct_comes_back_as_it_was(store: Arc<dyn Store>) {
    let cache = service(&store);
    let quote = Quote {
        name: "贵州茅台 \"A\"\n".to_owned(),
        price: 1688.01,
        volume: u64::MAX,
        halted: false,
        note: None,
    };
    cache.set("quote:600519", &quote, None).await.unwrap();
    assert_eq!(cache.get::<Quote>("quote:600519").await.unwrap(), Some(quote));
    assert_eq!(
        get_raw(&store, "mystocks:quote:600519").await.unwrap(),
        "{\"name\": \"\\u8d35\\u5dde\\u8305\\u53f0 \\\"A\\\"\\n\", \"price\": 1688.01, \
         \"volume\": 18446744073709551615, \"halted\": false, \"note\": null}"
    );
}

async fn what_python_wrote_is_read(store: Arc<dyn Store>) {
    let cache = service(&store);
    let written =
        br#"{"success": true, "values": {"SMA": [NaN, 1.5, 2e+16]}, "id": 123456789012345678901234567890}"#;
    put_raw(&store, "mystocks:result", written).await;
    let read: Json = cache.get("result").await.unwrap().unwrap();
    assert_eq!(read.dumps().as_bytes(), written);
    // Text from elsewhere: no spaces, UTF-8 unescaped.
    put_raw(&store, "mystocks:result", "{\"名\":\"茅台\",\"n\":[1,2]}".as_bytes()).await;
    let read: Json = cache.get("result").await.unwrap().unwrap();
    assert_eq!(read, json("{\"名\": \"茅台\", \"n\": [1, 2]}"));
}

async fn an_undecodable_value_is_a_miss(store: Arc<dyn Store>) {
    let cache = service(&store);
    // The last ones: Python's `default=str`, a pickle, text that is not UTF-8, JSON of another shape.
    let values: [&[u8]; 9] = [
        b"",
        b"plain text",
        b"{\"a\": ",
        b"[1] trailing",
        b"{'a': 1}",
        b"IndicatorResult(success=True, values={...})",
        b"\x80\x04\x95\x0b",
        b"\"\xff\xfe\"",
        b"\"not a number\"",
    ];
    for value in values {
        put_raw(&store, "mystocks:k", value).await;
        assert_eq!(cache.get::<f64>("k").await.unwrap(), None, "{value:?}");
    }
    let process = cache.stats().await.unwrap().process;
    assert_eq!((process.hits, process.misses, process.rejected), (0, 9, 9));
    cache.set("k", &1.5, None).await.unwrap();
    assert_eq!(cache.get::<f64>("k").await.unwrap(), Some(1.5), "it can be overwritten");
}

async fn one_bad_value_in_a_batch_is_one_miss(store: Arc<dyn Store>) {
    let cache = service(&store);
    put_raw(&store, "mystocks:a", b"1.5").await;
    put_raw(&store, "mystocks:bad", b"not json").await;
    put_raw(&store, "mystocks:own", b"\xC1\x01\x01").await;
    put_raw(&store, "mystocks:z", b"2.5").await;
    let read = cache.mget::<f64>(&["a", "bad", "absent", "own", "z"]).await.unwrap();
    assert_eq!(read, [Some(1.5), None, None, None, Some(2.5)]);
    let process = cache.stats().await.unwrap().process;
    assert_eq!((process.hits, process.misses, process.rejected), (2, 3, 2));
}

async fn a_binary_entry_of_our_own_is_a_miss(store: Arc<dyn Store>) {
    let cache = service(&store);
    // Behind the first byte stands what would decode.
    put_raw(&store, "mystocks:k", b"\xC1 1.5").await;
    assert_eq!(cache.get::<Json>("k").await.unwrap(), None);
    assert_eq!(cache.stats().await.unwrap().process.rejected, 1);
}

async fn a_value_above_the_limit_is_neither_written_nor_decoded(store: Arc<dyn Store>) {
    let cache = service(&store);
    let fits = "x".repeat((1 << 20) - 2);
    cache.set("k", &fits, None).await.unwrap();
    assert_eq!(cache.get::<String>("k").await.unwrap().as_deref(), Some(fits.as_str()));
    let above = fits + "x";
    let refused = cache.set("k2", &above, None).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
    assert!(!refused.is_retryable());
    let batch = [("a", "small", None), ("b", above.as_str(), None)];
    assert_eq!(cache.mset(batch).await.unwrap_err().kind(), ErrorKind::TooLarge);
    assert_eq!(cache.mget::<Json>(&["a", "b", "k2"]).await.unwrap(), [None, None, None]);

    put_raw(&store, "mystocks:k2", format!("\"{above}\"").as_bytes()).await;
    assert_eq!(cache.get::<String>("k2").await.unwrap(), None);
    let larger = cache.clone().with_max_entry_bytes(2 << 20);
    assert_eq!(larger.get::<String>("k2").await.unwrap(), Some(above));
}

async fn a_value_that_is_no_json_is_refused_and_nothing_written(store: Arc<dyn Store>) {
    let cache = service(&store);
    let no_json = BTreeMap::from([((1, 2), "a name must be text")]);
    let refused = cache.set("k", &no_json, None).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Codec);
    assert_eq!(refused.subject(), "mystocks:k");
    assert!(!cache.exists("k").await.unwrap());
}

async fn a_batch_is_written_and_read_in_order(store: Arc<dyn Store>) {
    let cache = service(&store);
    let keys: Vec<String> = (0..1_000).map(|n| format!("k:{n}")).collect();
    let values: Vec<i64> = (0..1_000).collect();
    let entries = keys.iter().zip(&values).map(|(key, value)| (key.as_str(), value, None));
    cache.mset(entries).await.unwrap();
    let asked: Vec<&str> = keys.iter().rev().map(String::as_str).collect();
    let read = cache.mget::<i64>(&asked).await.unwrap();
    assert!(read.into_iter().eq((0..1_000).rev().map(Some)));
    assert_eq!(cache.mget::<i64>(&[]).await.unwrap(), []);
    cache.mset::<i64>([]).await.unwrap();
}
