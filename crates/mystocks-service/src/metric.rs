//! Every metric of the HTTP interface; docs/observability.md explains them.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

/// Answers; labels `route` (the pattern of the path, or `none`), `method` and `status`.
const REQUESTS: &str = "mystocks_http_requests_total";
/// How long an answer took; label `route`.
const REQUEST_SECONDS: &str = "mystocks_http_request_seconds";
/// Requests that are being answered.
const IN_FLIGHT: &str = "mystocks_http_in_flight";
/// Connections of clients.
const CONNECTIONS: &str = "mystocks_http_connections";
/// Requests that were turned away; label `reason`: `busy`, `rate`, `unknown_token`, `right`, `host` or `timeout`.
const TURNED_AWAY: &str = "mystocks_http_turned_away_total";
/// Requests that were counted in this process alone, because Redis could not be asked.
const LOCAL_RATES: &str = "mystocks_http_local_rates_total";
/// Requests whose handler panicked.
const PANICS: &str = "mystocks_http_panics_total";

pub(crate) fn answered(route: &str, method: &'static str, status: u16, took: Duration) {
    counter!(REQUESTS, "route" => route.to_owned(), "method" => method, "status" => status.to_string())
        .increment(1);
    histogram!(REQUEST_SECONDS, "route" => route.to_owned()).record(took.as_secs_f64());
}

pub(crate) fn turned_away(reason: &'static str) {
    counter!(TURNED_AWAY, "reason" => reason).increment(1);
}

pub(crate) fn local_rate() {
    counter!(LOCAL_RATES).increment(1);
}

pub(crate) fn panicked() {
    counter!(PANICS).increment(1);
}

/// One more of something, until it is dropped.
#[derive(Debug)]
pub(crate) struct OneMore(&'static str);

impl OneMore {
    pub(crate) fn request() -> Self {
        Self::of(IN_FLIGHT)
    }

    pub(crate) fn connection() -> Self {
        Self::of(CONNECTIONS)
    }

    fn of(name: &'static str) -> Self {
        gauge!(name).increment(1.0);
        Self(name)
    }
}

impl Drop for OneMore {
    fn drop(&mut self) {
        gauge!(self.0).decrement(1.0);
    }
}
