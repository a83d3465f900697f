//! Hot rows on their durable topic.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use mystocks_bus::{Event, Topic};
use mystocks_cache::Json;
use serde::{Deserialize, Serialize};

use super::row::HotRow;

/// The durable topic of all rows that a target is to have.
pub(super) const TOPIC: &str = "fixation.rows";

/// A row as it stands there, and as the hot value is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    kind: String,
    key: String,
    /// Microseconds since the epoch.
    at: i64,
    fields: BTreeMap<String, Json>,
}

impl Row {
    /// Returns the row, if it is one that can be held.
    pub(super) fn into_hot(self) -> Option<HotRow> {
        let at = Timestamp::from_microsecond(self.at).ok()?;
        let row = HotRow { kind: self.kind, key: self.key, at, fields: self.fields };
        row.check().is_ok().then_some(row)
    }
}

impl From<&HotRow> for Row {
    fn from(row: &HotRow) -> Self {
        let (kind, key) = (row.kind.clone(), row.key.clone());
        Self { kind, key, at: row.micros(), fields: row.fields.clone() }
    }
}

impl Event for Row {
    const TYPE: &'static str = "fixation.row";

    fn topics(&self) -> Vec<Topic<Self>> {
        vec![Topic::new(TOPIC)]
    }

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.key))
    }
}
