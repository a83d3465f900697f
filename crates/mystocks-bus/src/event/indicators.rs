//! The events of computations: `events:indicators`.

use std::borrow::Cow;

use mystocks_keys::{ChannelName, Json};
use serde::{Deserialize, Serialize};

use super::{Event, Form, NaiveUtc};
use crate::event::version;
use crate::topic::Topic;

/// What happens to the indicators of a stock.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event_type")]
#[non_exhaustive]
pub enum IndicatorEvent {
    /// All of a stock's are done.
    #[serde(rename = "stock.indicators.completed")]
    StockCompleted(StockCompleted),
    /// One begins.
    #[serde(rename = "indicator.calculation.started")]
    Started(Calculation),
    /// One is done.
    #[serde(rename = "indicator.calculation.completed")]
    Completed(Calculation),
    /// One failed.
    #[serde(rename = "indicator.calculation.failed")]
    Failed(Calculation),
}

tagged!(IndicatorEvent {
    StockCompleted = "stock.indicators.completed",
    Started = "indicator.calculation.started",
    Completed = "indicator.calculation.completed",
    Failed = "indicator.calculation.failed",
});

/// All indicators of one stock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StockCompleted {
    /// When it was written.
    pub timestamp: NaiveUtc,
    /// Of the event's shape: `1.0`.
    #[serde(default = "version")]
    pub version: String,
    /// The stock, such as `600519.SH`.
    pub stock_code: String,
    /// The indicators, such as `SMA`.
    pub indicators: Vec<String>,
    /// So many succeeded.
    pub success_count: u64,
    /// So many failed.
    pub failed_count: u64,
    /// How long they took, in milliseconds.
    pub calculation_time_ms: f64,
    /// So many were taken from a cache.
    #[serde(default)]
    pub from_cache_count: u64,
}

/// One indicator of one stock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calculation {
    /// When it was written.
    pub timestamp: NaiveUtc,
    /// Of the event's shape: `1.0`.
    #[serde(default = "version")]
    pub version: String,
    /// The stock, such as `600519.SH`.
    pub stock_code: String,
    /// The indicator, such as `SMA`.
    pub indicator_code: String,
    /// Its parameters, an object.
    #[serde(default = "super::nothing")]
    pub parameters: Json,
    /// Whether it succeeded.
    #[serde(default)]
    pub success: bool,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub calculation_time_ms: Option<f64>,
    /// Whether it was taken from a cache.
    #[serde(default)]
    pub from_cache: bool,
    /// Why it failed.
    #[serde(default)]
    pub error_message: Option<String>,
}

impl IndicatorEvent {
    /// Returns the topic of every stock.
    pub fn topic() -> Topic<Self> {
        Topic::of(ChannelName::Indicators)
    }

    /// Returns the stock.
    pub fn stock_code(&self) -> &str {
        match self {
            Self::StockCompleted(all) => &all.stock_code,
            Self::Started(one) | Self::Completed(one) | Self::Failed(one) => &one.stock_code,
        }
    }
}

impl Event for IndicatorEvent {
    const TYPE: &'static str = "indicator";
    const FORM: Form = Form::Typed(Self::TYPES);

    fn topics(&self) -> Vec<Topic<Self>> {
        vec![Self::topic()]
    }

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.stock_code()))
    }
}
