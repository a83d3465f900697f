//! The same typed work by hand: redis-rs, serde_json, and an envelope with an id and a time.

use anyhow::Result;
use chrono::Utc;
use futures::StreamExt;
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Calls, Quote};

const CHANNEL: &str = "mystocks:by-hand:quotes";

/// What stands around a quote; the same attributes as ours.
#[derive(Serialize, Deserialize)]
struct Around {
    specversion: String,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    time: String,
    schemaversion: u32,
    datacontenttype: String,
    data: Quote,
}

/// A publisher and a subscriber on redis-rs and serde_json.
pub(super) struct ByHand {
    publisher: MultiplexedConnection,
    /// Ends with the value.
    _subscriber: JoinSet<()>,
}

impl ByHand {
    pub(super) async fn start(redis: &str, calls: Calls) -> Result<Self> {
        let client = redis::Client::open(redis)?;
        let mut heard = client.get_async_pubsub().await?;
        heard.subscribe(CHANNEL).await?;
        let mut heard = heard.into_on_message();
        let mut subscriber = JoinSet::new();
        subscriber.spawn(async move {
            while let Some(message) = heard.next().await {
                let Ok(around) = serde_json::from_slice::<Around>(message.get_payload_bytes()) else {
                    return;
                };
                let now = Instant::now();
                std::hint::black_box((around.data.price, around.id));
                if calls.send(now).is_err() {
                    return;
                }
            }
        });
        let publisher = client.get_multiplexed_async_connection().await?;
        Ok(Self { publisher, _subscriber: subscriber })
    }

    pub(super) async fn publish(&self, quote: Quote) -> Result<u64> {
        let around = Around {
            specversion: "1.0".to_owned(),
            id: Uuid::new_v4().to_string(),
            source: "bench".to_owned(),
            kind: "bench.quote".to_owned(),
            // It is RFC 3339.
            time: format!("{:?}", Utc::now()),
            schemaversion: 1,
            datacontenttype: "application/json".to_owned(),
            data: quote,
        };
        let mut command = redis::cmd("PUBLISH");
        command.arg(CHANNEL).arg(serde_json::to_vec(&around)?);
        Ok(command.query_async(&mut self.publisher.clone()).await?)
    }
}
