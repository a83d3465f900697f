//! A batch of 100 keys against a raw MGET and decode.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context, Result};
use mystocks_cache::Cache;
use tokio::time::Instant;

use super::sides::{Coherence, L1_TTL, Sides, raw_key};
use super::value::{self, KEYS, Value};
use crate::report::Row;
use crate::rounds::interleave;

const BATCH: usize = 100;
const BOUND: f64 = 1.15;
const PASSES: usize = 5;

async fn raw(sides: &Sides<Value>, keys: &[String]) -> Result<Vec<Arc<Value>>> {
    let names: Vec<String> = keys.iter().map(|key| raw_key(key)).collect();
    let values: Vec<Vec<u8>> = redis::cmd("MGET").arg(names).query_async(&mut sides.raw.clone()).await?;
    values.iter().map(|bytes| Ok(Arc::new(rmp_serde::from_slice(bytes)?))).collect()
}

/// What whoever keeps an L1 by hand does besides.
async fn raw_with_moka(sides: &Sides<Value>, keys: &[String]) -> Result<Vec<Arc<Value>>> {
    let held = keys.iter().filter(|key| sides.moka.get(*key).is_some()).count();
    anyhow::ensure!(held == 0, "{held} keys were to be past their time");
    let values = raw(sides, keys).await?;
    for (key, value) in keys.iter().zip(&values) {
        sides.moka.insert(key.clone(), Arc::clone(value));
    }
    Ok(values)
}

async fn ours(cache: &Cache<String, Value>, keys: &[String]) -> Result<Vec<Arc<Value>>> {
    let outcomes = cache.get_many(keys).await?;
    outcomes.into_iter().map(|outcome| Ok(outcome.context("a miss")?.value)).collect()
}

pub(crate) async fn run(redis: &str, rounds: usize) -> Result<Vec<Row>> {
    let sides = Sides::<Value>::warm(redis, value::keys(KEYS), Coherence::Off).await?;
    let [raw_times, without_l1, raw_with_moka_times, with_l1] = interleave(rounds, |side| {
        let sides = sides.clone();
        async move {
            let mut spent = std::time::Duration::ZERO;
            for _ in 0..PASSES {
                tokio::time::sleep(2 * L1_TTL).await;
                let began = Instant::now();
                for keys in sides.keys.chunks(BATCH) {
                    let read = match side {
                        0 => raw(&sides, keys).await,
                        1 => ours(&sides.without_l1, keys).await,
                        2 => raw_with_moka(&sides, keys).await,
                        _ => ours(&sides.with_l1, keys).await,
                    };
                    drop(black_box(read?));
                }
                spent += began.elapsed();
            }
            Ok(spent / u32::try_from(PASSES * sides.keys.len() / BATCH)?)
        }
    })
    .await?;
    let requests = requests_of_one_batch(&sides).await?;
    Ok(vec![
        Row::times("get_many of 100, L1 off", &without_l1, "raw MGET, decode", &raw_times, Some(BOUND)),
        Row::times(
            "get_many of 100, L1 filled",
            &with_l1,
            "raw moka, MGET, decode, moka",
            &raw_with_moka_times,
            Some(BOUND),
        ),
        Row::times("get_many of 100, L1 filled", &with_l1, "raw MGET, decode", &raw_times, None),
        Row::counts("requests of one get_many of 100 keys", "", requests, "one MGET", 1.0),
    ])
}

/// Asks the server how many GETs and MGETs it got for one batch.
async fn requests_of_one_batch(sides: &Sides<Value>) -> Result<f64> {
    redis::cmd("CONFIG").arg("RESETSTAT").exec_async(&mut sides.raw.clone()).await?;
    ours(&sides.without_l1, sides.keys.get(..BATCH).context("too few keys")?).await?;
    let info: String = redis::cmd("INFO").arg("commandstats").query_async(&mut sides.raw.clone()).await?;
    let calls = |line: &str| -> Option<f64> {
        let (command, counts) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        // What the counting itself sends.
        let is_ours = !command.starts_with("config") && command != "info";
        is_ours.then(|| counts.split(',').next()?.parse().ok()).flatten()
    };
    anyhow::ensure!(info.contains("cmdstat_mget:calls=1,"), "one MGET was to be seen: {info}");
    Ok(info.lines().filter_map(calls).sum())
}
