//! The 40 vectors of Python's own json and hashlib, byte for byte.

use mystocks_keys::{Json, Keyspace, digest8};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vector {
    params_python_repr: String,
    params_json: String,
    hash8: String,
    cache_key: String,
    lock_key: String,
    api_key: String,
    value_wire: String,
}

#[test]
fn every_vector_comes_out_byte_for_byte() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("data/golden_keys.json")).unwrap();
    assert_eq!(vectors.len(), 40);
    let keys = Keyspace::default();
    for vector in vectors {
        let told = &vector.params_python_repr;
        let params = Json::parse(vector.value_wire.as_bytes()).unwrap();
        assert_eq!(params.dumps(), vector.value_wire, "{told}");
        assert_eq!(params.dumps_sorted(), vector.params_json, "{told}");
        assert_eq!(digest8(&params), vector.hash8, "{told}");
        let key = keys.indicator("000001", "MACD", &params).unwrap();
        assert_eq!(key.as_str(), vector.cache_key, "{told}");
        let key = keys.lock_indicator("000001", "MACD", &params).unwrap();
        assert_eq!(key.as_str(), vector.lock_key, "{told}");
        let key = keys.api("/api/stocks/000001", &params).unwrap();
        assert_eq!(key.as_str(), vector.api_key, "{told}");
    }
}

#[test]
fn the_figures_are_those_the_design_was_given() {
    let given = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/interop/golden_keys.json");
    let carried = include_bytes!("data/golden_keys.json");
    // Only a checkout beside the design has them; the carried copy is what the promise rests on.
    if let Ok(given) = std::fs::read(given) {
        assert!(given == carried, "tests/data/golden_keys.json differs from the design's");
    }
}

#[test]
fn the_documented_digests_hold() {
    let digest = |text: &str| digest8(&Json::parse(text.as_bytes()).unwrap());
    assert_eq!(digest("{}"), "99914b93");
    assert_eq!(digest(r#"{"timeperiod": 5}"#), "7ac9970a");
    assert_eq!(digest(r#"{"timeperiod": 20}"#), "ecdf2aa9");
    assert_eq!(digest(r#"{"timeperiod": 20.0}"#), "91055ef8");
    assert_eq!(digest(r#"{"timeperiod": "20"}"#), "28e07f66");
    assert_eq!(digest(r#"{"slowperiod": 26, "fastperiod": 12, "signalperiod": 9}"#), "d7b32e6c");
}
