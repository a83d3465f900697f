//! The bus: from publishing to the handler, beside the same bytes sent by hand and by peers.

mod append;
mod by_hand;
mod consume;
mod fan_out;
mod idle;
mod live;
mod peer;
mod raw;
mod slow;
mod streams;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use mystocks_bus::{Bus, Event, Keyspace, PubSub, Topic};
use mystocks_config::{BusSettings, RedisSettings};
use mystocks_redis_core::RedisManager;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::report::Report;

pub(crate) fn run(redis: &str, rounds: usize) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut report = Report::default();
    runtime.block_on(async {
        report.0.extend(live::run(redis, rounds).await?);
        report.0.extend(append::run(redis, rounds).await?);
        report.0.extend(consume::run(redis, rounds).await?);
        report.0.extend(idle::run(redis, rounds).await?);
        report.0.extend(slow::run(redis, rounds).await?);
        report.0.extend(fan_out::run(redis, rounds).await?);
        anyhow::Ok(())
    })?;
    Ok(report)
}

/// How long is waited at most for what has to happen.
const LONG: Duration = Duration::from_secs(30);

/// What is published, in an envelope.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Quote {
    stock_code: String,
    price: f64,
    number: u64,
}

impl Quote {
    fn number(number: u64) -> Self {
        Self { stock_code: "600519.SH".to_owned(), price: 1688.0, number }
    }

    fn topic() -> Topic<Self> {
        Topic::new("bench:quotes")
    }
}

impl Event for Quote {
    const TYPE: &'static str = "bench.quote";

    fn topics(&self) -> Vec<Topic<Self>> {
        vec![Self::topic()]
    }
}

/// Where a handler says when it was called.
type Calls = mpsc::UnboundedSender<Instant>;

async fn bus(redis: &str) -> Result<Bus> {
    let redis = RedisManager::start(&RedisSettings::from_url(redis)?).await?;
    Ok(Bus::new(PubSub::new(redis), &BusSettings::default(), &Keyspace::default(), "bench"))
}

/// Runs on a worker of the runtime, as a service does its work.
async fn on_worker<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let mut running = JoinSet::new();
    running.spawn(work);
    running.join_next().await.context("it was to end")??
}

/// Returns what a quote is on the wire, with a name of the channel of its own.
async fn payload() -> Result<Arc<[u8]>> {
    use mystocks_bus::{Ear, Interest, MemoryTransport, Signal, Source, Transport};

    #[derive(Debug)]
    struct Recorder(mpsc::UnboundedSender<Vec<u8>>);

    #[async_trait::async_trait]
    impl Ear for Recorder {
        fn hear(&self, signal: Signal) {
            if let Signal::Message { payload, .. } = signal {
                let _ = self.0.send(payload.to_vec());
            }
        }

        async fn room(&self, _: usize) {}
    }

    let keyspace = Keyspace::default();
    let transport = MemoryTransport::new();
    let (sender, mut payloads) = mpsc::unbounded_channel();
    let source = Source::Channels(vec![keyspace.channel_named("bench:quotes")?]);
    let interest = Interest::new(source);
    let _listening = transport.listen(&interest, Arc::new(Recorder(sender)))?;
    let bus = Bus::new(transport.clone(), &BusSettings::default(), &keyspace, "bench");
    bus.publish(&Quote::number(12_345)).await?;
    Ok(payloads.recv().await.unwrap_or_default().into())
}
