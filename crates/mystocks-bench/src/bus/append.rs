//! Durable publishing: one at a time, and a hundred in one request.

use std::time::Duration;

use anyhow::{Result, ensure};
use apalis::prelude::TaskSink;
use tokio::time::Instant;

use super::peer::Apalis;
use super::streams::{FIRST, Ours, Raw};
use super::{Quote, on_worker};
use crate::report::Row;
use crate::rounds::{interleave, quantile};

const SINGLE: usize = 2_000;
const BATCH: usize = 100;
const BATCHES: usize = 100;

/// By hand, ours, apalis.
#[derive(Clone)]
struct Sides {
    raw: Raw,
    ours: Ours,
    apalis: Apalis,
}

impl Sides {
    /// Publishes one after the other; returns the median.
    async fn single(self, side: usize) -> Result<Duration> {
        let mut storage = self.apalis.storage();
        let mut times = Vec::with_capacity(SINGLE);
        for number in (FIRST..).take(SINGLE) {
            let quote = Quote::number(number);
            let begun = Instant::now();
            match side {
                0 => self.raw.add(number).await?,
                1 => drop(self.ours.topic.publish(&quote).await?),
                _ => storage.push(quote).await?,
            }
            times.push(begun.elapsed().as_secs_f64());
        }
        match side {
            0 => self.raw.clear(SINGLE).await?,
            1 => self.ours.clear(SINGLE).await?,
            _ => self.apalis.clear(SINGLE).await?,
        }
        Ok(Duration::from_secs_f64(quantile(&times, 0.5)))
    }

    /// Publishes batches; returns how long each event took.
    async fn batches(self, side: usize) -> Result<Duration> {
        let quotes: Vec<_> = (FIRST..).take(BATCH).map(Quote::number).collect();
        let begun = Instant::now();
        for _ in 0..BATCHES {
            if side == 0 {
                self.raw.add_all(BATCH).await?;
            } else {
                let ids = self.ours.topic.publish_all(&quotes).await?;
                ensure!(ids.len() == BATCH, "{} of {BATCH} were appended", ids.len());
            }
        }
        let taken = begun.elapsed();
        match side {
            0 => self.raw.clear(BATCH * BATCHES).await?,
            _ => self.ours.clear(BATCH * BATCHES).await?,
        }
        Ok(taken / u32::try_from(BATCH * BATCHES)?)
    }
}

pub(super) async fn run(redis: &str, rounds: usize) -> Result<Vec<Row>> {
    let sides = Sides {
        raw: Raw::start(redis, "mystocks:raw:append").await?,
        ours: Ours::start(redis, "bench:append").await?,
        apalis: Apalis::start(redis, "bench-append").await?,
    };
    let [raw, ours, apalis] = interleave(rounds, |side| on_worker(sides.clone().single(side))).await?;
    let name = "durable publish, p50";
    let mut rows = vec![
        Row::times(name, &ours, "XADD of the same bytes", &raw, Some(1.1)),
        Row::times(name, &ours, "apalis-redis 1.0", &apalis, None),
    ];
    let [raw, ours] = interleave(rounds, |side| on_worker(sides.clone().batches(side))).await?;
    let name = format!("durable publish, an event of {BATCH}");
    rows.push(Row::times(&name, &ours, "a pipeline of XADDs", &raw, Some(1.0 / 0.9)));
    Ok(rows)
}
