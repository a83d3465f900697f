//! Who may do what: tokens, of which only digests are known.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What a route asks for, or a token gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Right {
    /// To be answered.
    Read,
    /// To change what all are answered.
    Admin,
}

/// Whose request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who<'a> {
    /// Nobody is asked for a token.
    Anyone,
    /// The owner of a token.
    Token(&'a Token),
    /// A token is asked for, and there is none, or another one.
    Unknown,
}

/// A token that is accepted.
#[derive(PartialEq, Eq)]
pub(super) struct Token {
    /// What it is called, in logs and in the key of its rate.
    pub(super) name: String,
    digest: [u8; 32],
    admin: bool,
}

/// All tokens that are accepted; without any, nobody is asked for one.
#[derive(Debug, Default)]
pub(super) struct Tokens(Vec<Token>);

impl Tokens {
    /// Reads a file of credentials, or their text, or both.
    pub(super) fn load(file: Option<&Path>, text: Option<&str>) -> Result<Self> {
        let mut all = Vec::new();
        if let Some(path) = file {
            let content = fs::read_to_string(path)
                .with_context(|| format!("read the credentials in {}", path.display()))?;
            parse(&content, &path.display().to_string(), &mut all)?;
            ensure!(!all.is_empty(), "read the credentials in {}: there are none", path.display());
        }
        if let Some(text) = text.filter(|text| !text.trim().is_empty()) {
            parse(text, "MYSTOCKS_TOKENS", &mut all)?;
        }
        Ok(Self(all))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whose token stands in the headers.
    ///
    /// The digest is compared with every one there is, each in a time that does not depend on it.
    pub(super) fn who(&self, headers: &HeaderMap) -> Who<'_> {
        if self.is_empty() {
            return Who::Anyone;
        }
        let given = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
        let token = given.and_then(bearer).unwrap_or_default();
        let digest: [u8; 32] = Sha256::digest(token).into();
        let mut found = Who::Unknown;
        for one in &self.0 {
            if bool::from(one.digest.ct_eq(&digest)) {
                found = Who::Token(one);
            }
        }
        found
    }
}

impl Who<'_> {
    pub(super) fn may(self, right: Right) -> bool {
        match self {
            Who::Anyone => right == Right::Read,
            Who::Token(token) => right == Right::Read || token.admin,
            Who::Unknown => false,
        }
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("name", &self.name).field("admin", &self.admin).finish_non_exhaustive()
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii()).filter(|token| !token.is_empty())
}

/// Reads lines of a name, a digest and rights; a semicolon ends a line as well.
fn parse(text: &str, place: &str, all: &mut Vec<Token>) -> Result<()> {
    for (at, line) in text.split(['\n', ';']).enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(name) = words.next() else { continue };
        // What stands in a line that is wrong may be a token: it is not repeated.
        let place = format!("read the credentials in {place}, line {}", at + 1);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        ensure!(
            name.len() <= 64 && name.chars().all(is_plain),
            "{place}: expected a name of up to 64 letters, digits, dots, hyphens and underscores"
        );
        ensure!(all.iter().all(|other| other.name != name), "{place}: {name} was there before");
        let digest = words.next().and_then(digest).with_context(|| {
            format!("{place}: expected the SHA-256 of the token of {name} as 64 hexadecimal digits; printf %s \"$TOKEN\" | sha256sum prints it")
        })?;
        let (mut reads, mut admin) = (false, false);
        for right in words {
            match right {
                "read" => reads = true,
                "admin" => admin = true,
                _ => bail!("{place}: expected the rights of {name} as read or admin"),
            }
        }
        ensure!(reads || admin, "{place}: {name} has no right; give it read, or admin, which includes it");
        all.push(Token { name: name.to_owned(), digest, admin });
    }
    Ok(())
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        let digits =
            text.get(2 * at..2 * at + 2).filter(|digits| digits.chars().all(|c| c.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    // Of "secret".
    const DIGEST: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

    fn given(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_token_is_known_by_its_digest() {
        let text = format!("# who may look\ndash {DIGEST} read # the dashboard\n\n");
        let tokens = Tokens::load(None, Some(&text)).unwrap();
        for (value, is_known) in [
            ("Bearer secret", true),
            ("bearer  secret ", true),
            ("Bearer secre", false),
            ("Bearer secretx", false),
            ("Bearer ", false),
            ("Bearer", false),
            ("Basic secret", false),
            ("secret", false),
        ] {
            let who = tokens.who(&given(value));
            assert_eq!(matches!(who, Who::Token(token) if token.name == "dash"), is_known, "{value}");
            assert_eq!((who.may(Right::Read), who.may(Right::Admin)), (is_known, false), "{value}");
        }
        assert_eq!(tokens.who(&HeaderMap::new()), Who::Unknown);
        let open = Tokens::default();
        assert!(
            open.who(&given("Bearer x")).may(Right::Read) && !open.who(&HeaderMap::new()).may(Right::Admin)
        );
        let admin = Tokens::load(None, Some(&format!("ops {DIGEST} admin; "))).unwrap();
        assert!(admin.who(&given("Bearer secret")).may(Right::Admin));
        assert!(admin.who(&given("Bearer secret")).may(Right::Read));
    }

    #[test]
    fn a_line_that_is_wrong_says_what_is_right_and_repeats_nothing() {
        for (line, reason) in [
            ("dash hunter2 read".to_owned(), "64 hexadecimal digits"),
            ("dash".to_owned(), "64 hexadecimal digits"),
            (format!("dash {} read", "+f".repeat(32)), "64 hexadecimal digits"),
            (format!("a/b {DIGEST} read"), "expected a name"),
            (format!("dash {DIGEST}"), "has no right"),
            (format!("dash {DIGEST} write"), "read or admin"),
            (format!("dash {DIGEST} read\ndash {DIGEST} read"), "line 2: dash was there before"),
        ] {
            let error = format!("{:#}", Tokens::load(None, Some(&line)).unwrap_err());
            assert!(error.contains(reason) && error.contains("MYSTOCKS_TOKENS"), "{error}");
            assert!(!error.contains("hunter2") && !error.contains(DIGEST), "{error}");
        }
        assert!(!format!("{:?}", Tokens::load(None, Some(&format!("a {DIGEST} read")))).contains("187"));
    }
}
