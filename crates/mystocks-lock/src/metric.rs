//! The names of the metrics this crate records; docs/observability.md explains them.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use crate::hold::LossReason;

/// Attempts to hold something; labels `class` and `outcome`: `granted`, `granted_after_wait`, `busy` or `failed`.
pub(crate) const ATTEMPTS: &str = "mystocks_lock_attempts_total";
/// How long was waited for what was granted in the end, in seconds; label `class`.
pub(crate) const WAIT_SECONDS: &str = "mystocks_lock_wait_seconds";
/// How long a guard held something until it was released, lost or handed over, in seconds; label `class`.
pub(crate) const HOLD_SECONDS: &str = "mystocks_lock_hold_seconds";
/// What is held by guards of this process now; label `class`.
pub(crate) const HELD: &str = "mystocks_lock_held";
/// Who waits in this process now; label `class`.
pub(crate) const WAITING: &str = "mystocks_lock_waiting";
/// What was lost while it was held; labels `class` and `reason`.
pub(crate) const LOST: &str = "mystocks_lock_lost_total";
/// Releases, by guards and by token; labels `class` and `outcome`: `released`, `already_expired`, `taken_over` or `failed`.
pub(crate) const RELEASES: &str = "mystocks_lock_releases_total";
/// How much later than planned a renewal was confirmed, in seconds.
pub(crate) const RENEWAL_LAG_SECONDS: &str = "mystocks_lock_renewal_lag_seconds";
/// Renewals that brought no answer.
pub(crate) const RENEWAL_ERRORS: &str = "mystocks_lock_renewal_errors_total";
/// Locks released by force.
pub(crate) const FORCED: &str = "mystocks_lock_forced_releases_total";
/// Whether this process is told what is handed to it: 1 or 0.
pub(crate) const LINK_UP: &str = "mystocks_lock_link_up";

pub(crate) fn attempt(class: &'static str, outcome: &'static str) {
    counter!(ATTEMPTS, "class" => class, "outcome" => outcome).increment(1);
}

pub(crate) fn waited(class: &'static str, time: Duration) {
    histogram!(WAIT_SECONDS, "class" => class).record(time.as_secs_f64());
}

pub(crate) fn held(class: &'static str, by: f64) {
    gauge!(HELD, "class" => class).increment(by);
}

pub(crate) fn waiting(class: &'static str, by: f64) {
    gauge!(WAITING, "class" => class).increment(by);
}

pub(crate) fn ended(class: &'static str, held_for: Duration) {
    held(class, -1.0);
    histogram!(HOLD_SECONDS, "class" => class).record(held_for.as_secs_f64());
}

pub(crate) fn lost(class: &'static str, reason: LossReason) {
    counter!(LOST, "class" => class, "reason" => reason.name()).increment(1);
}

pub(crate) fn release(class: &'static str, outcome: &'static str) {
    counter!(RELEASES, "class" => class, "outcome" => outcome).increment(1);
}
