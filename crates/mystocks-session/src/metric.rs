//! The names of the metrics this crate records; docs/observability.md explains them.

use metrics::{counter, histogram};
use tokio::time::Instant;

/// Calls; labels `operation` and `outcome`: `ok`, `absent`, `conflict` or `failed`.
pub(crate) const OPERATIONS: &str = "mystocks_session_operations_total";
/// How long a call took, in seconds; label `operation`.
pub(crate) const SECONDS: &str = "mystocks_session_operation_seconds";
/// Ids that were shown after they had been replaced; label `action`: `refused` or `revoked`.
pub(crate) const REPLAYED: &str = "mystocks_session_replayed_total";
/// Sessions that were revoked; label `why`: `caller`, `user`, `login`, `limit` or `replayed`.
pub(crate) const REVOKED: &str = "mystocks_session_revoked_total";

pub(crate) fn done(operation: &'static str, outcome: &'static str, since: Instant) {
    counter!(OPERATIONS, "operation" => operation, "outcome" => outcome).increment(1);
    histogram!(SECONDS, "operation" => operation).record(since.elapsed().as_secs_f64());
}

pub(crate) fn replayed(is_revoked: bool) {
    let action = if is_revoked { "revoked" } else { "refused" };
    counter!(REPLAYED, "action" => action).increment(1);
    if is_revoked {
        revoked("replayed", 1);
    }
}

pub(crate) fn revoked(why: &'static str, sessions: u64) {
    counter!(REVOKED, "why" => why).increment(sessions);
}
