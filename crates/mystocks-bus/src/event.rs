//! What is published.

#[macro_use]
mod tagged;
mod indicators;
mod market;
mod notices;
mod system;
mod tasks;
mod time;

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::topic::Topic;

pub use indicators::{Calculation, IndicatorEvent, StockCompleted};
pub use market::{MarketEvent, MarketUpdate};
pub use notices::{ConfigReloaded, IndicatorCalculated, PriceUpdate, TaskUpdated};
pub use system::{Heartbeat, SystemEvent};
pub use tasks::{TaskCompleted, TaskEvent, TaskProgress, TaskResult, TaskStatus};
pub use time::{NaiveUtc, unix_seconds};

/// A type of events that can be published and subscribed to.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use mystocks_bus::{Bus, Event, Topic};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize)]
/// struct Rebalanced {
///     portfolio: String,
///     turnover: f64,
/// }
///
/// impl Event for Rebalanced {
///     const TYPE: &'static str = "portfolio.rebalanced";
///
///     fn topics(&self) -> Vec<Topic<Self>> {
///         vec![Topic::new("portfolio:rebalanced")]
///     }
/// }
///
/// let bus = Bus::memory();
/// let mut rebalanced = bus.subscribe(&Topic::<Rebalanced>::new("portfolio:rebalanced")).await?;
/// assert_eq!(bus.publish(&Rebalanced { portfolio: "A".to_owned(), turnover: 0.25 }).await?, 1);
/// let received = rebalanced.next_event().await.ok_or("an event")?;
/// assert_eq!((received.turnover, &*received.topic()), (0.25, "portfolio:rebalanced"));
/// assert_eq!(received.envelope().ok_or("an envelope")?.version, 1);
/// # Ok(()) }
/// ```
pub trait Event: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name of the type, such as `portfolio.rebalanced`; it stands in envelopes and labels metrics.
    const TYPE: &'static str;

    /// The version of the type's shape; raise it when a reader of the one before would misread the next. A greater version than this one
    /// is counted and skipped by those who subscribe.
    const VERSION: u32 = 1;

    /// How an event stands on its channel.
    const FORM: Form = Form::Envelope;

    /// Returns where the event goes when nothing else is said.
    fn topics(&self) -> Vec<Topic<Self>>
    where
        Self: Sized;

    /// Returns what the event is about, such as a stock: of two with the same key a [conflating](crate::Overflow::Conflate) queue
    /// keeps the latter, and a durable topic with [lanes](crate::DurableTopic::lanes) handles them one after the other.
    fn key(&self) -> Option<Cow<'_, str>> {
        None
    }
}

/// How events stand on their channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// In an [`Envelope`](crate::Envelope), as this project's own events do.
    Envelope,
    /// As they are, one object: what the platform's other programs write and read.
    Bare,
    /// As they are, and the object's `event_type` is one of these; others are counted and skipped.
    Typed(&'static [&'static str]),
}

/// What the platform's events say of their shape.
fn version() -> String {
    "1.0".to_owned()
}

/// An object that nobody gave.
fn nothing() -> mystocks_keys::Json {
    mystocks_keys::Json::Object(Vec::new())
}
