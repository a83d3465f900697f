//! How long a response is fresh, and how old it is when it comes (RFC 9111, section 4.2).

use std::time::{Duration, SystemTime};

use http::header::{AGE, DATE, EXPIRES};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::cache_control::{self, CacheControl};

/// The freshness of a response at the moment it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Freshness {
    /// How old it may become.
    pub(crate) lifetime: Duration,
    /// How old it was already.
    pub(crate) age: Duration,
    /// Whether the response said nothing of it and the lifetime is the layer's default.
    pub(crate) is_default: bool,
}

impl Freshness {
    /// Returns the freshness of a response that came at `received`, `delay` after it was asked for; `None` if it has none
    /// left.
    pub(crate) fn of(
        control: &CacheControl,
        headers: &HeaderMap,
        default: Option<Duration>,
        received: SystemTime,
        delay: Duration,
    ) -> Option<Self> {
        let said = control.s_maxage.or(control.max_age).or_else(|| expires(headers, received));
        let default = default.filter(|_| !control.is_present);
        let lifetime = said.or(default)?;
        let age = age(headers, received, delay);
        (lifetime > age).then_some(Self { lifetime, age, is_default: said.is_none() })
    }
}

/// Returns what `Expires` leaves a response; a date that is none, or two of them, leave nothing.
fn expires(headers: &HeaderMap, received: SystemTime) -> Option<Duration> {
    headers.get(EXPIRES)?;
    let from = date(headers, &DATE).unwrap_or(received);
    let until = date(headers, &EXPIRES).filter(|_| headers.get_all(EXPIRES).iter().count() == 1);
    Some(until.and_then(|until| until.duration_since(from).ok()).unwrap_or_default())
}

/// Returns the corrected initial age (section 4.2.3).
fn age(headers: &HeaderMap, received: SystemTime, delay: Duration) -> Duration {
    let said = headers.get(AGE).and_then(|age| cache_control::seconds(age.as_bytes()));
    let corrected = said.map_or(Duration::ZERO, |said| said + delay);
    let dated = date(headers, &DATE).and_then(|date| received.duration_since(date).ok()).unwrap_or_default();
    // Dates have whole seconds: less than one is no age.
    let apparent = if dated < delay + Duration::from_secs(1) { Duration::ZERO } else { dated };
    corrected.max(apparent)
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    let value: &HeaderValue = headers.get(name)?;
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::CACHE_CONTROL;

    const NOW: u64 = 1_700_000_000;

    fn at(seconds: u64) -> String {
        httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    /// Lifetime and age in seconds.
    fn judge(pairs: &[(HeaderName, &str)], default: Option<u64>) -> Option<(u64, u64)> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let received = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
        let default = default.map(Duration::from_secs);
        let control = CacheControl::of(&headers);
        let fresh = Freshness::of(&control, &headers, default, received, Duration::from_secs(2))?;
        assert_eq!(fresh.is_default, default == Some(fresh.lifetime));
        Some((fresh.lifetime.as_secs(), fresh.age.as_secs()))
    }

    #[test]
    fn what_says_it_most_narrowly_counts() {
        let expires = at(NOW + 30);
        let (shared, own, date) =
            ((CACHE_CONTROL, "s-maxage=10, max-age=20"), (CACHE_CONTROL, "max-age=20"), (EXPIRES, &*expires));
        assert_eq!(judge(&[shared, date.clone()], Some(40)), Some((10, 0)));
        assert_eq!(judge(&[own, date.clone()], Some(40)), Some((20, 0)));
        assert_eq!(judge(std::slice::from_ref(&date), Some(40)), Some((30, 0)));
        assert_eq!(judge(&[], Some(40)), Some((40, 0)));
        assert_eq!(judge(&[], None), None);
        assert_eq!(judge(&[(CACHE_CONTROL, "public")], Some(40)), None, "the default is for those without");
        assert_eq!(judge(&[(CACHE_CONTROL, "s-maxage=0, max-age=20")], Some(40)), None);
    }

    #[test]
    fn expires_is_measured_from_the_date_of_the_response() {
        assert_eq!(judge(&[(DATE, &at(NOW - 1)), (EXPIRES, &at(NOW + 9))], None), Some((10, 0)));
        for wrong in ["0", "-1", "soon", &at(NOW - 9), &at(NOW)] {
            assert_eq!(judge(&[(EXPIRES, wrong)], Some(40)), None, "{wrong}");
        }
        assert_eq!(judge(&[(EXPIRES, &at(NOW + 9)), (EXPIRES, &at(NOW + 9))], Some(40)), None);
    }

    #[test]
    fn the_age_counts_what_came_before_and_on_the_way() {
        let long = (CACHE_CONTROL, "max-age=100");
        assert_eq!(judge(&[long.clone(), (AGE, "30")], None), Some((100, 32)), "2 s on the way");
        assert_eq!(judge(&[long.clone(), (DATE, &at(NOW - 50)), (AGE, "30")], None), Some((100, 50)));
        assert_eq!(judge(&[long.clone(), (DATE, &at(NOW + 50))], None), Some((100, 0)));
        assert_eq!(judge(&[long.clone(), (AGE, "old")], None), Some((100, 0)));
        assert_eq!(judge(&[long.clone(), (AGE, "99")], None), None);
        assert_eq!(judge(&[long, (DATE, "now")], None), Some((100, 0)));
    }
}
