//! Typed events among services, with every loss accounted for.
//!
//! A [`Bus`] publishes events and hands them to those who subscribed, in Rust and in the platform's Python side. The platform's events
//! are types of this crate and stand on their channels as Python writes them; [your own](Event) travel in an [`Envelope`].
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use mystocks_bus::{Bus, Delivery, PriceUpdate};
//!
//! // With Redis: Bus::new(PubSub::new(manager), &settings.bus, &keyspace, "my-service")
//! let bus = Bus::memory();
//! let mut prices = bus.subscribe(&PriceUpdate::topic()).await?;
//! let receivers = bus.publish_price_update("600519.SH", 1688.0, 12.5, 0.75).await?;
//! assert_eq!(receivers, 1);
//! match prices.next().await.ok_or("the bus goes on")? {
//!     Delivery::Event(update) => assert_eq!((&*update.stock_code, update.price), ("600519.SH", 1688.0)),
//!     Delivery::Gap(gap) => println!("prices are missing for {:?}: read them anew", gap.duration()),
//! }
//!
//! // Or have a function called with each event.
//! let listener = bus.on(&PriceUpdate::topic(), |update| async move { println!("{}", update.price) }).await?;
//! bus.publish_price_update("000001.SZ", 11.2, -0.1, -0.88).await?;
//! bus.shutdown().await; // when all that waits has been handled
//! assert_eq!(listener.counts().delivered, 1);
//! # Ok(()) }
//! ```
//!
//! docs/bus.md says what is promised and what is not.

mod bus;
mod config_watch;
#[cfg(feature = "conformance")]
pub mod conformance;
mod durable;
mod envelope;
mod error;
mod event;
mod feed;
mod gap;
mod give_up;
mod hub;
mod hush;
mod lane;
mod listener;
mod log;
mod memory;
mod metric;
mod payload;
mod platform;
mod position;
#[cfg(feature = "redis")]
mod redis;
mod subscription;
mod topic;
mod topics;
mod trace;
mod transport;
mod worker;

pub use bus::Bus;
pub use config_watch::{ConfigReloads, ConfigWatch};
pub use durable::{Delivered, DurableTopic, Followed, Follower, Replayed};
pub use envelope::Envelope;
pub use error::{Error, ErrorKind};
pub use event::{
    Calculation, ConfigReloaded, Event, Form, Heartbeat, IndicatorCalculated, IndicatorEvent, MarketEvent,
    MarketUpdate, NaiveUtc, PriceUpdate, StockCompleted, SystemEvent, TaskCompleted, TaskEvent, TaskProgress,
    TaskResult, TaskStatus, TaskUpdated, unix_seconds,
};
pub use feed::{Backlog, Counts, Overflow};
pub use gap::Gap;
pub use give_up::GiveUp;
pub use hub::{Client, Frame, Hub, Limits};
pub use listener::Listener;
pub use log::{
    Append, Appended, Consumer, Death, Entry, GroupState, Id, Log, Once, Part, Room, Settle, Settled, Shelf,
    Start, Tend, Tended, Verdict,
};
pub use memory::{MemoryLog, MemoryTransport};
pub use mystocks_keys::{Json, Keyspace};
#[cfg(feature = "redis")]
pub use redis::{PubSub, Streams};
pub use subscription::{Delivery, Received, Subscription};
pub use topic::Topic;
pub use topics::Topics;
pub use trace::{NoTraceContext, TraceContext};
pub use transport::{Ear, Interest, Listening, Outgoing, Signal, Source, Transport};
pub use worker::{Handled, Handling, Worker};
