//! What tells holders apart.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

/// By which the holder of a lock is known: a version 4 UUID in text form, as on the platform's Python side.
///
/// Whoever has it can release the lock, so `Debug` does not show it; [`Token::as_str`] does.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Token(Arc<str>);

impl Token {
    /// Draws a token that nobody else has, from the system's source of randomness.
    pub(crate) fn random() -> Self {
        let mut text = Uuid::encode_buffer();
        Self(Arc::from(&*Uuid::new_v4().hyphenated().encode_lower(&mut text)))
    }

    /// Returns the text as it stands in Redis.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Token {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Token {
    /// Takes a token that somebody else has drawn and handed over, whatever its form.
    fn from(text: &str) -> Self {
        Self(Arc::from(text))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_uuids_and_hidden() {
        let (one, other) = (Token::random(), Token::random());
        assert_ne!(one, other);
        let uuid = Uuid::parse_str(one.as_str()).unwrap();
        assert_eq!((uuid.get_version_num(), one.as_str().len()), (4, 36));
        assert_eq!(uuid.to_string(), one.as_str());
        assert_eq!(format!("{one:?}"), "Token(***)");
    }
}
