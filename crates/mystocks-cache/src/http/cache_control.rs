//! `Cache-Control` of requests and responses (RFC 9111, section 5.2).

use std::time::Duration;

use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderValue};

use super::list;

/// The directives that a shared cache acts on; those of requests and of responses in one.
///
/// Whatever can be read in two ways is read in the stricter one: `private` and `no-cache` with a list of fields count as
/// those without, the smallest of several `max-age` counts, and an age that is no number is zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CacheControl {
    /// Whether there was any directive at all.
    pub(crate) is_present: bool,
    pub(crate) no_store: bool,
    pub(crate) no_cache: bool,
    pub(crate) private: bool,
    pub(crate) public: bool,
    pub(crate) must_revalidate: bool,
    pub(crate) proxy_revalidate: bool,
    pub(crate) only_if_cached: bool,
    pub(crate) max_age: Option<Duration>,
    pub(crate) s_maxage: Option<Duration>,
    pub(crate) min_fresh: Option<Duration>,
}

impl CacheControl {
    /// Reads all `Cache-Control` lines.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut read = Self::default();
        for member in list::members(headers, &CACHE_CONTROL) {
            read.is_present = true;
            let mut halves = member.splitn(2, |byte| *byte == b'=');
            let name = halves.next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
            let argument = halves.next().unwrap_or_default();
            match name.as_slice() {
                b"no-store" => read.no_store = true,
                b"no-cache" => read.no_cache = true,
                b"private" => read.private = true,
                b"public" => read.public = true,
                b"must-revalidate" => read.must_revalidate = true,
                b"proxy-revalidate" => read.proxy_revalidate = true,
                b"only-if-cached" => read.only_if_cached = true,
                b"max-age" => lower(&mut read.max_age, seconds(argument).unwrap_or_default()),
                b"s-maxage" => lower(&mut read.s_maxage, seconds(argument).unwrap_or_default()),
                b"min-fresh" => {
                    let wanted = seconds(argument).unwrap_or(LONGEST);
                    read.min_fresh = Some(read.min_fresh.map_or(wanted, |other| other.max(wanted)));
                }
                _ => {}
            }
        }
        read
    }

    /// Returns whether a response with these directives must not be served once it is stale, whatever the cache's policy.
    pub(crate) fn forbids_stale(&self) -> bool {
        self.must_revalidate || self.proxy_revalidate || self.s_maxage.is_some() || self.no_cache
    }
}

/// Writes what a response without a word on caching says once it is stored for `lifetime`.
pub(crate) fn write(lifetime: Duration, is_private: bool) -> Option<HeaderValue> {
    let scope = if is_private { "private, " } else { "" };
    HeaderValue::try_from(format!("{scope}max-age={}", lifetime.as_secs())).ok()
}

/// What an age beyond any sense is taken for (RFC 9111, section 1.2.2).
pub(crate) const LONGEST: Duration = Duration::from_secs(1 << 31);

/// Reads `delta-seconds`, bare or quoted.
pub(crate) fn seconds(text: &[u8]) -> Option<Duration> {
    let text = text.trim_ascii();
    let text = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = str::from_utf8(text).ok()?.parse().map_or(LONGEST, Duration::from_secs);
    Some(number.min(LONGEST))
}

fn lower(held: &mut Option<Duration>, other: Duration) {
    *held = Some(held.map_or(other, |held| held.min(other)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(lines: &[&str]) -> CacheControl {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CACHE_CONTROL, HeaderValue::from_str(line).unwrap());
        }
        CacheControl::of(&headers)
    }

    const fn secs(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn directives_are_read_in_any_case_and_over_lines() {
        let none = CacheControl::default();
        assert_eq!(read(&[]), none);
        let held = CacheControl { is_present: true, ..none };
        assert_eq!(read(&["community=\"UCI\""]), held, "what is unknown is ignored");
        assert_eq!(
            read(&["Private, community=\"UCI, no-store\"", "MAX-AGE=600"]),
            CacheControl { private: true, max_age: secs(600), ..held.clone() }
        );
        assert_eq!(
            read(&["public, s-maxage=10 , max-age=\"5\", must-revalidate, proxy-revalidate, no-store"]),
            CacheControl {
                public: true,
                s_maxage: secs(10),
                max_age: secs(5),
                must_revalidate: true,
                proxy_revalidate: true,
                no_store: true,
                ..held.clone()
            }
        );
        assert_eq!(
            read(&["no-cache, only-if-cached, min-fresh=3, min-fresh=7"]),
            CacheControl { no_cache: true, only_if_cached: true, min_fresh: secs(7), ..held }
        );
    }

    #[test]
    fn what_is_ambiguous_is_read_strictly() {
        assert!(read(&["private=\"x-a, x-b\""]).private);
        assert!(read(&["no-cache=\"set-cookie\""]).no_cache);
        assert_eq!(read(&["max-age=60, max-age=5"]).max_age, secs(5));
        for wrong in ["max-age=-1", "max-age=1.5", "max-age", "max-age=", "max-age=ten", "max-age=\"1"] {
            assert_eq!(read(&[wrong]).max_age, secs(0), "{wrong}");
        }
        assert_eq!(read(&["max-age=99999999999999999999999"]).max_age, Some(LONGEST));
        assert_eq!(read(&["min-fresh=x"]).min_fresh, Some(LONGEST));
    }

    #[test]
    fn what_is_written_says_whole_seconds_and_for_whom() {
        let text = |ms, is_private| write(Duration::from_millis(ms), is_private);
        assert_eq!(text(60_900, false), Some(HeaderValue::from_static("max-age=60")));
        assert_eq!(text(5_000, true), Some(HeaderValue::from_static("private, max-age=5")));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..4)) {
            let mut headers = HeaderMap::new();
            for line in &lines {
                if let Ok(value) = HeaderValue::from_bytes(line) {
                    headers.append(CACHE_CONTROL, value);
                }
            }
            let _ = CacheControl::of(&headers);
        }

        #[test]
        fn no_mix_of_directives_panics_or_hides_no_store(mut line in "([a-z=\", \\\\0-9-]{0,12},){0,6}") {
            // An open quote may swallow what follows, as the grammar has it; so the quotes are closed first.
            line.retain(|c| c != '"' && c != '\\');
            line.push_str("no-store");
            let read = read(&[&line]);
            prop_assert!(read.no_store);
        }
    }
}
