//! Entity tags (RFC 9110, section 8.8.3).

use http::HeaderValue;
use sha2::{Digest as _, Sha256};

/// How many bytes of the digest stand in a tag of our own: 128 bits.
const DIGEST_BYTES: usize = 16;

/// Returns a strong tag made of the digest of `body`, quotes included.
pub(crate) fn of_body(body: &[u8]) -> Option<HeaderValue> {
    let digest = Sha256::digest(body);
    HeaderValue::try_from(format!("\"{}\"", hex(digest.iter().take(DIGEST_BYTES)))).ok()
}

/// Returns whether any tag in `list` is `tag` by weak comparison: their texts are equal, whether or not either is weak.
pub(crate) fn any_weakly_equal(list: &[u8], tag: &[u8]) -> bool {
    let Some((tag, _)) = read(tag.trim_ascii()) else { return false };
    let mut rest = list;
    while !rest.is_empty() {
        rest = rest.trim_ascii_start();
        if let Some((other, after)) = read(rest) {
            // A tag ends at the list's end or a comma: `"a"b` is none.
            let ends = after.trim_ascii_start().first().is_none_or(|byte| *byte == b',');
            if ends && other == tag {
                return true;
            }
            rest = after;
        }
        let comma = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
        rest = rest.get(comma + 1..).unwrap_or_default();
    }
    false
}

pub(crate) fn hex<'a>(bytes: impl Iterator<Item = &'a u8>) -> String {
    let digits = bytes.flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// Reads the tag that `text` begins with, without its weakness and quotes, and what follows it.
///
/// A backslash in a tag is a backslash and escapes nothing.
fn read(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.strip_prefix(b"W/").unwrap_or(text).strip_prefix(b"\"")?;
    let end = text.iter().position(|byte| *byte == b'"')?;
    let (tag, rest) = text.split_at(end);
    let is_valid = tag.iter().all(|byte| *byte == 0x21 || *byte >= 0x23 && *byte != 0x7f);
    is_valid.then_some((tag, rest.get(1..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn comparison_is_weak_as_in_the_table_of_rfc_9110() {
        for (one, other, equal) in [
            ("W/\"1\"", "W/\"1\"", true),
            ("W/\"1\"", "W/\"2\"", false),
            ("W/\"1\"", "\"1\"", true),
            ("\"1\"", "\"1\"", true),
        ] {
            assert_eq!(any_weakly_equal(one.as_bytes(), other.as_bytes()), equal, "{one} {other}");
            assert_eq!(any_weakly_equal(other.as_bytes(), one.as_bytes()), equal, "{other} {one}");
        }
    }

    #[test]
    fn lists_are_searched_and_what_is_no_tag_matches_nothing() {
        let list = b"\"xyzzy\", W/\"r2d2xxxx\" ,, \"c3,piozzzz\\\", bare, \"end\"";
        for tag in ["\"xyzzy\"", "\"r2d2xxxx\"", "\"c3,piozzzz\\\"", "W/\"end\""] {
            assert!(any_weakly_equal(list, tag.as_bytes()), "{tag}");
        }
        for tag in ["\"r2d2\"", "bare", "xyzzy", "\"\"", "\"c3\"", "w/\"end\""] {
            assert!(!any_weakly_equal(list, tag.as_bytes()), "{tag}");
        }
        assert!(!any_weakly_equal(b"\"a\"b, \"c", b"\"a\""));
        assert!(any_weakly_equal(b"\"\"", b"W/\"\""));
        assert!(!any_weakly_equal(b"\"a b\"", b"\"a b\""), "a space is no part of a tag");
    }

    #[test]
    fn a_body_has_one_tag() {
        let tag = of_body(b"hello").unwrap();
        assert_eq!(tag, "\"2cf24dba5fb0a30e26e83b2ac5b9e29e\"");
        assert_ne!(of_body(b"hello!"), Some(tag));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(list in prop::collection::vec(any::<u8>(), 0..80), tag in prop::collection::vec(any::<u8>(), 0..20)) {
            let _ = any_weakly_equal(&list, &tag);
        }

        #[test]
        fn a_tag_is_found_wherever_it_stands(
            mut tags in prop::collection::vec("(W/)?\"[!#-~]{0,6}\"", 1..6), at in any::<prop::sample::Index>(),
        ) {
            let wanted = tags[at.index(tags.len())].clone();
            tags.push("W/".to_owned());
            prop_assert!(any_weakly_equal(tags.join(", ").as_bytes(), wanted.as_bytes()));
        }
    }
}
