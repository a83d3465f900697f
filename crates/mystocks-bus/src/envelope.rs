//! What stands around an event of our own: the attributes of CloudEvents 1.0.

use std::time::SystemTime;

use jiff::Timestamp;
use mystocks_keys::{Json, JsonError};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::Event;

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
    /// The W3C trace context of the publisher; a CloudEvents extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// An event with its envelope as they are written.
#[derive(Serialize)]
struct Whole<'a, E> {
    specversion: &'static str,
    #[serde(flatten)]
    envelope: &'a Envelope,
    datacontenttype: &'static str,
    data: &'a E,
}

impl Envelope {
    /// Makes the envelope of an event that `source` publishes now.
    pub(crate) fn new<E: Event>(event: &E, source: &str, traceparent: Option<String>) -> Self {
        Self {
            id: Uuid::new_v4().to_string(),
            source: source.to_owned(),
            kind: E::TYPE.to_owned(),
            time: Timestamp::try_from(SystemTime::now()).unwrap_or_default().to_string(),
            subject: event.key().map(std::borrow::Cow::into_owned),
            version: E::VERSION,
            traceparent,
        }
    }

    /// Returns when it was published; `None` when the text is no time.
    pub fn published_at(&self) -> Option<SystemTime> {
        self.time.parse::<Timestamp>().ok().map(SystemTime::from)
    }

    pub(crate) fn around<E: Event>(&self, event: &E) -> Result<Json, JsonError> {
        let whole =
            Whole { specversion: "1.0", envelope: self, datacontenttype: "application/json", data: event };
        Json::from_serialize(&whole)
    }
}

fn first() -> u32 {
    1
}
