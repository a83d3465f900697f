//! How far a task has come, as the platform's table of tasks has it.

use std::fmt;

use jiff::Timestamp;
use mystocks_cache::Json;

use crate::error::{Error, ErrorKind};

/// The most characters of an id and of a type.
const MAX_NAME: usize = 50;

/// How far a task has come, as it stands in `indicator_tasks`.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRecord {
    /// The id, 1 to 50 characters.
    pub task_id: String,
    /// What kind of task it is, 1 to 50 characters.
    pub task_type: String,
    /// Where it stands.
    pub status: TaskStatus,
    /// How much is done, 0 to 100.
    pub progress: f64,
    /// What it was started with; floats that are not finite are recorded as `null`.
    pub params: Option<Json>,
    /// What came out; floats that are not finite are recorded as `null`.
    pub result_summary: Option<Json>,
    /// Why it failed; a NUL is recorded as U+FFFD, for no PostgreSQL text holds one.
    pub error_message: Option<String>,
    /// When it was first recorded; to the microsecond, as the other times.
    pub created: Timestamp,
    /// When it was last recorded.
    pub updated: Timestamp,
    /// When it ended.
    pub completed: Option<Timestamp>,
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskStatus {
    /// It waits for its turn.
    Pending,
    /// It is under way.
    Running,
    /// It ended and did what it was to do.
    Success,
    /// It ended without.
    Failed,
}

impl TaskRecord {
    /// Makes the record of a task that waits for its turn, made `now`.
    pub fn new(task_id: impl Into<String>, task_type: impl Into<String>, now: Timestamp) -> Self {
        Self {
            task_id: task_id.into(),
            task_type: task_type.into(),
            status: TaskStatus::Pending,
            progress: 0.0,
            params: None,
            result_summary: None,
            error_message: None,
            created: now,
            updated: now,
            completed: None,
        }
    }

    /// Returns the record in the form that is kept, or why it cannot be.
    pub(crate) fn kept(&self) -> Result<Self, Error> {
        let refuse = |detail: String| {
            Err(Error::new(ErrorKind::InvalidArgument, "record the task", &*self.task_id).with_detail(detail))
        };
        for (what, text) in [("task_id", &self.task_id), ("task_type", &self.task_type)] {
            let length = text.chars().count();
            if length == 0 || length > MAX_NAME || text.contains('\0') {
                return refuse(format!(
                    "{what} has {length} characters, expected 1 to {MAX_NAME} without NUL"
                ));
            }
        }
        if !(0.0..=100.0).contains(&self.progress) {
            return refuse("progress is not from 0 to 100".to_owned());
        }
        let mut kept = self.clone();
        kept.params = kept.params.map(finite);
        kept.result_summary = kept.result_summary.map(finite);
        kept.error_message = kept.error_message.map(|text| text.replace('\0', "\u{fffd}"));
        kept.created = whole_microseconds(kept.created);
        kept.updated = whole_microseconds(kept.updated);
        kept.completed = kept.completed.map(whole_microseconds);
        Ok(kept)
    }
}

impl TaskStatus {
    /// Returns the word of the table: `pending`, `running`, `success` or `failed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Success => "success",
            Self::Failed => "failed",
        }
    }

    /// Returns the status that the table calls `word`.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Pending, Self::Running, Self::Success, Self::Failed]
            .into_iter()
            .find(|status| status.as_str() == word)
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// `NaN` and the infinities are no JSON to PostgreSQL.
fn finite(json: Json) -> Json {
    match json {
        Json::Float(value) if !value.is_finite() => Json::Null,
        Json::Array(items) => Json::Array(items.into_iter().map(finite).collect()),
        Json::Object(members) => {
            Json::Object(members.into_iter().map(|(name, value)| (name, finite(value))).collect())
        }
        other => other,
    }
}

/// Cuts off what the table has no digits for.
fn whole_microseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}
