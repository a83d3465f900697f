//! The job is killed at random points and started again: every symbol is in the result once.

use std::time::Duration;

use mystocks_bus::{DurableTopic, Event, Keyspace, Streams, Topic};
use mystocks_config::{LockSettings, RedisSettings};
use mystocks_redis_core::RedisManager;
use mystocks_tests::seed;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::process::Child;
use tokio::time::timeout;

use crate::market::Market;

const SYMBOLS: u32 = 1_500;
const INDICATORS: u32 = 9;
const WORKERS: usize = 3;
const KILLS: usize = 5;
const TASK: [&str; 7] = ["--task", "nightly", "--no-worker", "--json", "--chunk", "16", "--full"];

/// For asking how the work stands; nobody publishes it here.
#[derive(Serialize, Deserialize)]
struct Any;

impl Event for Any {
    const TYPE: &'static str = "any";

    fn topics(&self) -> Vec<Topic<Self>> {
        vec![Topic::new("indicators.daily.work")]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_point_it_counts_every_symbol_once() {
    let seed = seed();
    println!("daily: {SYMBOLS} symbols, {WORKERS} workers, {KILLS} kills, seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let market = Market::new(SYMBOLS, 80).await;
    let worker = || market.start(&["--worker", "--chunk", "16"]);
    let mut workers: Vec<Child> = (0..WORKERS).map(|_| worker()).collect();
    let mut task = market.start(&TASK);
    // Each of heads 4, 9, 19, 59, 33, 14, 19, 14 and 8 days before the first value.
    let rows = i64::from(SYMBOLS) * (80 * i64::from(INDICATORS) - 179);
    let mut points: Vec<i64> = (0..KILLS).map(|_| random.i64(rows / 50..rows * 9 / 10)).collect();
    points.sort_unstable();
    let mut killed = (0, 0);
    for (at, point) in points.into_iter().enumerate() {
        timeout(Duration::from_secs(120), market.recorded(point)).await.expect("the job goes on");
        // The process that runs the task is killed for sure, whatever the dice say.
        if at % 3 == 1 || random.bool() {
            task.kill().await.unwrap();
            task = market.start(&TASK);
            killed.0 += 1;
        } else {
            let victim = random.usize(..WORKERS);
            workers[victim].kill().await.unwrap();
            workers[victim] = worker();
            killed.1 += 1;
        }
    }
    println!("daily: killed the task's process {} times, workers {} times", killed.0, killed.1);
    let ended = timeout(Duration::from_secs(180), task.wait_with_output()).await.expect("it ends").unwrap();
    let report: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert!(ended.status.success(), "{report}");
    for (what, expected) in [("total", SYMBOLS), ("succeeded", SYMBOLS), ("series", SYMBOLS * INDICATORS)] {
        assert_eq!(report[what], expected, "{what} of {report}");
    }
    assert_eq!((&report["failed"], &report["skipped"]), (&serde_json::json!({}), &serde_json::json!({})));
    assert!(killed.0 == 0 || report["resumed"].as_u64().unwrap() > 0, "{report}");

    // Every symbol has every row, and no row is there twice: the table's key says so, and the count.
    assert_eq!(market.number("SELECT count(*) FROM indicator_data").await, rows);
    let uneven =
        "SELECT count(*) FROM (SELECT count(*) AS rows FROM indicator_data GROUP BY stock_code) AS one
                  WHERE one.rows <> 541";
    assert_eq!(market.number(uneven).await, 0);
    let record = market
        .client
        .query_one("SELECT status, progress, result_summary->>'success' FROM indicator_tasks", &[]);
    let record = record.await.unwrap();
    assert_eq!((record.get::<_, String>(0), record.get::<_, f64>(1)), ("success".to_owned(), 100.0));
    assert_eq!(record.get::<_, String>(2), SYMBOLS.to_string());

    let redis = RedisManager::start(&RedisSettings::from_url(&market.redis.url()).unwrap()).await.unwrap();
    let log = Streams::new(redis.clone(), &Keyspace::default());
    let topic = DurableTopic::<Any>::new(log, "indicators.daily.work", "tests");
    // What a killed worker held, and was given out again meanwhile, is acknowledged when it was done twice.
    mystocks_testkit::eventually("nothing is left", Duration::from_secs(60), async || {
        let state = topic.state("workers").await.unwrap();
        state.lag == 0 && state.pending == 0 && state.waiting == 0
    })
    .await;
    assert_eq!(topic.state("workers").await.unwrap().dead, 0);
    let locks = mystocks_lock::RedisLocks::new(redis.clone(), &Keyspace::default()).unwrap();
    let locker = mystocks_lock::Locker::new(locks, &LockSettings::default(), &Keyspace::default());
    let lock = locker.batch_task_lock("nightly").unwrap();
    assert!(!locker.is_locked(lock).await.unwrap(), "the lock is released");
    locker.shutdown().await;
    redis.shutdown().await;
}
