//! Whatever stands under a shared key is a value or a miss, never a panic.

use mystocks_keys::Json;
use serde::Deserialize;

use super::{Rejected, decode, encode};
use crate::error::ErrorKind;

const LIMIT: usize = 256;

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only its shape matters")]
struct Result_ {
    success: bool,
    values: Vec<Option<f64>>,
    stock: String,
}

const SEEDS: &[&str] = &[
    r#"{"success": true, "values": [1.5, null, NaN, -Infinity], "stock": "600519"}"#,
    r#"{"a": {"b": [[], {}, "\u00e9\ud83d\ude00\n", 123456789012345678901234567890, 1e-05]}}"#,
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    r#""贵州茅台""#,
    "NaN",
    "-0.0",
    "true",
    "1e309",
];

/// A byte string that is noise, or JSON with a few bytes changed, cut, doubled or spliced.
fn fuzzed(rng: &mut fastrand::Rng, out: &mut Vec<u8>) {
    out.clear();
    if rng.u8(..4) == 0 {
        out.extend((0..rng.usize(..40)).map(|_| rng.u8(..)));
        return;
    }
    let seed = rng.choice(SEEDS).copied().unwrap_or_default().as_bytes();
    out.extend_from_slice(seed);
    for _ in 0..rng.u8(..4) {
        let at = rng.usize(..=out.len());
        match rng.u8(..5) {
            0 => out.truncate(at),
            1 => out.insert(at, rng.u8(..)),
            2 => out.insert(at, *rng.choice(b"[]{}\",:\\-+.eENI0u").unwrap()),
            3 => {
                let tail = out.split_off(at);
                out.extend_from_slice(&tail);
                out.extend_from_slice(&tail);
            }
            _ => {
                if let Some(byte) = out.get_mut(at) {
                    *byte ^= 1 << rng.u8(..8);
                }
            }
        }
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "a failed run tells its seed")]
fn a_million_fuzzed_entries_are_values_or_misses() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut values, mut misses) = (0_u32, 0_u32);
    let mut bytes = Vec::new();
    for _ in 0..1_000_000 {
        fuzzed(&mut rng, &mut bytes);
        let decoded = match rng.u8(..3) {
            0 => decode::<Json>(&bytes, LIMIT).map(drop),
            1 => decode::<Result_>(&bytes, LIMIT).map(drop),
            _ => decode::<Option<Vec<f64>>>(&bytes, LIMIT).map(drop),
        };
        match decoded {
            Ok(()) => values += 1,
            Err(_) => misses += 1,
        }
    }
    assert_eq!(values + misses, 1_000_000, "seed {seed}");
    assert!(values > 20_000, "seed {seed}: only {values} values: the fuzzing tests too little");
    assert!(misses > 200_000, "seed {seed}: only {misses} misses: the fuzzing tests too little");
}

#[test]
fn an_entry_that_cannot_be_used_says_why() {
    assert_eq!(decode::<Json>(b"", 9), Err(Rejected::Undecodable));
    assert_eq!(decode::<Json>(b"plain text", 99), Err(Rejected::Undecodable));
    assert_eq!(decode::<f64>(b"\"1\"", 9), Err(Rejected::Undecodable));
    assert_eq!(decode::<Json>(b"\xC1\x01\x01", 9), Err(Rejected::OtherFormat));
    assert_eq!(decode::<Json>(b"[1, 2, 3]", 8), Err(Rejected::TooLarge));
    assert_eq!(decode::<Vec<u8>>(b"[1, 2, 3]", 9), Ok(vec![1, 2, 3]));
}

#[test]
fn deep_nesting_is_a_miss_and_not_a_stack_overflow() {
    let deep = "[".repeat(1 << 20);
    assert_eq!(decode::<Json>(deep.as_bytes(), 1 << 20), Err(Rejected::Undecodable));
    let closed = "[".repeat(1 << 19) + &"]".repeat(1 << 19);
    assert_eq!(decode::<Json>(closed.as_bytes(), 1 << 20), Err(Rejected::Undecodable));
}

#[test]
fn values_are_written_as_python_writes_them() {
    let nan = f64::NAN;
    let table: [(Json, &str); 6] = [
        (Json::from_serialize(&[nan, f64::INFINITY, 20.0]).unwrap(), "[NaN, Infinity, 20.0]"),
        (Json::from("贵"), "\"\\u8d35\""),
        (Json::Null, "null"),
        (Json::from(1e-5), "1e-05"),
        (Json::parse(b"{\"b\": 1, \"a\": {}}").unwrap(), "{\"b\": 1, \"a\": {}}"),
        (Json::from(u64::MAX), "18446744073709551615"),
    ];
    for (value, text) in table {
        assert_eq!(encode("k", &value, 99).unwrap(), text);
    }
}

#[test]
fn a_value_above_the_limit_is_refused_by_its_size() {
    assert_eq!(encode("k", "12345678", 10).unwrap(), "\"12345678\"");
    let error = encode("k", "123456789", 10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(error.to_string(), "encode \"k\": the value is too large, 11 bytes where at most 10 are kept");
}
