//! What stands around an event of our own: the attributes of CloudEvents 1.0.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use jiff::Timestamp;
use mystocks_keys::{Json, JsonError};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Event;
use crate::trace::TraceContext;

/// What is known of an event beside itself; the names are those of CloudEvents 1.0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Envelope {
    /// Tells this event from every other of its source.
    pub id: String,
    /// Who published it.
    pub source: String,
    /// [`Event::TYPE`].
    #[serde(rename = "type")]
    pub kind: String,
    /// When it was published, by the publisher's clock, as RFC 3339 in UTC.
    pub time: String,
    /// [`Event::key`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// [`Event::VERSION`]; a CloudEvents extension.
    #[serde(rename = "schemaversion", default = "first")]
    pub version: u32,
    /// The W3C trace context of the publisher ([`TraceContext`]); a CloudEvents extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl Envelope {
    /// Makes the envelope of an event that `source` publishes now, in the scope that this runs in.
    pub(crate) fn new<E: Event>(event: &E, source: &str) -> Self {
        Self {
            id: new_id(),
            source: source.to_owned(),
            kind: E::TYPE.to_owned(),
            time: Timestamp::try_from(SystemTime::now()).unwrap_or_default().to_string(),
            subject: event.key().map(std::borrow::Cow::into_owned),
            version: E::VERSION,
            traceparent: TraceContext::current().map(|context| context.to_string()),
        }
    }

    /// Returns when it was published; `None` when the text is no time.
    pub fn published_at(&self) -> Option<SystemTime> {
        self.time.parse::<Timestamp>().ok().map(SystemTime::from)
    }

    /// Writes the envelope with `event` in it.
    pub(crate) fn around<E: Event>(&self, event: &E) -> Result<String, JsonError> {
        let data = Json::from_serialize(event)?;
        let mut out = String::with_capacity(USUAL);
        out.push_str("{\"specversion\": \"1.0\"");
        let mut member = |name: &str, text: &str| {
            out.push_str(", \"");
            out.push_str(name);
            out.push_str("\": ");
            Json::append_text(&mut out, text);
        };
        member("id", &self.id);
        member("source", &self.source);
        member("type", &self.kind);
        member("time", &self.time);
        if let Some(subject) = &self.subject {
            member("subject", subject);
        }
        out.push_str(", \"schemaversion\": ");
        out.push_str(&self.version.to_string());
        if let Some(traceparent) = &self.traceparent {
            out.push_str(", \"traceparent\": ");
            Json::append_text(&mut out, traceparent);
        }
        out.push_str(", \"datacontenttype\": \"application/json\", \"data\": ");
        data.append_to(&mut out);
        out.push('}');
        Ok(out)
    }
}

/// What most events with their envelope need, in bytes.
const USUAL: usize = 512;

/// Makes an id that no other event has: a random half for this process, which asking the system for each would cost more than all the rest, and a count.
fn new_id() -> String {
    static PROCESS: LazyLock<(u64, u64)> = LazyLock::new(|| Uuid::new_v4().as_u64_pair());
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let (high, low) = *PROCESS;
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    uuid::Builder::from_u128(u128::from(high) << 64 | u128::from(low.wrapping_add(count)))
        .with_variant(uuid::Variant::RFC4122)
        .with_version(uuid::Version::Custom)
        .into_uuid()
        .to_string()
}

fn first() -> u32 {
    1
}
