//! The digests of parameters that stand in keys.

use md5::Md5;
use sha2::{Digest as _, Sha256};

use crate::json::Json;

pub(crate) const OWN_DIGITS: usize = 32;

/// Returns the first 8 hex digits of the MD5 of `params` as Python's `json.dumps(params, sort_keys=True)` writes them.
///
/// This is the form of entries shared with the Python side. 32 bits can collide; entries of this project carry
/// the longer digest of [`Keyspace::own`](crate::Keyspace::own).
pub fn digest8(params: &Json) -> String {
    hex(Md5::digest(params.dumps_sorted().as_bytes()).iter().take(4))
}

/// Returns the first 32 hex digits of the SHA-256 of the same text.
pub(crate) fn digest32(params: &Json) -> String {
    let bytes = Sha256::digest(params.dumps_sorted().as_bytes());
    hex(bytes.iter().take(OWN_DIGITS / 2))
}

pub(crate) fn looks_like_digest32(text: &str) -> bool {
    text.len() == OWN_DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn hex<'a>(bytes: impl Iterator<Item = &'a u8>) -> String {
    bytes
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}
