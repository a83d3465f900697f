//! What may stand in a key.

use crate::invalid_key::{InvalidKey, InvalidKeyKind};

/// The longest key this crate makes, in bytes; a [`Sidecar`](crate::Sidecar) is a few bytes longer than its key.
pub const MAX_KEY_BYTES: usize = 512;

/// Redis matches patterns by backtracking: time grows with the power of the stars.
const MAX_STARS: usize = 8;

/// Accepts one segment: no colon, not empty.
pub(crate) fn segment(part: &'static str, text: &str) -> Result<(), InvalidKey> {
    // Nearly all are plain, and every read of a store asks: one pass over bytes sees to them.
    if !text.is_empty() && text.bytes().all(is_plain) {
        return Ok(());
    }
    if text.is_empty() {
        return Err(InvalidKey::new(
            InvalidKeyKind::Empty,
            part,
            text,
            "it is empty; give at least one character",
        ));
    }
    if text.contains(':') {
        return Err(InvalidKey::new(
            InvalidKeyKind::Colon,
            part,
            text,
            "it holds a colon, which separates segments; give a text without ':'",
        ));
    }
    characters(part, text)
}

/// Accepts segments separated by single colons.
pub(crate) fn path(part: &'static str, text: &str) -> Result<(), InvalidKey> {
    no_empty_segment(part, text)?;
    characters(part, text)
}

/// Accepts a pattern in Redis' glob syntax that is whole and cheap to match.
pub(crate) fn glob(text: &str) -> Result<(), InvalidKey> {
    const PART: &str = "pattern";
    no_empty_segment(PART, text)?;
    let refuse = |detail: &'static str| Err(InvalidKey::new(InvalidKeyKind::Glob, PART, text, detail));
    let mut stars = 0;
    let mut in_class = false;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.next().is_none() => {
                return refuse("it ends in a lone backslash; write '\\\\' for a backslash");
            }
            '[' => in_class = true,
            ']' => in_class = false,
            '*' if !in_class => stars += 1,
            _ => {}
        }
    }
    if in_class {
        return refuse("it opens '[' and never closes it; write '\\[' for a bracket");
    }
    if stars > MAX_STARS {
        return refuse("it has more than 8 stars; use fewer, the server's time grows with each");
    }
    text.chars().try_for_each(|c| match fault(c) {
        None | Some(InvalidKeyKind::Glob) => Ok(()),
        Some(kind) => Err(InvalidKey::new(kind, PART, text, explain(kind))),
    })
}

/// Accepts `key` when it is short enough.
pub(crate) fn length(part: &'static str, text: &str, bytes: usize) -> Result<(), InvalidKey> {
    if bytes <= MAX_KEY_BYTES {
        return Ok(());
    }
    Err(InvalidKey::new(
        InvalidKeyKind::TooLong,
        part,
        text,
        format!("the whole name would have {bytes} bytes; keep it within {MAX_KEY_BYTES}"),
    ))
}

/// Accepts any text without braces, glob and control characters.
pub(crate) fn characters(part: &'static str, text: &str) -> Result<(), InvalidKey> {
    match text.chars().find_map(fault) {
        None => Ok(()),
        Some(kind) => Err(InvalidKey::new(kind, part, text, explain(kind))),
    }
}

fn no_empty_segment(part: &'static str, text: &str) -> Result<(), InvalidKey> {
    let detail = if text.is_empty() {
        "it is empty; give at least one character"
    } else if text.split(':').any(str::is_empty) {
        "it has an empty segment; separate segments by single colons, none at the ends"
    } else {
        return Ok(());
    };
    Err(InvalidKey::new(InvalidKeyKind::Empty, part, text, detail))
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}

fn fault(c: char) -> Option<InvalidKeyKind> {
    match c {
        '{' | '}' => Some(InvalidKeyKind::Brace),
        '*' | '?' | '[' | ']' | '\\' => Some(InvalidKeyKind::Glob),
        c if c.is_control() => Some(InvalidKeyKind::Control),
        _ => None,
    }
}

fn explain(kind: InvalidKeyKind) -> &'static str {
    match kind {
        InvalidKeyKind::Brace => {
            "it holds a brace, which decides the slot in Redis Cluster; leave out '{' and '}'"
        }
        InvalidKeyKind::Glob => "it holds a glob character; leave out '*', '?', '[', ']' and '\\'",
        _ => "it holds a control character; leave it out",
    }
}
