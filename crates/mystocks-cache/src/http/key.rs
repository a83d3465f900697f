//! What stored responses are kept under.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};

use super::{etag, query};
use crate::key::CacheKey;

/// The longest path that stands in a key in full, in bytes; of a longer one only the digest does.
const LONGEST_PATH: usize = 200;

/// The key of a stored response: host, path, canonical query, the chosen request headers, and for whom it is.
///
/// Only responses to `GET` are stored, so the method is always that. Pairs of the query may come in any order and any
/// percent-encoding; values of one name keep their order. Responses to requests with `Authorization` never share a key with
/// those to requests without.
///
/// In the store it is `GET`, the path where it is short and plain (so that a pattern finds it), and a digest of 256 bits of
/// everything; `Debug` shows the same, so neither shows a header.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HttpKey(Arc<Asked>);

#[derive(PartialEq, Eq, Hash)]
struct Asked {
    host: Vec<u8>,
    path: String,
    query: Option<String>,
    audience: Audience,
    headers: Vec<(HeaderName, Vec<HeaderValue>)>,
}

/// For whom a response is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Audience {
    /// Whoever asks without `Authorization`.
    Everyone,
    /// Whoever asks with it; what is stored for them said that all of them may share it.
    Authorized,
    /// One user, as the service that holds the layer tells them apart.
    Principal(String),
}

impl Audience {
    /// Returns for whom the response to this request is; an empty principal is none.
    pub(crate) fn of(request: &Parts, principal: Option<String>) -> Self {
        match principal.filter(|principal| !principal.is_empty()) {
            Some(principal) => Self::Principal(principal),
            None if request.headers.contains_key(AUTHORIZATION) => Self::Authorized,
            None => Self::Everyone,
        }
    }
}

impl HttpKey {
    /// Makes the key of a request, where `vary_on` is sorted.
    pub(crate) fn new(request: &Parts, vary_on: &[HeaderName], audience: Audience) -> Self {
        let values = |name: &HeaderName| request.headers.get_all(name).iter().cloned().collect();
        Self(Arc::new(Asked {
            host: host(request),
            path: request.uri.path().to_owned(),
            query: request.uri.query().map(query::canonical),
            audience,
            headers: vary_on.iter().map(|name| (name.clone(), values(name))).collect(),
        }))
    }

    fn digest(&self) -> String {
        let Asked { host, path, query, audience, headers } = &*self.0;
        let mut fields = Fields(Sha256::new());
        fields.text(host);
        fields.text(path.as_bytes());
        fields.number(query.is_some().into());
        fields.text(query.as_deref().unwrap_or_default().as_bytes());
        match audience {
            Audience::Everyone => fields.number(0),
            Audience::Authorized => fields.number(1),
            Audience::Principal(principal) => {
                fields.number(2);
                fields.text(principal.as_bytes());
            }
        }
        for (name, values) in headers {
            fields.text(name.as_str().as_bytes());
            fields.number(values.len());
            values.iter().for_each(|value| fields.text(value.as_bytes()));
        }
        etag::hex(fields.0.finalize().iter())
    }
}

impl CacheKey for HttpKey {
    fn segments(&self) -> Vec<Cow<'_, str>> {
        let path = &self.0.path;
        let is_plain = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~' | b'%')
        };
        let shown = if path.len() <= LONGEST_PATH && !path.is_empty() && path.bytes().all(is_plain) {
            path
        } else {
            "_"
        };
        vec![Cow::Borrowed("GET"), Cow::Borrowed(shown), Cow::Owned(self.digest())]
    }
}

impl fmt::Debug for HttpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpKey({})", self.segments().join(" "))
    }
}

/// Returns whether a request names two hosts: which of them the service goes by is not known here.
pub(crate) fn has_two_hosts(request: &Parts) -> bool {
    let lines = request.headers.get_all(HOST).iter();
    let named = request.uri.authority().map(|authority| authority.as_str().as_bytes());
    let mut hosts = named.into_iter().chain(lines.map(HeaderValue::as_bytes));
    let first = hosts.next().unwrap_or_default();
    hosts.any(|host| !host.eq_ignore_ascii_case(first))
}

fn host(request: &Parts) -> Vec<u8> {
    let line = || request.headers.get(HOST).map(HeaderValue::as_bytes);
    let named = request.uri.authority().map(|authority| authority.as_str().as_bytes());
    named.or_else(line).unwrap_or_default().to_ascii_lowercase()
}

/// Fields with their lengths, so that no two lists of fields digest the same bytes.
struct Fields(Sha256);

impl Fields {
    fn number(&mut self, number: usize) {
        self.0.update((number as u64).to_be_bytes());
    }

    fn text(&mut self, text: &[u8]) {
        self.number(text.len());
        self.0.update(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;
    use http::header::{ACCEPT, ACCEPT_LANGUAGE};
    use mystocks_keys::Keyspace;
    use proptest::prelude::*;

    fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let request = headers
            .iter()
            .fold(Request::builder().uri(uri), |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    fn key(uri: &str, headers: &[(&str, &str)]) -> HttpKey {
        let parts = parts(uri, headers);
        let audience = Audience::of(&parts, None);
        HttpKey::new(&parts, &[ACCEPT, ACCEPT_LANGUAGE], audience)
    }

    #[test]
    fn each_part_of_a_request_makes_a_key_of_its_own() {
        let principal = |name: &str| {
            let parts = parts("/a", &[]);
            HttpKey::new(&parts, &[], Audience::of(&parts, Some(name.to_owned())))
        };
        let parts = parts("/a", &[("accept", "x")]);
        let keys = [
            key("/a", &[]),
            key("/b", &[]),
            key("/a?", &[]),
            key("/a?q", &[]),
            key("/a?q=", &[]),
            key("/a", &[("host", "a")]),
            key("/a", &[("host", "b")]),
            key("/a", &[("accept", "x")]),
            key("/a", &[("accept", "")]),
            key("/a", &[("accept", "x"), ("accept", "y")]),
            key("/a", &[("accept", "x, y")]),
            key("/a", &[("accept-language", "x")]),
            key("/a", &[("authorization", "x")]),
            HttpKey::new(&parts, &[], Audience::Everyone),
            HttpKey::new(&parts, &[ACCEPT], Audience::Everyone),
            principal("x"),
            principal("y"),
        ];
        for (at, one) in keys.iter().enumerate() {
            for other in &keys[at + 1..] {
                assert_ne!(one, other);
                assert_ne!(one.segments(), other.segments());
            }
        }
    }

    #[test]
    fn what_ends_one_part_begins_no_other() {
        let one = key("/b/c", &[("host", "a")]);
        let other = key("/c", &[("host", "a/b")]);
        assert_ne!(one.digest(), other.digest());
        let one = key("/", &[("accept", "x"), ("accept", "yz")]);
        let other = key("/", &[("accept", "xy"), ("accept", "z")]);
        assert_ne!(one.digest(), other.digest());
    }

    #[test]
    fn what_is_the_same_resource_has_one_key() {
        assert_eq!(key("/a?x=1&y=%41", &[]), key("/a?y=A&x=1", &[]));
        assert_eq!(key("http://H.example/a", &[]), key("/a", &[("host", "h.EXAMPLE")]));
        assert_eq!(key("/a", &[("authorization", "x")]), key("/a", &[("authorization", "y")]));
        assert_eq!(key("/a", &[("cookie", "x")]), key("/a", &[]));
        let parts = parts("/a", &[]);
        assert_eq!(Audience::of(&parts, Some(String::new())), Audience::Everyone, "no name is nobody's name");
    }

    #[test]
    fn two_hosts_are_noticed() {
        assert!(has_two_hosts(&parts("http://a/", &[("host", "b")])));
        assert!(has_two_hosts(&parts("/", &[("host", "a"), ("host", "b")])));
        assert!(!has_two_hosts(&parts("http://a/", &[("host", "A")])));
        assert!(!has_two_hosts(&parts("/", &[])));
    }

    #[test]
    fn a_key_shows_its_path_and_no_header_and_no_query() {
        let shown = format!("{:?}", key("/api/bars?token=secret", &[("accept", "secret")]));
        assert!(shown.starts_with("HttpKey(GET /api/bars ") && !shown.contains("secret"), "{shown}");
        assert_eq!(key("/a:b*[x]", &[]).segments()[1], "_");
        assert_eq!(key(&format!("/{}", "a".repeat(LONGEST_PATH)), &[]).segments()[1], "_");
    }

    proptest! {
        #[test]
        fn every_key_can_be_spelled_in_the_store(path in "/[!-;=-~]{0,300}", query in "[!-~]{0,600}") {
            let Ok(uri) = format!("{path}?{query}").parse::<http::Uri>() else { return Ok(()) };
            let mut parts = parts("/", &[]);
            parts.uri = uri;
            let key = HttpKey::new(&parts, &[], Audience::Everyone);
            let segments = key.segments();
            let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
            prop_assert!(Keyspace::default().own("responses", &segments, None).is_ok());
        }
    }
}
