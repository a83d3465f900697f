//! The names of the metrics this crate records; docs/observability.md explains them.

use metrics::{counter, gauge};

/// Events that a service had for its bus; label `outcome`: `published`, `failed` or `dropped`.
pub(crate) const EVENTS: &str = "mystocks_indicators_events_total";

pub(crate) fn events(outcome: &'static str, count: u64) {
    counter!(EVENTS, "outcome" => outcome).increment(count);
}

/// Answers of a service; label `way`: `result_l1`, `bars_l1`, `result_l2`, `bars_l2`, `source`, or `error`.
pub(crate) const READS: &str = "mystocks_indicators_reads_total";

pub(crate) fn reads(way: &'static str, count: u64) {
    counter!(READS, "way" => way).absolute(count);
}

/// Hot rows; label `outcome`: `put`, `written`, `duplicate`, `retried` or `dead`.
pub(crate) const FIXATION_ROWS: &str = "mystocks_indicators_fixation_rows_total";
/// Calls to the target of hot rows that failed.
pub(crate) const FIXATION_FAILURES: &str = "mystocks_indicators_fixation_failures_total";
/// Hot rows that no target has yet, as of the last look.
pub(crate) const FIXATION_HELD: &str = "mystocks_indicators_fixation_held";

pub(crate) fn fixation_rows(outcome: &'static str, count: u64) {
    counter!(FIXATION_ROWS, "outcome" => outcome).increment(count);
}

pub(crate) fn fixation_failure() {
    counter!(FIXATION_FAILURES).increment(1);
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and a count of rows is far from 2^53")]
pub(crate) fn fixation_held(rows: u64) {
    gauge!(FIXATION_HELD).set(rows as f64);
}
