//! Typed values through JSON and back.

use std::collections::BTreeMap;
use std::fmt::Debug;

use mystocks_keys::{Integer, Json, JsonErrorKind as Kind, MAX_DEPTH};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

fn round<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, expected: &str) {
    let json = Json::from_serialize(value).expect("it has a JSON form");
    assert_eq!(json.dumps(), expected);
    assert_eq!(&json.to_deserialize::<T>().expect("it came from a T"), value);
    let read = Json::parse(expected.as_bytes()).expect("it is JSON");
    assert_eq!(&read.to_deserialize::<T>().expect("it came from a T"), value);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    stock: String,
    values: Vec<f64>,
    last: Option<f64>,
    previous: Option<f64>,
    big: u128,
    small: i128,
    letter: char,
    unit: (),
    pair: (i8, u16),
    nested: Option<Box<Self>>,
    wrapped: Wrapped,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Wrapped(u64);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Variant {
    Unit,
    Newtype(u8),
    Tuple(u8, u8),
    Struct { a: u8 },
}

#[test]
fn structs_round_trip() {
    let inner = |nested| Everything {
        stock: "价\"".into(),
        values: vec![f64::INFINITY, -0.0, 20.0],
        last: Some(f64::NEG_INFINITY),
        previous: None,
        big: u128::MAX,
        small: i128::MIN,
        letter: '😀',
        unit: (),
        pair: (-1, 2),
        nested,
        wrapped: Wrapped(u64::MAX),
    };
    let text = |nested: &str| {
        format!(
            "{{\"stock\": \"\\u4ef7\\\"\", \"values\": [Infinity, -0.0, 20.0], \"last\": -Infinity, \"previous\": null, \
             \"big\": {}, \"small\": {}, \"letter\": \"\\ud83d\\ude00\", \"unit\": null, \"pair\": [-1, 2], \
             \"nested\": {nested}, \"wrapped\": {}}}",
            u128::MAX,
            i128::MIN,
            u64::MAX
        )
    };
    round(&inner(Some(Box::new(inner(None)))), &text(&text("null")));
}

#[test]
fn variants_round_trip() {
    round(
        &vec![Variant::Unit, Variant::Newtype(1), Variant::Tuple(1, 2), Variant::Struct { a: 3 }],
        r#"["Unit", {"Newtype": 1}, {"Tuple": [1, 2]}, {"Struct": {"a": 3}}]"#,
    );
    round(&BTreeMap::from([(Variant::Unit, 1)]), r#"{"Unit": 1}"#);
}

#[test]
fn names_are_written_as_python_writes_them() {
    round(&BTreeMap::from([(true, 1), (false, 0)]), r#"{"false": 0, "true": 1}"#);
    round(&BTreeMap::from([(-5_i64, 1), (20, 2)]), r#"{"-5": 1, "20": 2}"#);
    round(&BTreeMap::from([(u128::MAX, 1)]), r#"{"340282366920938463463374607431768211455": 1}"#);
    round(&BTreeMap::from([(None, 1), (Some(3), 2)]), r#"{"null": 1, "3": 2}"#);
    round(&BTreeMap::from([('x', 1)]), r#"{"x": 1}"#);
    round(&BTreeMap::from([("5".to_owned(), 1)]), r#"{"5": 1}"#);
    let float = Json::from_serialize(&FloatNamed).unwrap();
    assert_eq!(float.dumps(), r#"{"20.0": 1, "NaN": 2}"#);
    let error = Json::from_serialize(&BTreeMap::from([(vec![1], 1)])).unwrap_err();
    assert_eq!(error.to_string(), "make JSON: a map has a name that is no string, number, boolean or null");
}

struct FloatNamed;

impl Serialize for FloatNamed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(20.0, 1), (f64::NAN, 2)])
    }
}

#[test]
fn nan_is_a_number_and_null_is_none() {
    let json = Json::from_serialize(&[Some(f64::NAN), None]).unwrap();
    assert_eq!(json.dumps(), "[NaN, null]");
    let [first, second] = json.to_deserialize::<[Option<f64>; 2]>().unwrap();
    assert!(first.unwrap().is_nan());
    assert_eq!(second, None);
    assert!(json.to_deserialize::<Vec<f64>>().is_err(), "null is no number");
}

#[test]
fn floats_take_integers_and_not_the_other_way_round() {
    let read = |text: &str| Json::parse(text.as_bytes()).unwrap();
    assert_eq!(read("20").to_deserialize::<f64>(), Ok(20.0));
    assert_eq!(read("20").to_deserialize::<f32>(), Ok(20.0));
    assert_eq!(read(&"9".repeat(40)).to_deserialize::<f64>(), Ok(1e40));
    let error = read(&"9".repeat(400)).to_deserialize::<f64>().unwrap_err();
    assert_eq!(error.to_string(), "take JSON apart: found an integer beyond the range of floats");
    let error = read("20.0").to_deserialize::<i64>().unwrap_err();
    assert_eq!(error.to_string(), "take JSON apart: found a float, expected i64");
    assert_eq!(Json::from_serialize(&0.1_f32).unwrap().dumps(), "0.10000000149011612");
}

#[test]
fn a_refusal_tells_the_shape_and_never_the_content() {
    let json = Json::parse(br#"{"token": "s3cret", "n": 300}"#).unwrap();
    let refused = [
        json.to_deserialize::<BTreeMap<String, u8>>().unwrap_err(),
        json.to_deserialize::<Vec<u8>>().unwrap_err(),
        json.to_deserialize::<Variant>().unwrap_err(),
        Json::from("s3cret").to_deserialize::<Variant>().unwrap_err(),
        Json::from("s3cret").to_deserialize::<u8>().unwrap_err(),
        Json::from("s3cret").to_deserialize::<char>().unwrap_err(),
        Json::from(300).to_deserialize::<u8>().unwrap_err(),
        Json::parse(br#"[1, 2, 3]"#).unwrap().to_deserialize::<(u8, u8)>().unwrap_err(),
    ];
    let messages = refused.map(|error| {
        assert_eq!(error.kind(), Kind::Shape);
        error.to_string()
    });
    assert_eq!(
        messages,
        [
            "take JSON apart: found a string, expected u8",
            "take JSON apart: found an object, expected a sequence",
            "take JSON apart: found an object, expected one with the variant as its only name",
            "take JSON apart: found an unknown variant, expected one of [\"Unit\", \"Newtype\", \"Tuple\", \"Struct\"]",
            "take JSON apart: found a string, expected u8",
            "take JSON apart: found a string out of range, expected a character",
            "take JSON apart: found an integer out of range, expected u8",
            "take JSON apart: invalid length 3, expected 2 elements in sequence",
        ]
    );
}

#[test]
fn json_is_a_serde_value_itself() {
    let text = r#"{"a": [null, true, -1, 18446744073709551615, 1.5, "x", {}]}"#;
    let json = Json::parse(text.as_bytes()).unwrap();
    assert_eq!(Json::from_serialize(&json).unwrap(), json);
    assert_eq!(json.to_deserialize::<Json>().unwrap(), json);
    let foreign: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_value(&json).unwrap(), foreign);
    assert_eq!(serde_json::from_str::<Json>(text).unwrap(), json);

    let beyond = Json::Int("1".repeat(60).parse::<Integer>().unwrap());
    assert!(Json::from_serialize(&beyond).is_err());
    assert!(beyond.to_deserialize::<Json>().is_err());
    let lone = Json::from_utf16(&[0xD800]);
    assert!(serde_json::to_string(&lone).is_err());
    assert!(lone.to_deserialize::<String>().is_err());
}

#[test]
fn making_a_value_is_bounded_in_depth() {
    #[derive(Serialize)]
    struct Nest(Vec<Self>);
    let nest = |depth: usize| (1..depth).fold(Nest(vec![]), |inner, _| Nest(vec![inner]));
    assert!(Json::from_serialize(&nest(MAX_DEPTH)).is_ok());
    let error = Json::from_serialize(&nest(MAX_DEPTH + 1)).unwrap_err();
    assert_eq!(error.kind(), Kind::TooDeep);
}

#[test]
fn utf16_is_a_string_when_it_can_be() {
    assert_eq!(Json::from_utf16(&[0xD83D, 0xDE00]), Json::from("😀"));
    let Json::Utf16(lone) = Json::from_utf16(&[0x61, 0xDE00]) else {
        panic!("a lone surrogate is no string");
    };
    assert_eq!((lone.units(), lone.to_string_lossy().as_str()), (&[0x61, 0xDE00][..], "a\u{fffd}"));
}
