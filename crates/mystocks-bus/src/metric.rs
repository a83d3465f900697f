//! The names of the metrics this crate records; docs/observability.md explains them.

use std::time::Duration;

use metrics::{Counter, Gauge, counter, gauge, histogram};

use crate::gap::Gap;

/// Events that were to be published; labels `type` and `outcome`: `published`, `unheard` (nobody listened) or `failed`.
pub(crate) const PUBLISHED: &str = "mystocks_bus_published_total";
/// How long publishing took, in seconds; label `type`.
pub(crate) const PUBLISH_SECONDS: &str = "mystocks_bus_publish_seconds";
/// Messages that subscribers took; labels `type` and `outcome`: `delivered`, `skipped` (another type, or a version to come) or `undecodable`.
pub(crate) const RECEIVED: &str = "mystocks_bus_received_total";
/// How long messages waited for their subscriber, in seconds; label `type`.
pub(crate) const QUEUE_SECONDS: &str = "mystocks_bus_queue_seconds";
/// Gaps that subscribers were told of; labels `type` and `reason`: `disconnected` or `overflow`.
pub(crate) const GAPS: &str = "mystocks_bus_gaps_total";
/// Messages that were given up because a subscriber had no room; label `type`.
pub(crate) const DROPPED: &str = "mystocks_bus_dropped_total";
/// How long handlers took, in seconds; labels `type` and `outcome`: `done` or `panicked`.
pub(crate) const HANDLER_SECONDS: &str = "mystocks_bus_handler_seconds";
/// How often settings were read anew; label `outcome`: `changed`, `unchanged` or `failed`.
pub(crate) const CONFIG_RELOADS: &str = "mystocks_bus_config_reloads_total";

pub(crate) fn config_reload(outcome: &'static str) {
    counter!(CONFIG_RELOADS, "outcome" => outcome).increment(1);
}

/// Events that were to be appended to durable topics; labels `type` and `outcome`: `appended`, `full` or `failed`.
pub(crate) const APPENDED: &str = "mystocks_bus_appended_total";
/// Events of durable topics that a worker has settled; labels `type` and `outcome`: `done`, `again`, `dead`, `skipped`, `lost` or `trimmed`.
pub(crate) const SETTLED: &str = "mystocks_bus_settled_total";

pub(crate) fn appended(kind: &'static str, outcome: &'static str, count: usize) {
    counter!(APPENDED, "type" => kind, "outcome" => outcome).increment(count as u64);
}

pub(crate) fn settled(kind: &'static str, outcome: &'static str) {
    counter!(SETTLED, "type" => kind, "outcome" => outcome).increment(1);
}

pub(crate) fn trimmed(kind: &'static str, count: u64) {
    counter!(SETTLED, "type" => kind, "outcome" => "trimmed").increment(count);
}

/// Clients of hubs.
pub(crate) const HUB_CLIENTS: &str = "mystocks_bus_hub_clients";
/// Messages for clients of hubs; label `outcome`: `delivered`, `dropped` or `conflated`.
pub(crate) const HUB_MESSAGES: &str = "mystocks_bus_hub_messages_total";
/// Gaps that clients of hubs were told of; label `reason`: `disconnected` or `overflow`.
pub(crate) const HUB_GAPS: &str = "mystocks_bus_hub_gaps_total";

/// The metrics of a hub, found once: it counts each message for each client.
pub(crate) struct HubMeters {
    pub(crate) clients: Gauge,
    pub(crate) delivered: Counter,
    pub(crate) dropped: Counter,
    pub(crate) conflated: Counter,
    disconnected: Counter,
    overflow: Counter,
}

impl HubMeters {
    pub(crate) fn new() -> Self {
        Self {
            clients: gauge!(HUB_CLIENTS),
            delivered: counter!(HUB_MESSAGES, "outcome" => "delivered"),
            dropped: counter!(HUB_MESSAGES, "outcome" => "dropped"),
            conflated: counter!(HUB_MESSAGES, "outcome" => "conflated"),
            disconnected: counter!(HUB_GAPS, "reason" => "disconnected"),
            overflow: counter!(HUB_GAPS, "reason" => "overflow"),
        }
    }

    pub(crate) fn gap(&self, gap: &Gap) {
        if gap.disconnected { &self.disconnected } else { &self.overflow }.increment(1);
    }
}

pub(crate) fn published(kind: &'static str, outcome: &'static str, took: Duration) {
    counter!(PUBLISHED, "type" => kind, "outcome" => outcome).increment(1);
    histogram!(PUBLISH_SECONDS, "type" => kind).record(took.as_secs_f64());
}

pub(crate) fn received(kind: &'static str, outcome: &'static str, waited: Duration) {
    counter!(RECEIVED, "type" => kind, "outcome" => outcome).increment(1);
    histogram!(QUEUE_SECONDS, "type" => kind).record(waited.as_secs_f64());
}

pub(crate) fn gap(kind: &'static str, gap: &Gap) {
    let reason = if gap.disconnected { "disconnected" } else { "overflow" };
    counter!(GAPS, "type" => kind, "reason" => reason).increment(1);
    counter!(DROPPED, "type" => kind).increment(gap.dropped);
}

pub(crate) fn handled(kind: &'static str, outcome: &'static str, took: Duration) {
    histogram!(HANDLER_SECONDS, "type" => kind, "outcome" => outcome).record(took.as_secs_f64());
}
