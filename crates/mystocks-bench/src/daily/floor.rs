//! The bytes of the job and nothing else: bars out, values in, rows in, each by the raw client's quickest way.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::{SinkExt, TryStreamExt};
use mystocks_config::RedisSettings;
use redis::aio::MultiplexedConnection;
use tokio::time::Instant;

use super::{INDICATORS, STOCKS};
use crate::market::DAYS;
use crate::postgres::{Raw, connect};
use crate::read_path::sides::raw_connection;

/// So many values go to Redis at once.
const AT_ONCE: usize = 64 * INDICATORS;
const TTL: u64 = 3_600;
/// How much is handed to the connection at a time.
const PIECE: usize = 60 * 1024;
/// What stands before and behind the tuples of a binary COPY.
const FRAME: usize = 21;

const BARS: &str = "COPY (SELECT symbol::text, trade_date, open, high, low, close, volume, adj_factor, \
     coalesce(updated_at, created_at), xmin FROM daily_kline) TO STDOUT (FORMAT binary)";
const ROWS: &str = "COPY (SELECT (row_number() OVER ())::int4, timestamp::date, stock_code::text, indicator_code::text, value, \
     complex_value::text FROM indicator_data) TO STDOUT (FORMAT binary)";
const STAGE: &str = "BEGIN; CREATE TEMPORARY TABLE IF NOT EXISTS stage (place int4, day date, stock_code text, \
     indicator_code text, value float8, complex_value text) ON COMMIT DELETE ROWS";
const MERGE: &str = "INSERT INTO indicator_data AS held (timestamp, stock_code, indicator_code, value, complex_value, created_at) \
     SELECT day::timestamptz, stock_code, indicator_code, value, complex_value::json, now() FROM stage \
     ON CONFLICT (timestamp, stock_code, indicator_code) \
     DO UPDATE SET value = excluded.value, complex_value = excluded.complex_value; COMMIT";

pub(super) struct Floor {
    raw: Raw,
    redis: MultiplexedConnection,
    /// Keys and values as long as those that the job wrote.
    values: Vec<(String, Vec<u8>)>,
    /// The rows that the job wrote, as COPY gave them and takes them.
    rows: Vec<Bytes>,
}

impl Floor {
    pub(super) async fn connect(database: &str, redis: &str) -> Result<Self> {
        let raw = connect(database).await?;
        let redis = raw_connection(redis, &RedisSettings::from_url(redis)?).await?;
        Ok(Self { raw, redis, values: Vec::new(), rows: Vec::new() })
    }

    /// Makes the servers as they were before anything was computed.
    pub(super) async fn empty(&mut self) -> Result<()> {
        redis::cmd("FLUSHALL").exec_async(&mut self.redis).await?;
        self.raw.client.batch_execute("TRUNCATE indicator_data, indicator_tasks; CHECKPOINT").await?;
        Ok(())
    }

    /// Learns from what the job has just written what there is to write.
    ///
    /// # Errors
    /// It is not what the job was to write.
    pub(super) async fn learn(&mut self) -> Result<()> {
        let lengths = self.lengths().await?;
        ensure!(lengths.len() == STOCKS * INDICATORS, "{} values are in Redis", lengths.len());
        let mut random = fastrand::Rng::with_seed(1);
        let value = |length| (0..length).map(|_| random.u8(..)).collect();
        let (keys, lengths): (Vec<String>, Vec<usize>) = lengths.into_iter().unzip();
        self.values = keys.into_iter().zip(lengths.into_iter().map(value)).collect();
        let copied = self.raw.client.copy_out(ROWS).await.context("read the rows of the job")?;
        let mut rows: Vec<u8> = Vec::new();
        let mut copied = pin!(copied);
        while let Some(piece) = copied.try_next().await? {
            rows.extend_from_slice(&piece);
        }
        self.rows = rows.chunks(PIECE).map(Bytes::copy_from_slice).collect();
        Ok(())
    }

    /// The keys of results and how long their values are.
    async fn lengths(&mut self) -> Result<BTreeMap<String, usize>> {
        let mut found = BTreeMap::new();
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg("*(*)*").arg("COUNT").arg(5_000).arg("TYPE").arg("string");
            let (next, keys): (u64, Vec<String>) = scan.query_async(&mut self.redis).await?;
            let mut ask = redis::pipe();
            keys.iter().for_each(|key| {
                ask.cmd("STRLEN").arg(key);
            });
            let lengths: Vec<usize> =
                if keys.is_empty() { Vec::new() } else { ask.query_async(&mut self.redis).await? };
            found.extend(keys.into_iter().zip(lengths));
            cursor = next;
            if cursor == 0 {
                return Ok(found);
            }
        }
    }

    /// Moves the bytes, one thing after the other, on one connection each.
    ///
    /// # Errors
    /// Not all of them were there, or arrived.
    pub(super) async fn run(&mut self) -> Result<Duration> {
        let began = Instant::now();
        let mut bars = pin!(self.raw.client.copy_out(BARS).await.context("read the bars")?);
        let mut pieces = 0;
        while let Some(piece) = bars.try_next().await? {
            pieces += usize::from(piece.len() > FRAME);
        }
        let read = began.elapsed();
        for values in self.values.chunks(AT_ONCE) {
            let mut write = redis::pipe();
            for (key, value) in values {
                write.cmd("SETEX").arg(key).arg(TTL).arg(value).ignore();
            }
            write.exec_async(&mut self.redis).await?;
        }
        let stored = began.elapsed();
        self.raw.client.batch_execute(STAGE).await?;
        let mut sink = pin!(self.raw.client.copy_in("COPY stage FROM STDIN (FORMAT binary)").await?);
        for piece in &self.rows {
            sink.send(piece.clone()).await?;
        }
        let copied = sink.finish().await?;
        self.raw.client.batch_execute(MERGE).await?;
        let took = began.elapsed();
        ensure!(pieces >= STOCKS * DAYS, "{pieces} of {} bars were read", STOCKS * DAYS);
        ensure!(copied == (STOCKS * INDICATORS) as u64, "{copied} rows were written");
        note(format_args!("floor: read {read:?}, store {:?}, record {:?}", stored - read, took - stored));
        Ok(took)
    }
}

#[expect(clippy::print_stderr, reason = "where the time of the floor goes")]
fn note(what: std::fmt::Arguments<'_>) {
    eprintln!("{what}");
}
