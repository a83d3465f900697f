//! The id of a session, and what of it others may see.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind};

const SELECTOR: usize = 16;
const VERIFIER: usize = 32;
const LETTERS: usize = 64;

/// The id of a session: whoever shows it is taken for the user. A secret.
///
/// It is 384 bits from the system's random source: a *selector* of 128, which finds the session, and a *verifier* of 256, which
/// proves that it is one's own. As a text it has 64 characters, all of which may stand in a cookie. Neither part stands in a store:
/// there is the digest of the selector ([`SessionHandle`]) and that of the verifier ([`Proof`]).
///
/// It prints as `SessionId(***)`, and cannot be compared, displayed or serialised; [`expose`](Self::expose) is the only way out.
#[derive(Clone)]
pub struct SessionId {
    selector: [u8; SELECTOR],
    verifier: [u8; VERIFIER],
}

impl SessionId {
    /// Draws an id.
    ///
    /// # Errors
    /// [`ErrorKind::Random`] when the system's random source fails: there is no other.
    pub(crate) fn random() -> Result<Self, Error> {
        Self::drawn(getrandom::fill)
    }

    fn drawn(fill: impl Fn(&mut [u8]) -> Result<(), getrandom::Error>) -> Result<Self, Error> {
        let mut id = Self { selector: [0; SELECTOR], verifier: [0; VERIFIER] };
        fill(&mut id.selector).and_then(|()| fill(&mut id.verifier)).map_err(no_random)?;
        Ok(id)
    }

    /// Returns an id of the same session with a new verifier.
    pub(crate) fn turned(&self) -> Result<Self, Error> {
        Ok(Self { selector: self.selector, ..Self::random()? })
    }

    /// Makes the id that stands for `secret`, an id of somebody else's making.
    #[cfg(feature = "tower-sessions")]
    pub(crate) fn derived(secret: &[u8]) -> Self {
        let mut selector = [0; SELECTOR];
        selector.copy_from_slice(&digest(b"derived selector", &[secret])[..SELECTOR]);
        Self { selector, verifier: digest(b"derived verifier", &[secret]) }
    }

    /// Reads the text that [`expose`](Self::expose) gave.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for anything else than 64 characters of base64url; the error does not quote it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let malformed = || {
            let wanted = format!("a session id has {LETTERS} characters of A-Z, a-z, 0-9, - and _");
            Error::new(ErrorKind::InvalidArgument, "read", "a session id").with_detail(wanted)
        };
        if text.len() != LETTERS {
            return Err(malformed());
        }
        let mut bytes = [0; SELECTOR + VERIFIER];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(length) if length == bytes.len() => {}
            // The cause would name a character of the secret.
            _ => return Err(malformed()),
        }
        let (mut selector, mut verifier) = ([0; SELECTOR], [0; VERIFIER]);
        selector.copy_from_slice(&bytes[..SELECTOR]);
        verifier.copy_from_slice(&bytes[SELECTOR..]);
        Ok(Self { selector, verifier })
    }

    /// Returns the secret as text, for the cookie and for nothing else. Set the cookie `HttpOnly`, `Secure` and `SameSite=Lax`.
    pub fn expose(&self) -> String {
        let mut bytes = [0; SELECTOR + VERIFIER];
        bytes[..SELECTOR].copy_from_slice(&self.selector);
        bytes[SELECTOR..].copy_from_slice(&self.verifier);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Returns the name under which the session is kept, listed and logged.
    pub fn handle(&self) -> SessionHandle {
        SessionHandle(hex(&digest(b"selector", &[&self.selector])[..SELECTOR]))
    }

    /// Returns the digest that proves the id. It is bound to the selector, so that of one session says nothing of another.
    pub fn proof(&self) -> Proof {
        Proof(digest(b"verifier", &[&self.selector, &self.verifier]))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(***)")
    }
}

/// The name of a session: a digest from which its id cannot be found. It may be logged, shown and stored, and
/// [revokes](crate::Sessions::revoke_handle).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionHandle(String);

impl SessionHandle {
    /// Reads a handle.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for anything else than 32 digits of `0-9a-f`. What was given is not quoted: it may be an id.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 2 * SELECTOR && text.bytes().all(is_digit) {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::new(ErrorKind::InvalidArgument, "read", "a session handle")
            .with_detail("it has 32 digits of 0-9 and a-f"))
    }

    /// Returns it as text: 32 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The digest of a verifier, which is all that a store knows of it.
///
/// Comparing takes the same time wherever two differ.
#[derive(Clone, Copy)]
pub struct Proof([u8; VERIFIER]);

impl Proof {
    /// Returns the digest.
    pub fn as_bytes(&self) -> &[u8; VERIFIER] {
        &self.0
    }
}

impl PartialEq for Proof {
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }
}

impl Eq for Proof {}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(***)")
    }
}

/// Returns the digest by which a user stands in a key.
#[cfg(feature = "redis")]
pub(crate) fn user_digest(user: &str) -> String {
    hex(&digest(b"user", &[user.as_bytes()])[..SELECTOR])
}

/// Draws what tells one save from all others.
pub(crate) fn nonce() -> Result<[u8; 16], Error> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(no_random)?;
    Ok(nonce)
}

fn no_random(cause: getrandom::Error) -> Error {
    Error::new(ErrorKind::Random, "draw", "a session id").with_source(cause)
}

/// A digest for each purpose: none can be taken for another.
fn digest(purpose: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"mystocks session, ");
    hash.update(purpose);
    hash.update([0]);
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_64_characters_and_comes_back_whole() {
        let id = SessionId::random().unwrap();
        let text = id.expose();
        assert_eq!(text.len(), 64);
        let read = SessionId::parse(&text).unwrap();
        assert_eq!((read.selector, read.verifier), (id.selector, id.verifier));
        assert_eq!((read.handle(), read.proof()), (id.handle(), id.proof()));
        assert_eq!(id.handle().as_str().len(), 32);
        assert_eq!(format!("{id:?} {:?}", id.proof()), "SessionId(***) Proof(***)");
    }

    #[test]
    fn ids_are_never_drawn_twice_and_use_every_bit() {
        let ids: Vec<_> = (0..2_000).map(|_| SessionId::random().unwrap()).collect();
        let handles: std::collections::HashSet<_> = ids.iter().map(SessionId::handle).collect();
        assert_eq!(handles.len(), ids.len());
        for (bit, mask) in (0..384).map(|bit| (bit / 8, 1_u8 << (bit % 8))) {
            let byte = |id: &SessionId| {
                if bit < SELECTOR { id.selector[bit] } else { id.verifier[bit - SELECTOR] }
            };
            let ones = ids.iter().filter(|id| byte(id) & mask != 0).count();
            // Eleven standard deviations: a source that works never leaves this range.
            assert!((750..1_250).contains(&ones), "bit {bit}/{mask}: {ones} of 2000");
        }
    }

    #[test]
    fn without_a_random_source_there_is_no_id() {
        let error = SessionId::drawn(|_| Err(getrandom::Error::UNSUPPORTED)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Random);
        // Nor with one that fails half-way.
        let half = |bytes: &mut [u8]| {
            if bytes.len() == SELECTOR { Ok(()) } else { Err(getrandom::Error::UNEXPECTED) }
        };
        assert_eq!(SessionId::drawn(half).unwrap_err().kind(), ErrorKind::Random);
    }

    #[test]
    fn what_is_no_id_is_refused_and_not_quoted() {
        let whole = SessionId::random().unwrap().expose();
        let unlike = [
            String::new(),
            whole[..63].to_owned(),
            format!("{whole}A"),
            format!("{}=", &whole[..63]),
            format!("{}+", &whole[..63]),
            format!("{}\n", &whole[..63]),
            format!("{}é", &whole[..62]),
            format!(" {}", &whole[..63]),
            "é".repeat(32),
        ];
        for text in unlike {
            let error = SessionId::parse(&text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("64 characters"), "{shown}");
            assert!(text.is_empty() || !shown.contains(&text), "{shown}");
        }
        let error = SessionHandle::parse(&whole).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(&whole));
        assert!(SessionHandle::parse(&"A".repeat(32)).is_err());
    }

    #[test]
    fn a_proof_differs_wherever_the_verifier_does() {
        let id = SessionId::random().unwrap();
        for at in 0..VERIFIER {
            let mut near = id.clone();
            near.verifier[at] ^= 1;
            assert!(near.proof() != id.proof() && near.handle() == id.handle());
        }
        // The same verifier under another selector proves nothing.
        let mut moved = id.clone();
        moved.selector[0] ^= 1;
        assert!(moved.proof() != id.proof() && moved.handle() != id.handle());
        let (mut one, mut other) = ([0; 32], [0; 32]);
        for at in 0..32 {
            (one[at], other[at]) = (1, 0);
            assert!(Proof(one) != Proof(other), "differs at {at}");
            one[at] = 0;
        }
    }
}
