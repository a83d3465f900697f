//! Conditional requests (RFC 9110, section 13; RFC 9111, section 4.3.2).

use http::header::{
    CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED, TRAILER, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::etag;

/// What a request asks before it wants a body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    none_match: Vec<HeaderValue>,
    modified_since: Vec<HeaderValue>,
}

impl Conditions {
    /// Takes the conditions that a cache answers out of a request, so that who is asked next sends a whole response.
    pub(crate) fn take(headers: &mut HeaderMap) -> Self {
        let taken = Self::of(headers);
        headers.remove(IF_NONE_MATCH);
        headers.remove(IF_MODIFIED_SINCE);
        taken
    }

    /// Reads the conditions that a cache answers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let all = |name| headers.get_all(name).iter().cloned().collect();
        Self { none_match: all(IF_NONE_MATCH), modified_since: all(IF_MODIFIED_SINCE) }
    }

    /// Returns whether the client already has the response of `status` and `headers`.
    pub(crate) fn are_met_by(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        if status != StatusCode::OK {
            return false;
        }
        if !self.none_match.is_empty() {
            let tag = headers.get(ETAG).map(HeaderValue::as_bytes);
            return self.none_match.iter().map(HeaderValue::as_bytes).any(|list| {
                list.trim_ascii() == b"*" || tag.is_some_and(|tag| etag::any_weakly_equal(list, tag))
            });
        }
        // A date that stands there twice is no date (section 13.1.3).
        let [since] = self.modified_since.as_slice() else { return false };
        let date = |value: &HeaderValue| httpdate::parse_http_date(value.to_str().ok()?).ok();
        let modified = headers.get(LAST_MODIFIED).and_then(date);
        modified.zip(date(since)).is_some_and(|(modified, since)| modified <= since)
    }
}

/// Turns the headers of a response into those of the 304 in its place (RFC 9110, section 15.4.5).
///
/// `Date`, `ETag`, `Vary`, `Cache-Control`, `Expires` and `Content-Location` stay, as does whatever does not describe the body.
pub(crate) fn without_body(mut headers: HeaderMap) -> HeaderMap {
    for name in [
        CONTENT_ENCODING,
        CONTENT_LANGUAGE,
        CONTENT_LENGTH,
        CONTENT_RANGE,
        CONTENT_TYPE,
        TRAILER,
        TRANSFER_ENCODING,
    ] {
        headers.remove(name);
    }
    if headers.contains_key(ETAG) {
        headers.remove(LAST_MODIFIED);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;
    use http::header::{CACHE_CONTROL, CONTENT_LOCATION, DATE, EXPIRES, VARY};

    const OLD: &str = "Sat, 29 Oct 1994 19:43:31 GMT";
    const NEW: &str = "Sun, 30 Oct 1994 19:43:31 GMT";

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn met(asked: &[(HeaderName, &str)], held: &[(HeaderName, &str)]) -> bool {
        Conditions::of(&headers(asked)).are_met_by(StatusCode::OK, &headers(held))
    }

    #[test]
    fn if_none_match_is_a_list_or_a_star_and_comes_before_the_date() {
        let held = [(ETAG, "W/\"a\""), (LAST_MODIFIED, OLD)];
        assert!(met(&[(IF_NONE_MATCH, "\"b\", \"a\"")], &held));
        assert!(met(&[(IF_NONE_MATCH, "\"b\""), (IF_NONE_MATCH, "\"a\"")], &held));
        assert!(met(&[(IF_NONE_MATCH, "*")], &held));
        assert!(met(&[(IF_NONE_MATCH, "*")], &[]));
        assert!(!met(&[(IF_NONE_MATCH, "\"b\"")], &held));
        assert!(!met(&[(IF_NONE_MATCH, "\"a\"")], &[]));
        assert!(!met(&[(IF_NONE_MATCH, "\"b\""), (IF_MODIFIED_SINCE, NEW)], &held), "the date is not asked");
    }

    #[test]
    fn if_modified_since_compares_dates() {
        assert!(met(&[(IF_MODIFIED_SINCE, OLD)], &[(LAST_MODIFIED, OLD)]));
        assert!(met(&[(IF_MODIFIED_SINCE, NEW)], &[(LAST_MODIFIED, OLD)]));
        assert!(met(&[(IF_MODIFIED_SINCE, "Saturday, 29-Oct-94 19:43:31 GMT")], &[(LAST_MODIFIED, OLD)]));
        assert!(!met(&[(IF_MODIFIED_SINCE, OLD)], &[(LAST_MODIFIED, NEW)]));
        assert!(!met(&[(IF_MODIFIED_SINCE, NEW)], &[(ETAG, "\"a\"")]));
        assert!(!met(&[(IF_MODIFIED_SINCE, "yesterday")], &[(LAST_MODIFIED, OLD)]));
        assert!(!met(&[(IF_MODIFIED_SINCE, NEW), (IF_MODIFIED_SINCE, NEW)], &[(LAST_MODIFIED, OLD)]));
        assert!(!met(&[], &[(ETAG, "\"a\""), (LAST_MODIFIED, OLD)]));
    }

    #[test]
    fn only_a_200_can_be_not_modified() {
        let asked = Conditions::of(&headers(&[(IF_NONE_MATCH, "*")]));
        for status in [StatusCode::NOT_FOUND, StatusCode::NO_CONTENT, StatusCode::INTERNAL_SERVER_ERROR] {
            assert!(!asked.are_met_by(status, &HeaderMap::new()), "{status}");
        }
    }

    #[test]
    fn what_was_taken_is_gone() {
        let mut asked = headers(&[(IF_NONE_MATCH, "\"a\""), (IF_MODIFIED_SINCE, OLD), (VARY, "x")]);
        let taken = Conditions::take(&mut asked);
        assert_eq!(asked, headers(&[(VARY, "x")]));
        assert!(taken.are_met_by(StatusCode::OK, &headers(&[(ETAG, "\"a\"")])));
    }

    #[test]
    fn a_304_keeps_what_the_rfc_demands() {
        let kept = [
            (CACHE_CONTROL, "max-age=5"),
            (CONTENT_LOCATION, "/a"),
            (DATE, NEW),
            (ETAG, "\"a\""),
            (EXPIRES, NEW),
            (VARY, "accept"),
        ];
        let mut held = headers(&kept);
        held.extend(headers(&[
            (CONTENT_LENGTH, "5"),
            (CONTENT_TYPE, "text/plain"),
            (CONTENT_ENCODING, "gzip"),
            (LAST_MODIFIED, OLD),
        ]));
        assert_eq!(without_body(held), headers(&kept));
        let dated = headers(&[(LAST_MODIFIED, OLD)]);
        assert_eq!(without_body(dated.clone()), dated, "without a tag the date is all a client has");
    }
}
