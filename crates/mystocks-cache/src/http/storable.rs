//! Whether the response to a request may be stored and shared (RFC 9111, sections 3 and 3.5).

use std::time::{Duration, SystemTime};

use http::header::{SET_COOKIE, VARY};
use http::{HeaderMap, HeaderName, StatusCode};

use super::cache_control::CacheControl;
use super::freshness::Freshness;
use super::key::Audience;
use super::list;

/// Why a response is passed on and not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its status is not one that may be cached without being told.
    Status,
    /// It says `no-store`, `no-cache` or `private`.
    Directive,
    /// It sets a cookie.
    Cookie,
    /// It varies on a request header that is no part of the key.
    Vary,
    /// The request was authorized, and the response does not say that others may have it.
    Authorized,
    /// Nothing says that it stays fresh.
    Stale,
}

/// What the layer was told of storing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Storing<'a> {
    pub(crate) vary_on: &'a [HeaderName],
    pub(crate) default_ttl: Option<Duration>,
}

impl Storing<'_> {
    /// Returns how fresh the response is if it may be stored for `audience`.
    pub(crate) fn judge(
        &self,
        audience: &Audience,
        status: StatusCode,
        headers: &HeaderMap,
        received: SystemTime,
        delay: Duration,
    ) -> Result<Freshness, Refusal> {
        let control = CacheControl::of(headers);
        if !is_cacheable_by_default(status) {
            return Err(Refusal::Status);
        }
        if control.no_store || control.no_cache || control.private {
            return Err(Refusal::Directive);
        }
        if headers.contains_key(SET_COOKIE) {
            return Err(Refusal::Cookie);
        }
        if *audience == Audience::Authorized && !allows_sharing(&control) {
            return Err(Refusal::Authorized);
        }
        if !list::members(headers, &VARY).all(|name| self.is_in_key(name)) {
            return Err(Refusal::Vary);
        }
        Freshness::of(&control, headers, self.default_ttl, received, delay).ok_or(Refusal::Stale)
    }

    fn is_in_key(&self, name: &[u8]) -> bool {
        self.vary_on.iter().any(|held| held.as_str().as_bytes().eq_ignore_ascii_case(name))
    }
}

/// Returns whether other callers are likely to meet the same refusal, so that they need not wait for each other.
///
/// An error may be one request's own fault, or gone in a moment.
pub(crate) fn is_lasting(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection()
}

/// The statuses of RFC 9110, section 15.1, without 206: ranges are not stored.
fn is_cacheable_by_default(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// Returns whether a response to an authorized request may be another's (section 3.5).
fn allows_sharing(control: &CacheControl) -> bool {
    control.public || control.s_maxage.is_some() || control.must_revalidate
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL};

    fn judge(audience: &Audience, status: u16, pairs: &[(HeaderName, &str)]) -> Result<Freshness, Refusal> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let storing = Storing { vary_on: &[ACCEPT, ACCEPT_ENCODING], default_ttl: None };
        let status = StatusCode::from_u16(status).unwrap();
        storing.judge(audience, status, &headers, SystemTime::now(), Duration::ZERO)
    }

    fn says(audience: &Audience, control: &str) -> Option<Refusal> {
        judge(audience, 200, &[(CACHE_CONTROL, control)]).err()
    }

    #[test]
    fn only_statuses_that_are_cacheable_by_default_are_stored() {
        let stored = (100..1000).filter(|status| {
            let fresh = judge(&Audience::Everyone, *status, &[(CACHE_CONTROL, "max-age=9")]);
            assert!(matches!(fresh, Ok(_) | Err(Refusal::Status)));
            fresh.is_ok()
        });
        assert_eq!(stored.collect::<Vec<_>>(), [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]);
    }

    #[test]
    fn what_is_not_for_all_is_not_stored_for_anybody() {
        let principal = Audience::Principal("ann".to_owned());
        for audience in [Audience::Everyone, Audience::Authorized, principal] {
            for said in ["no-store", "private", "no-cache", "private=\"x\""] {
                let said = format!("public, s-maxage=9, {said}");
                assert_eq!(says(&audience, &said), Some(Refusal::Directive), "{said}");
            }
            let cookie = [(CACHE_CONTROL, "public, max-age=9"), (SET_COOKIE, "a=b")];
            assert_eq!(judge(&audience, 200, &cookie), Err(Refusal::Cookie));
            assert_eq!(says(&audience, "public, max-age=9"), None);
            assert_eq!(says(&audience, "public"), Some(Refusal::Stale));
        }
    }

    #[test]
    fn an_authorized_response_must_say_that_others_may_have_it() {
        for (said, refused) in [
            ("max-age=9", Some(Refusal::Authorized)),
            ("max-age=9, proxy-revalidate", Some(Refusal::Authorized)),
            ("max-age=9, public", None),
            ("max-age=9, must-revalidate", None),
            ("s-maxage=9", None),
        ] {
            assert_eq!(says(&Audience::Authorized, said), refused, "{said}");
            assert_eq!(says(&Audience::Everyone, said), None, "{said}");
            assert_eq!(says(&Audience::Principal("ann".to_owned()), said), None, "{said}");
        }
    }

    #[test]
    fn all_that_a_response_varies_on_must_stand_in_the_key() {
        let vary = |lines: &[&str]| {
            let lines = lines.iter().map(|line| (VARY, *line));
            let pairs: Vec<_> = lines.chain([(CACHE_CONTROL, "max-age=9")]).collect();
            judge(&Audience::Everyone, 200, &pairs).err()
        };
        assert_eq!(vary(&["accept", "Accept-Encoding, ACCEPT"]), None);
        for other in [&["*"][..], &["accept, *"], &["accept", "cookie"], &["accept-language"], &["acc ept"]] {
            assert_eq!(vary(other), Some(Refusal::Vary), "{other:?}");
        }
    }
}
