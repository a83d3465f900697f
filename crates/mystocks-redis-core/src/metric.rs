//! The metrics of this crate; labels never hold keys or secrets.

use std::time::Duration;

use crate::ErrorKind;

/// Calls that ended in an error, by `kind` (counter).
pub const FAILURES: &str = "mystocks_redis_failures_total";
/// Commands sent again after their connection failed (counter).
pub const RETRIES: &str = "mystocks_redis_retries_total";
/// Connections made, by `lane`: `small`, `bulk` or `subscription` (counter).
pub const CONNECTS: &str = "mystocks_redis_connects_total";
/// Connections lost or given up, by `lane` and `reason`: `closed` or `silent` (counter).
pub const LOSSES: &str = "mystocks_redis_connection_losses_total";
/// 1 while the last health check succeeded, else 0 (gauge).
pub const UP: &str = "mystocks_redis_up";
/// Round trip of the health checks (histogram, seconds).
pub const HEALTH_CHECK_SECONDS: &str = "mystocks_redis_health_check_seconds";
/// Dedicated connections in use at the last health check (gauge).
pub const DEDICATED_IN_USE: &str = "mystocks_redis_dedicated_in_use";
/// Scripts that the server had forgotten and that were sent again in full (counter).
pub const SCRIPT_RELOADS: &str = "mystocks_redis_script_reloads_total";
/// Gaps told to a receiver that did not keep up, by `receiver`: `subscription` or `tracking` (counter).
pub const LAGS: &str = "mystocks_redis_receiver_lags_total";

pub(crate) fn failure(kind: ErrorKind) {
    let kind = match kind {
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::Timeout => "timeout",
        ErrorKind::Auth => "auth",
        ErrorKind::Server => "server",
        ErrorKind::Reply => "reply",
        ErrorKind::Config => "config",
        ErrorKind::Exhausted => "exhausted",
        ErrorKind::Closed => "closed",
    };
    metrics::counter!(FAILURES, "kind" => kind).increment(1);
}

pub(crate) fn retry() {
    metrics::counter!(RETRIES).increment(1);
}

pub(crate) fn connect(lane: &'static str) {
    metrics::counter!(CONNECTS, "lane" => lane).increment(1);
}

pub(crate) fn loss(lane: &'static str, reason: &'static str) {
    metrics::counter!(LOSSES, "lane" => lane, "reason" => reason).increment(1);
}

pub(crate) fn health(round_trip: Option<Duration>) {
    metrics::gauge!(UP).set(if round_trip.is_some() { 1.0 } else { 0.0 });
    if let Some(taken) = round_trip {
        metrics::histogram!(HEALTH_CHECK_SECONDS).record(taken.as_secs_f64());
    }
}

pub(crate) fn dedicated_in_use(count: usize) {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    metrics::gauge!(DEDICATED_IN_USE).set(f64::from(count));
}

pub(crate) fn script_reload() {
    metrics::counter!(SCRIPT_RELOADS).increment(1);
}

pub(crate) fn lag(receiver: &'static str) {
    metrics::counter!(LAGS, "receiver" => receiver).increment(1);
}
