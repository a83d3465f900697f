//! The events of tasks: `events:tasks` and `events:task:{task_id}`.

use std::borrow::Cow;

use mystocks_keys::{ChannelName, Json};
use serde::{Deserialize, Serialize};

use super::{Event, Form, NaiveUtc};
use crate::event::version;
use crate::topic::Topic;

/// How a task stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TaskStatus {
    /// It has not begun.
    Pending,
    /// It has begun.
    Running,
    /// It came to its end.
    Completed,
    /// It broke off.
    Failed,
    /// Somebody ended it.
    Cancelled,
    /// Another text.
    #[serde(untagged)]
    Other(String),
}

/// What happens to a task.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event_type")]
#[non_exhaustive]
pub enum TaskEvent {
    /// It went on.
    #[serde(rename = "task.progress")]
    Progress(TaskProgress),
    /// It ended.
    #[serde(rename = "task.completed")]
    Completed(TaskCompleted),
}

tagged!(TaskEvent { Progress = "task.progress", Completed = "task.completed" });

/// How far a task is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskProgress {
    /// When it was written.
    pub timestamp: NaiveUtc,
    /// Of the event's shape: `1.0`.
    #[serde(default = "version")]
    pub version: String,
    /// The task.
    pub task_id: String,
    /// What kind of task.
    pub task_type: String,
    /// How it stands.
    pub status: TaskStatus,
    /// In percent, 0 to 100.
    pub progress: f64,
    /// For people to read.
    #[serde(default)]
    pub message: Option<String>,
    /// Whatever else there is to say, an object.
    #[serde(default = "super::nothing")]
    pub metadata: Json,
    /// How many parts are done.
    #[serde(default)]
    pub processed: u64,
    /// How many parts there are.
    #[serde(default)]
    pub total: u64,
    /// How many of the parts that are done have failed.
    #[serde(default)]
    pub failed: u64,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskCompleted {
    /// When it was written.
    pub timestamp: NaiveUtc,
    /// Of the event's shape: `1.0`.
    #[serde(default = "version")]
    pub version: String,
    /// The task.
    pub task_id: String,
    /// What kind of task.
    pub task_type: String,
    /// How it stands.
    pub status: TaskStatus,
    /// How long it took, in seconds.
    pub duration_seconds: f64,
    /// How its parts ended.
    pub result: TaskResult,
}

/// How the parts of a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TaskResult {
    /// So many succeeded.
    #[serde(default)]
    pub success: u64,
    /// So many failed.
    #[serde(default)]
    pub failed: u64,
}

impl TaskEvent {
    /// Returns the topic of every task.
    pub fn topic() -> Topic<Self> {
        Topic::of(ChannelName::Tasks)
    }

    /// Returns the topic of one task.
    pub fn topic_of(task_id: &str) -> Topic<Self> {
        Topic::of(ChannelName::Task(task_id))
    }

    /// Returns the task.
    pub fn task_id(&self) -> &str {
        match self {
            Self::Progress(TaskProgress { task_id, .. }) | Self::Completed(TaskCompleted { task_id, .. }) => {
                task_id
            }
        }
    }
}

impl Event for TaskEvent {
    const TYPE: &'static str = "task";
    const FORM: Form = Form::Typed(Self::TYPES);

    fn topics(&self) -> Vec<Topic<Self>> {
        vec![Self::topic(), Self::topic_of(self.task_id())]
    }

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.task_id()))
    }
}
