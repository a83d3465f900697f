//! What processes tell each other, as it stands in the channel.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::backplane::Signal;
use crate::metric;

/// Beyond it no clock draws: a stamp from there would outdate everything for good.
const STAMPS_END: u64 = 1 << 52;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message<'a> {
    v: u64,
    origin: &'a str,
    stamp: u64,
    keys: Option<Vec<Digest>>,
    mark: Option<String>,
    recheck: Option<String>,
}

struct Digest(u64);

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(from)?;
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 16 || !text.bytes().all(is_digit) {
            return Err(D::Error::custom("no digest"));
        }
        u64::from_str_radix(text, 16).map(Self).map_err(D::Error::custom)
    }
}

/// Returns what a message that `node` has received says, if it is one and comes from another.
pub(super) fn read(payload: &[u8], node: &str) -> Option<Signal> {
    let message = serde_json::from_slice::<Message<'_>>(payload).ok();
    let known = message.filter(|message| message.v == 1 && message.stamp < STAMPS_END);
    let Some((origin, signal)) = known.and_then(signal) else {
        metrics::counter!(metric::MESSAGES_IGNORED).increment(1);
        return None;
    };
    (origin != node).then_some(signal)
}

/// Returns a digest as it stands alone in the channel of freed leases.
pub(super) fn read_freed(payload: &[u8]) -> Option<u64> {
    let digest = std::str::from_utf8(payload).ok().filter(|text| text.len() == 16);
    let digest = digest.and_then(|text| u64::from_str_radix(text, 16).ok());
    if digest.is_none() {
        metrics::counter!(metric::MESSAGES_IGNORED).increment(1);
    }
    digest
}

fn signal(message: Message<'_>) -> Option<(&str, Signal)> {
    let stamp = message.stamp;
    let signal = match (message.keys, message.mark, message.recheck) {
        (Some(keys), None, None) => {
            Signal::Keys { digests: keys.into_iter().map(|digest| digest.0).collect(), stamp }
        }
        (None, Some(mark), None) => Signal::Mark { mark, stamp },
        (None, None, Some(cache)) => Signal::Recheck { cache },
        _ => return None,
    };
    Some((message.origin, signal))
}

/// Returns what stands in every message of `node` before the stamp.
pub(super) fn head(node: &str) -> String {
    format!(r#"{{"v":1,"origin":"{node}","stamp":"#)
}

/// Returns what follows the stamp in a message about one `text`, called `name`.
pub(super) fn tail(name: &str, text: &str) -> String {
    // As a JSON text, with its quotes.
    let text = serde_json::Value::from(text);
    format!(r#","{name}":{text}}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_each_kind_is_read() {
        let keys = br#"{"v":1,"origin":"a","stamp":7,"keys":["00000000000000ff","ffffffffffffffff"]}"#;
        assert_eq!(read(keys, "b"), Some(Signal::Keys { digests: vec![255, u64::MAX], stamp: 7 }));
        let mark = format!("{}8{}", head("a"), tail("mark", "q\"\\价\n"));
        assert_eq!(read(mark.as_bytes(), "b"), Some(Signal::Mark { mark: "q\"\\价\n".to_owned(), stamp: 8 }));
        let recheck = br#"{ "recheck": "bars", "stamp": 9, "origin": "a", "v": 1 }"#;
        assert_eq!(read(recheck, "b"), Some(Signal::Recheck { cache: "bars".to_owned() }));
    }

    #[test]
    fn ones_own_message_is_skipped() {
        let own = br#"{"v":1,"origin":"a","stamp":7,"recheck":"bars"}"#;
        assert_eq!(read(own, "a"), None);
        assert_eq!(read(own, "aa"), Some(Signal::Recheck { cache: "bars".to_owned() }));
    }

    #[test]
    fn whatever_is_no_message_is_ignored() {
        for text in [
            "",
            "null",
            "[]",
            "{}",
            "\u{0}",
            r#"{"v":1,"origin":"a","stamp":7}"#,
            r#"{"v":2,"origin":"a","stamp":7,"recheck":"x"}"#,
            r#"{"v":1,"origin":"a","recheck":"x"}"#,
            r#"{"v":1,"stamp":7,"recheck":"x"}"#,
            r#"{"v":1,"origin":"a","stamp":-7,"recheck":"x"}"#,
            r#"{"v":1,"origin":"a","stamp":7.5,"recheck":"x"}"#,
            r#"{"v":1,"origin":"a","stamp":4503599627370496,"recheck":"x"}"#,
            r#"{"v":1,"origin":"a","stamp":7,"recheck":"x","mark":"y"}"#,
            r#"{"v":1,"origin":"a","stamp":7,"recheck":"x","more":1}"#,
            r#"{"v":1,"origin":"a","stamp":7,"stamp":8,"recheck":"x"}"#,
            r#"{"v":1,"origin":"a","stamp":7,"recheck":"x"}}"#,
            r#"{"v":1,"origin":"a","stamp":7,"recheck":"x"#,
            r#"{"v":1,"origin":"a","stamp":7,"keys":"00000000000000ff"}"#,
            r#"{"v":1,"origin":"a","stamp":7,"keys":["0000000000000ff"]}"#,
            r#"{"v":1,"origin":"a","stamp":7,"keys":["+0000000000000ff"]}"#,
            r#"{"v":1,"origin":"a","stamp":7,"keys":["00000000000000FF"]}"#,
            r#"{"v":1,"origin":"a","stamp":7,"keys":["00000000000000ff",7]}"#,
        ] {
            assert_eq!(read(text.as_bytes(), "b"), None, "{text}");
        }
        assert_eq!(read(b"\xff\xfe", "b"), None);
        assert_eq!(read(&b"[".repeat(1 << 20), "b"), None);
    }

    #[test]
    fn a_freed_lease_is_named_by_its_digest_alone() {
        assert_eq!(read_freed(b"00000000000000ff"), Some(255));
        for payload in [&b""[..], b"ff", b"00000000000000fg", b"00000000000000ff0", b"\xff"] {
            assert_eq!(read_freed(payload), None, "{payload:?}");
        }
    }
}
