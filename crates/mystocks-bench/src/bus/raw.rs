//! The same bytes by hand, and with fred.

use std::sync::Arc;

use anyhow::{Context, Result};
use fred::clients::SubscriberClient;
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface};
use fred::prelude::{Builder, Client, Config};
use futures::StreamExt;
use redis::aio::MultiplexedConnection;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Calls;

const CHANNEL: &str = "mystocks:raw:quotes";
const FRED_CHANNEL: &str = "mystocks:fred:quotes";

/// A publisher and a subscriber on redis-rs alone.
pub(super) struct Raw {
    publisher: MultiplexedConnection,
    payload: Arc<[u8]>,
    /// Ends with the value.
    _subscriber: JoinSet<()>,
}

impl Raw {
    pub(super) async fn start(redis: &str, payload: Arc<[u8]>, calls: Calls) -> Result<Self> {
        let client = redis::Client::open(redis)?;
        let mut heard = client.get_async_pubsub().await?;
        heard.subscribe(CHANNEL).await?;
        let mut heard = heard.into_on_message();
        let mut subscriber = JoinSet::new();
        subscriber.spawn(async move {
            while let Some(message) = heard.next().await {
                let now = Instant::now();
                if std::hint::black_box(message.get_payload_bytes()).is_empty() || calls.send(now).is_err() {
                    return;
                }
            }
        });
        let publisher = client.get_multiplexed_async_connection().await?;
        Ok(Self { publisher, payload, _subscriber: subscriber })
    }

    pub(super) async fn publish(&self) -> Result<u64> {
        let mut command = redis::cmd("PUBLISH");
        command.arg(CHANNEL).arg(&*self.payload);
        Ok(command.query_async(&mut self.publisher.clone()).await?)
    }
}

/// The same with fred.
pub(super) struct Fred {
    publisher: Client,
    subscriber: SubscriberClient,
    payload: Arc<[u8]>,
}

impl Fred {
    pub(super) async fn start(redis: &str, payload: Arc<[u8]>, calls: Calls) -> Result<Self> {
        let mut builder = Builder::from_config(Config::from_url(redis)?);
        // Whoever lags behind its channel of 32 messages hears nothing any more.
        builder.with_performance_config(|config| config.broadcast_channel_capacity = 1 << 16);
        let (publisher, subscriber) = (builder.build()?, builder.build_subscriber_client()?);
        publisher.init().await?;
        subscriber.init().await?;
        subscriber.on_message(move |message| {
            let calls = calls.clone();
            async move {
                let now = Instant::now();
                std::hint::black_box(message.value.as_bytes());
                let _ = calls.send(now);
                Ok(())
            }
        });
        subscriber.subscribe(FRED_CHANNEL).await.context("subscribe with fred")?;
        Ok(Self { publisher, subscriber, payload })
    }

    pub(super) async fn publish(&self) -> Result<u64> {
        Ok(self.publisher.publish(FRED_CHANNEL, &*self.payload).await?)
    }

    pub(super) async fn end(&self) -> Result<()> {
        self.subscriber.quit().await?;
        self.publisher.quit().await?;
        Ok(())
    }
}
