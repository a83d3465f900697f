//! The target is away, Redis is restarted, workers are killed: no row is lost, none stands there twice.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mystocks_cache::{Keyspace, Lifetime, Store};
use mystocks_indicators::{
    CsvHotRows, Error, ErrorKind, Fixation, FixationStrategy, FixationTarget, HeldRow, HotRow,
};
use mystocks_testkit::RedisServer;
use mystocks_tests::child::{Child, order};
use mystocks_tests::{is_long, seed, spawn};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, sleep_until};

use crate::{LONG, quote, redis};

const TEST: &str = "outage::nothing_is_lost_and_nothing_is_there_twice";
const WORKERS: usize = 3;
/// Rows are put by so many at once, each in its turn.
const PUTTERS: i64 = 64;
const RATE: i64 = 1_000;
const TTL: Duration = Duration::from_secs(300);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    url: String,
    folder: PathBuf,
}

/// CSV files behind a way that is closed as long as the file `away` is there.
#[derive(Debug, Clone)]
struct Away {
    files: CsvHotRows,
    sign: PathBuf,
}

impl Away {
    fn open(folder: &Path) -> Self {
        Self { files: CsvHotRows::open(folder.join("rows")).unwrap(), sign: folder.join("away") }
    }
}

#[async_trait]
impl FixationTarget for Away {
    async fn upsert(&self, rows: &[HeldRow]) -> Result<u64, Error> {
        let away = || Error::new(ErrorKind::Source, "write hot rows", "files").with_detail("away");
        if self.sign.exists() {
            return Err(away());
        }
        let written = self.files.upsert(rows).await?;
        // An answer that is lost.
        if self.sign.exists() { Err(away()) } else { Ok(written) }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_is_there_twice() {
    match order::<Order>() {
        Some(order) => write(order).await,
        None => judge().await,
    }
}

async fn fixation(order: &Order) -> Fixation {
    let (log, store) = redis(&order.url).await;
    Fixation::new(store, &Keyspace::default(), log, Away::open(&order.folder))
        .ttl(TTL)
        .batch(5_000, 4 << 20)
        .lease(Duration::from_secs(1))
}

/// Writes what is held until it is killed.
async fn write(order: Order) {
    let fixation = fixation(&order).await.strategy(FixationStrategy::Immediate);
    let _worker = loop {
        match fixation.work().await {
            Ok(worker) => break worker,
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    };
    std::future::pending::<()>().await;
}

async fn judge() {
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    // How long rows are put, and from when until when the target is away.
    let (length, from, until) = if is_long() { (90, 10, 70) } else { (6, 1, 4) };
    println!(
        "fixation: {RATE} rows a second for {length} s, the target away for {} s, seed {seed}",
        until - from
    );
    let mut server =
        RedisServer::builder().config_line("appendonly yes").config_line("appendfsync always").start().await;
    let folder = tempfile::tempdir().unwrap();
    let order = Order { url: server.url(), folder: folder.path().to_owned() };
    let start = |name: usize| Child::start(TEST, &format!("w{name}"), &order);
    let mut children: Vec<Child> = (0..WORKERS).map(start).collect();
    let begun = Instant::now();
    let at = |seconds: f64| begun + Duration::from_secs_f64(seconds);
    let (again, putting) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(true)));
    let total = RATE * length;
    let mut putters = Vec::new();
    for lane in 0..PUTTERS {
        let (fixation, again) = (fixation(&order).await, Arc::clone(&again));
        putters.push(spawn(async move {
            for number in (0..total).filter(|number| number % PUTTERS == lane) {
                sleep_until(begun + Duration::from_millis(u64::try_from(number * 1_000 / RATE).unwrap()))
                    .await;
                while fixation.put(&quote(number)).await.is_err() {
                    again.fetch_add(1, Ordering::Relaxed);
                }
            }
        }));
    }
    let reading = spawn(read(order.clone(), Arc::clone(&putting)));
    let mut killed = 0;
    let restart = from as f64 + (until - from) as f64 * random.f64().mul_add(0.5, 0.25);
    let steps = if is_long() { 12 } else { 4 };
    let mut kills: Vec<f64> = (0..steps).map(|_| random.f64() * length as f64).collect();
    kills.sort_by(f64::total_cmp);
    let mut events: Vec<(f64, u8)> = kills.into_iter().map(|when| (when, 0)).collect();
    events.extend([(from as f64, 1), (restart, 2), (until as f64, 3)]);
    events.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut down = Duration::ZERO;
    for (when, event) in events {
        sleep_until(at(when)).await;
        match event {
            0 => {
                let victim = random.usize(..WORKERS);
                children[victim].kill().await;
                children[victim] = start(WORKERS + killed);
                killed += 1;
            }
            1 => fs::write(folder.path().join("away"), "").unwrap(),
            2 => {
                let before = Instant::now();
                server.kill().await;
                sleep(Duration::from_millis(300)).await;
                server.restart().await;
                down = before.elapsed();
            }
            _ => fs::remove_file(folder.path().join("away")).unwrap(),
        }
    }
    for putter in putters {
        putter.await.unwrap();
    }
    let judge = fixation(&order).await;
    let put = begun.elapsed();
    tokio::time::timeout(LONG * 2, judge.flush()).await.expect("what is held is written").unwrap();
    let state = judge.state().await.unwrap();
    putting.store(false, Ordering::Relaxed);
    let (reads, stale) = reading.await.unwrap();
    for child in &mut children {
        child.kill().await;
    }
    let (rows, lines) = rows(&folder.path().join("rows"));
    let lost = (0..total).filter(|number| rows.get(&quote(*number).at) != Some(&quote(*number))).count();
    println!(
        "put {total} rows in {put:.1?}, {} tried again; Redis away for {down:.1?}; {killed} workers killed; all written after {:.1?}; \
         {lines} rows in the files, {lost} lost, {} twice; {} held, {} dead letters; {reads} hot values read, {stale} wrong",
        again.load(Ordering::Relaxed),
        begun.elapsed(),
        lines - rows.len(),
        state.held,
        state.dead_letters,
    );
    assert_eq!((lost, lines as i64, rows.len() as i64), (0, total, total));
    assert_eq!((state.held, state.dead_letters, stale), (0, 0, 0));
    assert!(killed > 0 && reads > 0 && down > Duration::ZERO);
}

/// Reads hot values all the time: each is a row that was put, lives no longer than it should, and never goes back.
async fn read(order: Order, goes_on: Arc<AtomicBool>) -> (u64, u64) {
    let fixation = fixation(&order).await;
    let (_, store) = redis(&order.url).await;
    let key = Keyspace::default().hot("quote", "000007").unwrap();
    let (mut reads, mut wrong, mut last) = (0, 0, None);
    while goes_on.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(20)).await;
        // While Redis is away nothing is read.
        let (Ok(found), Ok(lifetime)) =
            (fixation.get("quote", "000007").await, store.touch(key.as_str(), None).await)
        else {
            continue;
        };
        let Some(row) = found else {
            wrong += u64::from(last.is_some());
            continue;
        };
        let number = row.micros() - quote(0).micros();
        let lives = matches!(lifetime, Lifetime::Expires(left) if left <= TTL && left + LONG * 2 > TTL);
        // Those who put are many: one may overtake another by what it waits for Redis.
        let goes_back = last.is_some_and(|last| number + 10 * RATE < last);
        wrong += u64::from(row != quote(number) || !lives || goes_back);
        last = last.max(Some(number));
        reads += 1;
    }
    (reads, wrong)
}

/// Returns the rows of the files by their moment, which none shares with another, and how many lines there are.
fn rows(folder: &Path) -> (BTreeMap<jiff::Timestamp, HotRow>, usize) {
    let (mut rows, mut lines) = (BTreeMap::new(), 0);
    for file in fs::read_dir(folder.join("quote")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "csv") {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        for line in text.lines().skip(1) {
            let (at, rest) = line.split_once(',').unwrap();
            let (key, rest) = rest.split_once(',').unwrap();
            let (_, fields) = rest.split_once(',').unwrap();
            let fields = fields.trim_matches('"').replace("\"\"", "\"");
            let (at, fields) = (at.parse().unwrap(), HotRow::fields_of(&fields).unwrap());
            rows.insert(at, HotRow { kind: "quote".to_owned(), key: key.to_owned(), at, fields });
            lines += 1;
        }
    }
    (rows, lines)
}
