//! Reading and writing JSON text: the dialect, the bounds, the words of every refusal.

mod random_json;

use mystocks_keys::{Json, JsonErrorKind as Kind, MAX_DEPTH, MAX_TEXT_BYTES};

fn rewritten(text: &str) -> String {
    Json::parse(text.as_bytes()).expect("it is JSON").dumps()
}

#[test]
fn floats_are_written_as_python_does() {
    for (number, expected) in [
        (20.0, "20.0"),
        (-0.0, "-0.0"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e-4, "0.0001"),
        (9.999e-5, "9.999e-05"),
        (1e-5, "1e-05"),
        (1.5e-7, "1.5e-07"),
        (123_456.789, "123456.789"),
        (1e15, "1000000000000000.0"),
        (9_999_999_999_999_998.0, "9999999999999998.0"),
        (1e16, "1e+16"),
        (1.234_567_890_123_456_8e17, "1.2345678901234568e+17"),
        (1e100, "1e+100"),
        (5e-324, "5e-324"),
        (f64::MAX, "1.7976931348623157e+308"),
        (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        // Two shortest forms equally near: Python takes the even digit.
        (4_503_599_627_370_497.0 / 4.0, "1125899906842624.2"),
        (893_274_284_674_017.0 / 8.0, "111659285584252.12"),
        (4_503_599_627_370_499.0 / 4.0, "1125899906842624.8"),
        // The lower of the two forms equally near reads back as the float below.
        (2_f64.powi(-24), "5.960464477539063e-08"),
        // The nearest form of as many digits, …801e-14, is nearer to the float below.
        (2_f64.powi(-44), "5.684341886080802e-14"),
        (f64::NAN, "NaN"),
        (-f64::NAN, "NaN"),
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
    ] {
        assert_eq!(Json::Float(number).dumps(), expected);
    }
}

#[test]
fn text_is_read_as_python_reads_it() {
    for (text, expected) in [
        (" [1 ,\t2\r\n] ", "[1, 2]"),
        ("-0", "0"),
        ("-0.0", "-0.0"),
        ("1E2", "100.0"),
        ("1e400", "Infinity"),
        ("-1e400", "-Infinity"),
        ("[NaN,Infinity,-Infinity]", "[NaN, Infinity, -Infinity]"),
        (r#""\/é\u00e9\uD83D\uDE00😀""#, r#""/\u00e9\u00e9\ud83d\ude00\ud83d\ude00""#),
        (r#""\ud800""#, r#""\ud800""#),
        (r#""\udc00\ud800""#, r#""\udc00\ud800""#),
        (r#""\ud800\n""#, r#""\ud800\n""#),
        (r#""\ud800\ud83d\ude00é""#, r#""\ud800\ud83d\ude00\u00e9""#),
        ("\"\u{7f}\"", r#""\u007f""#),
        // The last of equal names, at the first one's place.
        (r#"{"a": 1, "b": 2, "a": 3, "c": 4, "b": 5, "a": 6}"#, r#"{"a": 6, "b": 5, "c": 4}"#),
        (r#"{"a": 1, "\u0061": 2}"#, r#"{"a": 2}"#),
        ("-170141183460469231731687303715884105729", "-170141183460469231731687303715884105729"),
    ] {
        assert_eq!(rewritten(text), expected, "{text}");
    }
}

#[test]
fn of_any_number_of_names_the_last_of_equal_ones_stays() {
    for count in [2, 15, 16, 17, 40] {
        let mut fields: Vec<String> = (0..count).map(|number| format!("\"n{number}\": {number}")).collect();
        assert_eq!(rewritten(&format!("{{{}}}", fields.join(", "))), format!("{{{}}}", fields.join(", ")));
        let twice = format!("{{{}, \"n1\": 99}}", fields.join(", "));
        fields[1] = "\"n1\": 99".to_owned();
        assert_eq!(rewritten(&twice), format!("{{{}}}", fields.join(", ")), "{count}");
    }
}

#[test]
fn names_are_sorted_by_code_point_at_every_depth() {
    let value =
        Json::parse(r#"{"z": {"b": [{"y": 1, "x": 2}], "a": 1}, "😀": 1, "￿": 2, "Z": 3}"#.as_bytes());
    assert_eq!(
        value.unwrap().dumps_sorted(),
        r#"{"Z": 3, "z": {"a": 1, "b": [{"x": 2, "y": 1}]}, "\uffff": 2, "\ud83d\ude00": 1}"#
    );
}

#[test]
fn malformed_text_is_refused_where_it_is_malformed() {
    for (text, at, piece) in [
        (&b""[..], 0, "expected a value"),
        (b"  ", 2, "expected a value"),
        (b"nul", 0, "expected null"),
        (b"True", 0, "expected a value"),
        (b"nan", 0, "expected null"),
        (b"-NaN", 1, "expected a digit"),
        (b"+1", 0, "expected a value"),
        (b"01", 1, "expected the end of the text"),
        (b"-", 1, "expected a digit"),
        (b"1.", 2, "expected a digit"),
        (b".5", 0, "expected a value"),
        (b"1e", 2, "expected a digit"),
        (b"1e+", 3, "expected a digit"),
        (b"[1,]", 3, "expected a value"),
        (b"[1 2]", 3, "expected ',' or ']'"),
        (b"[1", 2, "expected ',' or ']'"),
        (b"{a: 1}", 1, "expected a name in double quotes"),
        (b"{\"a\" 1}", 5, "expected ':'"),
        (b"{\"a\": 1,}", 8, "expected a name in double quotes"),
        (b"{\"a\": 1 \"b\"", 8, "expected ',' or '}'"),
        (b"{\"\\ud800\": 1}", 1, "a name holds a lone surrogate; names must be valid Unicode"),
        (b"\"abc", 0, "a string is never closed"),
        (b"\"a\nb\"", 2, "expected a control character to be escaped"),
        (b"\"\\x41\"", 2, "expected one of \" \\ / b f n r t u after a backslash"),
        (b"\"\\u12g4\"", 2, "expected four hex digits after \\u"),
        (b"\"\\u+123\"", 2, "expected four hex digits after \\u"),
        (b"\"\\ud800\\u12\"", 8, "expected four hex digits after \\u"),
        (b"1 2", 2, "expected the end of the text"),
        (b"{}]", 2, "expected the end of the text"),
        (b"\"\xff\"", 1, "expected UTF-8"),
        (b"\xc1\x01", 0, "expected UTF-8"),
        (b"\xef\xbb\xbf1", 0, "expected a value"),
    ] {
        let error = Json::parse(text).unwrap_err();
        assert_eq!(error.to_string(), format!("parse JSON at byte {at}: {piece}"));
        assert_eq!(error.at(), Some(at));
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(rewritten(&nested(MAX_DEPTH)), nested(MAX_DEPTH));
    let objects = "{\"a\":".repeat(100_000);
    for text in [nested(MAX_DEPTH + 1), "[".repeat(1_000_000), objects] {
        let error = Json::parse(text.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), Kind::TooDeep);
        assert!(error.to_string().contains("nested more than 128 levels deep"));
    }
}

#[test]
fn size_is_bounded() {
    let mut text = vec![b' '; MAX_TEXT_BYTES];
    text[0] = b'1';
    assert_eq!(Json::parse(&text), Ok(Json::from(1)));
    text.push(b' ');
    assert_eq!(Json::parse(&text).unwrap_err().kind(), Kind::TooLarge);
    // The documented factor between text and memory: a value for every two bytes, in a vector up to twice as large.
    assert!(size_of::<Json>() <= 40);
}

#[test]
fn integers_are_bounded_as_in_python() {
    let digits = "9".repeat(4300);
    assert_eq!(rewritten(&format!("-{digits}")), format!("-{digits}"));
    let error = Json::parse(format!("[{digits}9]").as_bytes()).unwrap_err();
    assert_eq!(error.kind(), Kind::TooLarge);
    assert_eq!(error.to_string(), "parse JSON at byte 1: an integer has more than 4300 digits");
}

#[test]
fn what_is_written_is_read_as_the_same() {
    let mut rng = fastrand::Rng::with_seed(random_json::seed());
    for _ in 0..20_000 {
        let value = random_json::value(&mut rng, 4, true);
        assert_eq!(Json::parse(value.dumps().as_bytes()).as_ref(), Ok(&value));
    }
}
