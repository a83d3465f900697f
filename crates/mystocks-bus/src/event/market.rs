//! The events of the market: `events:market` and `events:market:{code}`.

use std::borrow::Cow;

use mystocks_keys::{ChannelName, Json};
use serde::{Deserialize, Serialize};

use super::{Event, Form, NaiveUtc};
use crate::event::version;
use crate::topic::Topic;

/// What happens on the market.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event_type")]
#[non_exhaustive]
pub enum MarketEvent {
    /// There is new data of a stock.
    #[serde(rename = "market.data.update")]
    Update(MarketUpdate),
}

tagged!(MarketEvent { Update = "market.data.update" });

/// New data of a stock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MarketUpdate {
    /// When it was written.
    pub timestamp: NaiveUtc,
    /// Of the event's shape: `1.0`.
    #[serde(default = "version")]
    pub version: String,
    /// The stock, such as `600519.SH`.
    pub stock_code: String,
    /// What kind of data.
    pub data_type: String,
    /// The data, an object.
    #[serde(default = "super::nothing")]
    pub data: Json,
}

impl MarketEvent {
    /// Returns the topic of every stock.
    pub fn topic() -> Topic<Self> {
        Topic::of(ChannelName::Market)
    }

    /// Returns the topic of one stock.
    pub fn topic_of(stock_code: &str) -> Topic<Self> {
        Topic::of(ChannelName::MarketOf(stock_code))
    }

    /// Returns the stock.
    pub fn stock_code(&self) -> &str {
        let Self::Update(update) = self;
        &update.stock_code
    }
}

impl Event for MarketEvent {
    const TYPE: &'static str = "market";
    const FORM: Form = Form::Typed(Self::TYPES);

    fn topics(&self) -> Vec<Topic<Self>> {
        vec![Self::topic(), Self::topic_of(self.stock_code())]
    }

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.stock_code()))
    }
}
