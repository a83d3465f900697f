//! Why a text was refused as part of a key.

use std::borrow::Cow;
use std::fmt;

/// How much of the offending text a message shows, in characters.
const SHOWN: usize = 60;

/// A text that may not stand in a key, a pattern, a channel name or a prefix.
///
/// The message names the part, shows the offending text (escaped, at most 60 characters of it), the rule it breaks
/// and what would be right. It reads well after "failed to".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct InvalidKey {
    kind: InvalidKeyKind,
    part: &'static str,
    text: String,
    detail: Cow<'static, str>,
}

/// The rules an [`InvalidKey`] can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidKeyKind {
    /// The text, or one of its segments, is empty.
    Empty,
    /// A text that is one segment holds a colon.
    Colon,
    /// The text holds a brace, which decides the slot in Redis Cluster.
    Brace,
    /// The text holds a glob character, or a pattern is malformed.
    Glob,
    /// The text holds a control character.
    Control,
    /// The whole key would be longer than [`MAX_KEY_BYTES`](crate::MAX_KEY_BYTES).
    TooLong,
    /// The key would lie in the namespace of locks, sessions or this project's own entries.
    Reserved,
    /// Two different things could get the same name: overlapping prefixes, a part that reads like a digest.
    Ambiguous,
}

impl InvalidKey {
    pub(crate) fn new(
        kind: InvalidKeyKind,
        part: &'static str,
        text: &str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { kind, part, text: bounded(text), detail: detail.into() }
    }

    /// Shows `text` in the place of the part of it that was checked.
    pub(crate) fn showing(mut self, text: &str) -> Self {
        self.text = bounded(text);
        self
    }

    /// Returns the rule that is broken.
    pub fn kind(&self) -> InvalidKeyKind {
        self.kind
    }

    /// Returns which part of the name is at fault, such as `"stock code"`.
    pub fn part(&self) -> &'static str {
        self.part
    }

    /// Returns `false`: the same text stays refused.
    pub fn is_retryable(&self) -> bool {
        false
    }
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "use the {} \"{}\": {}", self.part, self.text.escape_debug(), self.detail)
    }
}

fn bounded(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
