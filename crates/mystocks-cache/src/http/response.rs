//! A response as it is stored.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{AGE, CACHE_CONTROL, CONNECTION, DATE, ETAG, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::freshness::Freshness;
use super::{cache_control, etag, list};

/// A stored response: status, headers, body, and how long it is fresh.
///
/// The headers are those of the response without the ones that concern its connection, with `Date` and, on a successful one,
/// `ETag`: the service's own, or a strong one made of the body's digest. `Debug` shows neither headers nor body.
#[derive(Clone, PartialEq, Eq)]
pub struct CachedResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    lifetime: Duration,
    initial_age: Duration,
}

impl CachedResponse {
    /// Makes what is stored of a response that came at `received`.
    pub(crate) fn new(
        status: StatusCode,
        mut headers: HeaderMap,
        body: Bytes,
        fresh: Freshness,
        is_private: bool,
        received: SystemTime,
    ) -> Self {
        remove_hop_by_hop(&mut headers);
        headers.remove(AGE);
        // Who stores a response without a date says when it came (RFC 9110, section 6.6.1).
        if !headers.contains_key(DATE)
            && let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(received))
        {
            headers.insert(DATE, date);
        }
        if status.is_success()
            && !headers.contains_key(ETAG)
            && let Some(tag) = etag::of_body(&body)
        {
            headers.insert(ETAG, tag);
        }
        if fresh.is_default
            && let Some(control) = cache_control::write(fresh.lifetime, is_private)
        {
            headers.insert(CACHE_CONTROL, control);
        }
        Self { status, headers, body, lifetime: fresh.lifetime, initial_age: fresh.age }
    }

    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns the entity tag, quotes included.
    pub fn etag(&self) -> Option<&str> {
        self.headers.get(ETAG)?.to_str().ok()
    }

    /// Returns how old the response may become before it is stale.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Returns how old the response was when it was stored.
    pub fn initial_age(&self) -> Duration {
        self.initial_age
    }
}

/// Removes what concerns only the connection the response came by (RFC 9110, section 7.6.1; RFC 9111, section 3.1).
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> =
        list::members(headers, &CONNECTION).filter_map(|name| HeaderName::from_bytes(name).ok()).collect();
    for name in named {
        headers.remove(name);
    }
    for name in [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authentication-info"] {
        headers.remove(name);
    }
}

/// The form in the store.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    status: u16,
    #[serde(borrow)]
    headers: Vec<(Cow<'a, str>, serde_bytes::ByteBuf)>,
    body: serde_bytes::ByteBuf,
    lifetime_ms: u64,
    initial_age_ms: u64,
}

#[derive(Serialize)]
struct WireRef<'a> {
    status: u16,
    headers: Vec<(&'a str, &'a serde_bytes::Bytes)>,
    body: &'a serde_bytes::Bytes,
    lifetime_ms: u64,
    initial_age_ms: u64,
}

impl Serialize for CachedResponse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let headers = self.headers.iter();
        let wire = WireRef {
            status: self.status.as_u16(),
            headers: headers
                .map(|(name, value)| (name.as_str(), serde_bytes::Bytes::new(value.as_bytes())))
                .collect(),
            body: serde_bytes::Bytes::new(&self.body),
            lifetime_ms: millis(self.lifetime),
            initial_age_ms: millis(self.initial_age),
        };
        wire.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for CachedResponse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        let mut headers = HeaderMap::new();
        for (name, value) in wire.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(D::Error::custom)?;
            let value =
                HeaderValue::from_maybe_shared(Bytes::from(value.into_vec())).map_err(D::Error::custom)?;
            headers.try_append(name, value).map_err(D::Error::custom)?;
        }
        Ok(Self {
            status: StatusCode::from_u16(wire.status).map_err(D::Error::custom)?,
            headers,
            body: wire.body.into_vec().into(),
            lifetime: Duration::from_millis(wire.lifetime_ms),
            initial_age: Duration::from_millis(wire.initial_age_ms),
        })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for CachedResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedResponse")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fresh(is_default: bool) -> Freshness {
        Freshness { lifetime: Duration::from_millis(60_500), age: Duration::from_secs(2), is_default }
    }

    fn stored(pairs: &[(&'static str, &'static str)], status: u16, is_default: bool) -> CachedResponse {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let received = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let status = StatusCode::from_u16(status).unwrap();
        CachedResponse::new(status, headers, Bytes::from_static(b"hello"), fresh(is_default), true, received)
    }

    #[test]
    fn what_concerns_the_connection_is_not_stored() {
        let pairs = [
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("keep-alive", "1"),
            ("transfer-encoding", "chunked"),
            ("age", "2"),
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("etag", "W/\"own\""),
            ("x-end", "1"),
        ];
        let stored = stored(&pairs, 200, false);
        let mut left: Vec<&str> = stored.headers().keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["date", "etag", "x-end"]);
        assert_eq!(stored.etag(), Some("W/\"own\""));
    }

    #[test]
    fn date_tag_and_control_are_added_where_they_lack() {
        let added = stored(&[], 200, true);
        assert_eq!(added.headers()["date"], "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(added.etag(), Some("\"2cf24dba5fb0a30e26e83b2ac5b9e29e\""));
        assert_eq!(added.headers()["cache-control"], "private, max-age=60");
        assert_eq!(stored(&[], 404, false).etag(), None);
        assert!(!stored(&[], 200, false).headers().contains_key("cache-control"));
    }

    #[test]
    fn it_comes_back_from_the_store_as_it_was() {
        let whole = stored(&[("x", "1"), ("x", "2")], 203, true);
        let bytes = rmp_serde::to_vec(&whole).unwrap();
        assert_eq!(rmp_serde::from_slice::<CachedResponse>(&bytes).unwrap(), whole);
        assert!(!format!("{whole:?}").contains("hello"));
    }

    #[test]
    fn what_is_no_response_is_refused() {
        let wire = |status, name: &'static str, value: &[u8]| {
            let headers = vec![(Cow::Borrowed(name), serde_bytes::ByteBuf::from(value))];
            let body = serde_bytes::ByteBuf::new();
            let bytes = rmp_serde::to_vec(&Wire { status, headers, body, lifetime_ms: 1, initial_age_ms: 0 })
                .unwrap();
            rmp_serde::from_slice::<CachedResponse>(&bytes).is_ok()
        };
        assert!(wire(200, "x", b"1"));
        assert!(!wire(99, "x", b"1"));
        assert!(!wire(200, "x y", b"1"));
        assert!(!wire(200, "x", b"1\r\nset-cookie: a=b"), "a header splits no response");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = rmp_serde::from_slice::<CachedResponse>(&bytes);
        }
    }
}
