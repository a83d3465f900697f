//! What a request wants of a cache.

use std::time::Duration;

use http::header::{
    CONTENT_LENGTH, IF_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, PRAGMA, RANGE, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, Method};

use super::cache_control::CacheControl;
use super::{key, list};

/// What is to be done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    /// It may be answered from the cache.
    Cached(Terms),
    /// It is none of the cache's, for this reason in the words of `Cache-Status`.
    Pass(&'static str),
    /// It is none of the cache's and neither is its method.
    Untouched,
    /// It may change what is stored.
    Unsafe,
}

/// Which stored responses a request takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) is_head: bool,
    pub(crate) only_if_cached: bool,
    /// Whether only a response made for this request will do.
    pub(crate) revalidates: bool,
    max_age: Option<Duration>,
    min_fresh: Duration,
}

impl Demand {
    pub(crate) fn of(request: &Parts, has_body: bool) -> Self {
        let headers = &request.headers;
        match request.method {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS | Method::TRACE => return Self::Untouched,
            _ => return Self::Unsafe,
        }
        let control = CacheControl::of(headers);
        if control.no_store {
            return Self::Pass("request");
        }
        // The RFC gives these to the origin; and a body, a second host or a change of protocol are in no key.
        let is_special = [RANGE, IF_RANGE, IF_MATCH, IF_UNMODIFIED_SINCE, UPGRADE, TRANSFER_ENCODING];
        let has_length = headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
        if has_body
            || has_length
            || is_special.iter().any(|name| headers.contains_key(name))
            || key::has_two_hosts(request)
        {
            return Self::Pass("bypass");
        }
        let is_old = control.is_present || !has_pragma_no_cache(headers);
        Self::Cached(Terms {
            is_head: request.method == Method::HEAD,
            only_if_cached: control.only_if_cached,
            revalidates: control.no_cache || control.max_age == Some(Duration::ZERO) || !is_old,
            max_age: control.max_age,
            min_fresh: control.min_fresh.unwrap_or_default(),
        })
    }
}

impl Terms {
    /// Returns whether a response of this age and lifetime will do; `may_be_stale` where the cache's policy served it stale.
    pub(crate) fn accept(&self, age: Duration, lifetime: Duration, may_be_stale: bool) -> bool {
        let is_young = self.max_age.is_none_or(|most| age <= most);
        let is_fresh = age.saturating_add(self.min_fresh) < lifetime;
        !self.revalidates && is_young && (is_fresh || (may_be_stale && self.min_fresh.is_zero()))
    }
}

fn has_pragma_no_cache(headers: &HeaderMap) -> bool {
    list::members(headers, &PRAGMA).any(|word| word.eq_ignore_ascii_case(b"no-cache"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn demand(method: &str, headers: &[(&str, &str)]) -> Demand {
        let request = Request::builder().method(method).uri("/a");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        Demand::of(&request.body(()).unwrap().into_parts().0, false)
    }

    fn terms(control: &str) -> Terms {
        match demand("GET", &[("cache-control", control)]) {
            Demand::Cached(terms) => terms,
            other => panic!("{other:?}"),
        }
    }

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn only_get_and_head_are_the_caches() {
        assert_eq!(demand("GET", &[]), Demand::Cached(Terms::default()));
        assert_eq!(demand("HEAD", &[]), Demand::Cached(Terms { is_head: true, ..Terms::default() }));
        for method in ["OPTIONS", "TRACE"] {
            assert_eq!(demand(method, &[]), Demand::Untouched);
        }
        for method in ["POST", "PUT", "DELETE", "PATCH", "PURGE", "get"] {
            assert_eq!(demand(method, &[]), Demand::Unsafe, "{method}");
        }
    }

    #[test]
    fn what_the_origin_must_see_is_passed_on() {
        assert_eq!(demand("GET", &[("cache-control", "no-store")]), Demand::Pass("request"));
        for name in ["range", "if-range", "if-match", "if-unmodified-since", "upgrade", "transfer-encoding"] {
            assert_eq!(demand("GET", &[(name, "x")]), Demand::Pass("bypass"), "{name}");
        }
        assert_eq!(demand("GET", &[("content-length", "1")]), Demand::Pass("bypass"));
        assert_eq!(demand("GET", &[("content-length", "0")]), Demand::Cached(Terms::default()));
        let request = Request::new(()).into_parts().0;
        assert_eq!(Demand::of(&request, true), Demand::Pass("bypass"));
        assert_eq!(demand("GET", &[("host", "a"), ("host", "b")]), Demand::Pass("bypass"));
    }

    #[test]
    fn revalidation_is_asked_for_in_three_ways() {
        assert!(terms("no-cache").revalidates);
        assert!(terms("max-age=0").revalidates);
        assert!(!terms("max-age=1").revalidates);
        let pragma = |headers| matches!(demand("GET", headers), Demand::Cached(terms) if terms.revalidates);
        assert!(pragma(&[("pragma", "No-Cache")]));
        assert!(!pragma(&[("pragma", "no-cache"), ("cache-control", "max-age=9")]));
        assert!(!terms("no-cache").accept(secs(0), secs(100), true));
    }

    #[test]
    fn age_and_freshness_are_held_to_what_was_asked() {
        let accepts = |control: &str, age| terms(control).accept(secs(age), secs(100), false);
        assert!(accepts("max-age=9", 9) && !accepts("max-age=9", 10));
        assert!(accepts("min-fresh=9", 90) && !accepts("min-fresh=9", 91));
        assert!(accepts("x", 99) && !accepts("x", 100));
        let stale = |control: &str, age| terms(control).accept(secs(age), secs(100), true);
        assert!(stale("x", 200) && !stale("max-age=150", 200) && !stale("min-fresh=1", 200));
    }
}
