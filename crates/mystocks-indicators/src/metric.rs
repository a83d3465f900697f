//! The names of the metrics this crate records; docs/observability.md explains them.

use metrics::counter;

/// Events that a service had for its bus; label `outcome`: `published`, `failed` or `dropped`.
pub(crate) const EVENTS: &str = "mystocks_indicators_events_total";

pub(crate) fn events(outcome: &'static str, count: u64) {
    counter!(EVENTS, "outcome" => outcome).increment(count);
}
