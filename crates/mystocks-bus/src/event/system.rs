//! The events of services: `events:system`.

use std::borrow::Cow;

use mystocks_keys::{ChannelName, Json};
use serde::{Deserialize, Serialize};

use super::{Event, Form, NaiveUtc};
use crate::event::version;
use crate::topic::Topic;

/// What services say of themselves.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event_type")]
#[non_exhaustive]
pub enum SystemEvent {
    /// One is alive.
    #[serde(rename = "system.heartbeat")]
    Heartbeat(Heartbeat),
}

tagged!(SystemEvent { Heartbeat = "system.heartbeat" });

/// That a service is alive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// When it was written.
    pub timestamp: NaiveUtc,
    /// Of the event's shape: `1.0`.
    #[serde(default = "version")]
    pub version: String,
    /// The service.
    pub service: String,
    /// How it stands.
    pub status: String,
    /// What it measures, an object.
    #[serde(default = "super::nothing")]
    pub metrics: Json,
}

impl SystemEvent {
    /// Returns the topic of every service.
    pub fn topic() -> Topic<Self> {
        Topic::of(ChannelName::System)
    }
}

impl Event for SystemEvent {
    const TYPE: &'static str = "system";
    const FORM: Form = Form::Typed(Self::TYPES);

    fn topics(&self) -> Vec<Topic<Self>> {
        vec![Self::topic()]
    }

    fn key(&self) -> Option<Cow<'_, str>> {
        let Self::Heartbeat(heartbeat) = self;
        Some(Cow::Borrowed(&heartbeat.service))
    }
}
