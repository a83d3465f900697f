//! The peer `apalis` with its storage in Redis, doing the same.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use apalis::prelude::{TaskSink, WorkerBuilder};
use apalis_redis::{Config, RedisStorage};
use mystocks_config::RedisSettings;
use redis::aio::MultiplexedConnection;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Quote;
use super::consume::Countdown;
use super::streams::FIRST;
use crate::read_path::sides::raw_connection;

type Storage = RedisStorage<Quote, MultiplexedConnection>;

#[derive(Clone)]
pub(super) struct Apalis {
    storage: Storage,
    connection: MultiplexedConnection,
}

impl Apalis {
    pub(super) async fn start(redis: &str, queue: &str) -> Result<Self> {
        let connection = raw_connection(redis, &RedisSettings::from_url(redis)?).await?;
        // What is not kept as a result is not acknowledged.
        let config = Config::default().queue(queue).batch_size(256).emit_events(false);
        Ok(Self { storage: Storage::new(connection.clone()).with_config(config), connection })
    }

    pub(super) fn storage(&self) -> Storage {
        self.storage.clone()
    }

    pub(super) async fn fill(&self, count: usize) -> Result<()> {
        let quotes = (FIRST..).take(count).map(Quote::number).collect();
        self.storage().push_bulk(quotes).await.context("fill the peer's queue")
    }

    /// Handles `count` that stand there; returns how long it took until the last one was handled, its acknowledgement apart.
    pub(super) async fn consume(&self, count: usize) -> Result<Duration> {
        let countdown = Arc::new(Countdown::new(count));
        let counting = Arc::clone(&countdown);
        let handler = move |quote: Quote| {
            std::hint::black_box(quote.price);
            counting.count();
            std::future::ready(Ok::<(), Infallible>(()))
        };
        let begun = Instant::now();
        let worker = WorkerBuilder::new("bench").backend(self.storage()).build(handler);
        let mut running = JoinSet::new();
        running.spawn(async move { worker.run().await.context("run the peer's worker") });
        tokio::select! {
            ended = countdown.wait() => ended?,
            Some(ended) = running.join_next() => ended??,
        }
        ensure!(countdown.counted() == count, "{} of {count} were handled", countdown.counted());
        Ok(begun.elapsed())
    }

    /// Deletes the queue, of which so many tasks are to be known.
    pub(super) async fn clear(&self, expected: usize) -> Result<()> {
        let config = self.storage.get_config();
        let mut connection = self.connection.clone();
        let data = config.job_data_hash();
        let known: usize = redis::cmd("HLEN").arg(&data).query_async(&mut connection).await?;
        ensure!(known == expected, "{known} tasks are in {data}, {expected} were expected");
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(format!("{}:*", config.queue)).arg("COUNT").arg(1_000);
            let (next, keys): (u64, Vec<String>) = scan.query_async(&mut connection).await?;
            if !keys.is_empty() {
                redis::cmd("UNLINK").arg(keys).exec_async(&mut connection).await?;
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }
}
