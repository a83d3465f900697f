//! Fixation on a log in memory and on a real server, by many processes and in trouble. `cargo xtask soak fixation` runs the outage in full.
#![expect(clippy::unwrap_used, reason = "tests may panic")]
#![expect(clippy::print_stdout, reason = "faults print their seed")]

/// Runs a test in memory and on a real server.
macro_rules! on_both {
    ($($test:ident)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $test() {
                let log = mystocks_bus::MemoryLog::new();
                super::$test(log, mystocks_cache::MemoryStore::new()).await;
            })*
        }
        mod redis {
            $(#[tokio::test]
            async fn $test() {
                let server = mystocks_testkit::RedisServer::start().await;
                let (log, store) = crate::redis(&server.url()).await;
                super::$test(log, store).await;
            })*
        }
    };
}

mod outage;
mod trimmed;

use std::time::Duration;

use jiff::Timestamp;
use mystocks_bus::{Log, Streams};
use mystocks_cache::{Keyspace, Lifetime, RedisStore, Store};
use mystocks_config::RedisSettings;
use mystocks_indicators::{Fixation, FixationStrategy, HotRow, MemoryHotRows};
use mystocks_redis_core::RedisManager;
use mystocks_testkit::eventually;

const LONG: Duration = Duration::from_secs(60);

pub(crate) async fn redis(url: &str) -> (Streams, RedisStore) {
    let redis = RedisManager::start(&RedisSettings::from_url(url).unwrap()).await.unwrap();
    (Streams::new(redis.clone(), &Keyspace::default()), RedisStore::new(redis))
}

pub(crate) fn quote(number: i64) -> HotRow {
    let at = Timestamp::from_microsecond(1_735_800_000_000_000 + number).unwrap();
    let fields = [("price", 10.0 + number as f64 / 100.0), ("number", number as f64)];
    HotRow::new("quote", format!("{:06}", number % 97), at, fields)
}

fn quotes(numbers: std::ops::Range<i64>) -> Vec<HotRow> {
    numbers.map(quote).collect()
}

on_both! {
    what_is_put_is_served_and_written
    many_workers_write_each_row_once
    what_is_held_is_flushed_by_anybody
}

async fn what_is_put_is_served_and_written(log: impl Log + Clone, store: impl Store + Clone) {
    let target = MemoryHotRows::new();
    let fixation = Fixation::new(store.clone(), &Keyspace::default(), log, target.clone())
        .strategy(FixationStrategy::Immediate)
        .ttl(Duration::from_secs(300));
    let worker = fixation.work().await.unwrap();
    let rows = quotes(0..500);
    for row in &rows {
        fixation.put(row).await.unwrap();
        assert_eq!(fixation.get("quote", &row.key).await.unwrap().as_ref(), Some(row));
    }
    eventually("all is written", LONG, async || fixation.state().await.unwrap().held == 0).await;
    assert_eq!(target.rows(), rows);
    let state = fixation.state().await.unwrap();
    assert_eq!((state.put, state.written, state.duplicate, state.failed), (500, 500, 0, 0), "{state:?}");
    let key = Keyspace::default().hot("quote", "000042").unwrap();
    match store.touch(key.as_str(), None).await.unwrap() {
        Lifetime::Expires(left) => assert!(left.as_secs() > 200 && left.as_secs() <= 300, "{left:?}"),
        other => panic!("{other:?}"),
    }
    worker.shutdown().await;
}

async fn many_workers_write_each_row_once(log: impl Log + Clone, store: impl Store + Clone) {
    let target = MemoryHotRows::new();
    let mut workers = Vec::new();
    let mut fixations = Vec::new();
    for _ in 0..3 {
        let fixation = Fixation::new(store.clone(), &Keyspace::default(), log.clone(), target.clone())
            .strategy(FixationStrategy::Immediate)
            .batch(64, 1 << 20);
        workers.push(fixation.work().await.unwrap());
        fixations.push(fixation);
    }
    let rows = quotes(0..5_000);
    for rows in rows.chunks(50) {
        fixations[0].put_all(rows).await.unwrap();
    }
    eventually("all is written", LONG, async || fixations[0].state().await.unwrap().held == 0).await;
    let mut written = 0;
    for fixation in &fixations {
        let state = fixation.state().await.unwrap();
        assert_eq!((state.duplicate, state.failed, state.dead), (0, 0, 0), "{state:?}");
        written += state.written;
    }
    assert_eq!((written, target.rows()), (5_000, rows));
    for worker in workers {
        worker.shutdown().await;
    }
}

async fn what_is_held_is_flushed_by_anybody(log: impl Log + Clone, store: impl Store + Clone) {
    let target = MemoryHotRows::new();
    let make = || Fixation::new(store.clone(), &Keyspace::default(), log.clone(), target.clone());
    let strategy = FixationStrategy::BeforeExpiry { ttl: LONG * 10, margin: LONG };
    let (puts, works) = (make(), make().strategy(strategy));
    let worker = works.work().await.unwrap();
    for round in 1..=5 {
        puts.put_all(&quotes(round * 1_000..round * 1_000 + 700)).await.unwrap();
        assert_eq!(puts.state().await.unwrap().held, 700);
        make().flush().await.unwrap();
        assert_eq!(target.len() as i64, round * 700);
    }
    assert_eq!(puts.state().await.unwrap().held, 0);
    worker.shutdown().await;
}
