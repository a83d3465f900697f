//! The name of a stock or an index.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Error, ErrorKind};

/// The name of a stock or an index: 1 to 32 of `A-Z a-z 0-9 . _ -`, not starting with a dot.
///
/// The text is kept exactly as given. `600519.SH`, `sh.600519` and `600519` may well be spellings of one stock, but
/// nothing here takes one for another: each is what its bar source calls it, and each has its own cache entries.
/// The permitted characters can neither leave a folder (as a file name) nor a segment (in a Redis key).
///
/// ```
/// use mystocks_indicators::Symbol;
///
/// let symbol: Symbol = "600519.SH".parse()?;
/// assert_eq!(symbol.as_str(), "600519.SH");
/// assert!("../600519".parse::<Symbol>().is_err());
/// # Ok::<(), mystocks_indicators::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(Arc<str>);

impl Symbol {
    /// The most bytes a symbol may have.
    pub const MAX_LEN: usize = 32;

    /// Takes `text` as a symbol.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when it is empty, too long, starts with a dot or has another character.
    pub fn new(text: &str) -> Result<Self, Error> {
        let wrong = if text.is_empty() {
            "it is empty".to_owned()
        } else if text.len() > Self::MAX_LEN {
            format!("it has {} bytes", text.len())
        } else if text.starts_with('.') {
            "it starts with a dot".to_owned()
        } else if let Some(other) = text.chars().find(|c| !is_permitted(*c)) {
            format!("it contains '{}'", other.escape_debug())
        } else {
            return Ok(Self(Arc::from(text)));
        };
        let shown: String = text.chars().take(Self::MAX_LEN).collect();
        Err(Error::new(ErrorKind::InvalidArgument, "read symbol", shown).with_detail(format!(
            "{wrong}; a symbol is 1 to {} of A-Z a-z 0-9 . _ - and does not start with a dot",
            Self::MAX_LEN
        )))
    }

    /// Returns the text as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Symbol {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::new(text)
    }
}

impl AsRef<str> for Symbol {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

fn is_permitted(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_every_spelling_as_it_is() {
        for text in ["600519", "600519.SH", "sh.600519", "AAPL", "BRK-B", "a_b", "a..b", &"x".repeat(32)] {
            assert_eq!(Symbol::new(text).unwrap().as_str(), text);
        }
        assert_ne!(Symbol::new("600519.SH").unwrap(), Symbol::new("sh.600519").unwrap());
    }

    #[test]
    fn refuses_what_could_leave_a_folder_or_a_key() {
        let long = "x".repeat(33);
        for (text, reason) in [
            ("", "empty"),
            (long.as_str(), "33 bytes"),
            ("..", "dot"),
            (".hidden", "dot"),
            ("a/b", "'/'"),
            ("a\\b", "'\\\\'"),
            ("a:b", "':'"),
            ("a{b}", "'{'"),
            ("a*", "'*'"),
            ("a b", "' '"),
            ("a\nb", "'\\n'"),
            ("a\0", "'\\0'"),
            ("茅台", "'茅'"),
        ] {
            let error = Symbol::new(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text:?}");
            assert!(error.to_string().contains(reason), "{text:?}: {error}");
        }
    }
}
