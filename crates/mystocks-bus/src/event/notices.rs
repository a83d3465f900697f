//! The four plain events of the platform.
//!
//! Their `timestamp` is written here in seconds since the epoch. What Python wrote there is a clock of its host that began anywhere: no
//! reader may take it for the time.

use std::borrow::Cow;

use mystocks_keys::{ChannelName, Json};
use serde::{Deserialize, Serialize};

use super::tasks::TaskStatus;
use super::{Event, Form};
use crate::event::time::unix_seconds;
use crate::topic::Topic;

macro_rules! notice {
    ($event:ident, $type:literal, $channel:ident, $key:ident) => {
        impl $event {
            /// Returns the topic of these events.
            pub fn topic() -> Topic<Self> {
                Topic::of(ChannelName::$channel)
            }
        }

        impl Event for $event {
            const TYPE: &'static str = $type;
            const FORM: Form = Form::Bare;

            fn topics(&self) -> Vec<Topic<Self>> {
                vec![Self::topic()]
            }

            fn key(&self) -> Option<Cow<'_, str>> {
                Some(Cow::Borrowed(&self.$key))
            }
        }
    };
}

/// One indicator of one stock was computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IndicatorCalculated {
    /// The stock, such as `600519.SH`.
    pub stock_code: String,
    /// The indicator, such as `SMA`.
    pub indicator_code: String,
    /// Its parameters, an object.
    pub params: Json,
    /// Whether it succeeded.
    pub success: bool,
    /// See the module: seconds since the epoch when this project wrote it.
    pub timestamp: f64,
}

impl IndicatorCalculated {
    /// Makes the event of now.
    pub fn new(
        stock_code: impl Into<String>,
        indicator_code: impl Into<String>,
        params: Json,
        success: bool,
    ) -> Self {
        let (stock_code, indicator_code) = (stock_code.into(), indicator_code.into());
        Self { stock_code, indicator_code, params, success, timestamp: unix_seconds() }
    }
}

notice!(IndicatorCalculated, "indicator.calculated", IndicatorCalculated, stock_code);

/// A stock has a new price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PriceUpdate {
    /// The stock, such as `600519.SH`.
    pub stock_code: String,
    /// The price in yuan.
    pub price: f64,
    /// How much it changed, in yuan.
    pub change: f64,
    /// How much it changed, in percent.
    pub change_pct: f64,
    /// See the module: seconds since the epoch when this project wrote it.
    pub timestamp: f64,
}

impl PriceUpdate {
    /// Makes the event of now.
    pub fn new(stock_code: impl Into<String>, price: f64, change: f64, change_pct: f64) -> Self {
        Self { stock_code: stock_code.into(), price, change, change_pct, timestamp: unix_seconds() }
    }
}

notice!(PriceUpdate, "price.update", PriceUpdate, stock_code);

/// A task changed its status or its progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskUpdated {
    /// The task.
    pub task_id: String,
    /// How it stands.
    pub status: TaskStatus,
    /// In percent, 0 to 100.
    pub progress: f64,
    /// What came out of it, an object or null.
    #[serde(default = "null")]
    pub result: Json,
    /// See the module: seconds since the epoch when this project wrote it.
    pub timestamp: f64,
}

impl TaskUpdated {
    /// Makes the event of now.
    pub fn new(task_id: impl Into<String>, status: TaskStatus, progress: f64, result: Option<Json>) -> Self {
        let result = result.unwrap_or(Json::Null);
        Self { task_id: task_id.into(), status, progress, result, timestamp: unix_seconds() }
    }
}

notice!(TaskUpdated, "task.updated", TaskUpdated, task_id);

/// A configuration was read anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfigReloaded {
    /// Which configuration.
    pub config_type: String,
    /// See the module: seconds since the epoch when this project wrote it.
    pub timestamp: f64,
}

impl ConfigReloaded {
    /// Makes the event of now.
    pub fn new(config_type: impl Into<String>) -> Self {
        Self { config_type: config_type.into(), timestamp: unix_seconds() }
    }
}

notice!(ConfigReloaded, "config.reloaded", ConfigReloaded, config_type);

fn null() -> Json {
    Json::Null
}
