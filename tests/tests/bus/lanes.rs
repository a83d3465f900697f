//! The events of each key are handled in their order though those who handle them are killed and stopped.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures::{StreamExt, TryStreamExt};
use mystocks_bus::{Delivered, DurableTopic, Event, Handling, Keyspace, Streams, Topic};
use mystocks_config::RedisSettings;
use mystocks_redis_core::RedisManager;
use mystocks_testkit::{RedisServer, eventually};
use mystocks_tests::child::{Child, order};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::{is_long, millis, seed};

const TEST: &str = "lanes::killed_and_stopped_they_keep_the_order_of_each_key";
const PROCESSES: usize = 4;
const LANES: u32 = 16;
const KEYS: u64 = 1_000;
const GROUP: &str = "workers";
const LEASE: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    url: String,
    /// The file into which it writes what it handles.
    ledger: PathBuf,
}

/// One of many of its account.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Fill {
    account: u64,
    number: u64,
}

impl Event for Fill {
    const TYPE: &'static str = "fill";

    fn topics(&self) -> Vec<Topic<Self>> {
        vec![Topic::new("fills")]
    }

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(self.account.to_string().into())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_stopped_they_keep_the_order_of_each_key() {
    match order::<Order>() {
        Some(order) => handle(order).await,
        None => judge().await,
    }
}

async fn topic(url: &str) -> DurableTopic<Fill> {
    let redis = RedisManager::start(&RedisSettings::from_url(url).unwrap()).await.unwrap();
    let log = Streams::new(redis, &Keyspace::default());
    DurableTopic::new(log, "fills", "tests").room(10_000_000).lanes(LANES)
}

/// Returns the time by the clock that all processes share, in nanoseconds.
fn now() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos()
}

/// Handles events until it is killed; some fail the first time.
async fn handle(order: Order) {
    let ledger = OpenOptions::new().create(true).append(true).open(order.ledger).unwrap();
    let ledger = Arc::new(Mutex::new(ledger));
    let handling =
        Handling { lease: LEASE, deliveries: 1_000, again_after: millis(10), ..Handling::default() };
    let handler = move |fill: Delivered<Fill>| {
        let line = format!("{} {} {}\n", now(), fill.account, fill.number);
        // A line at once: what is handled is written down, whatever becomes of this process.
        let written = ledger.lock().unwrap().write_all(line.as_bytes());
        let fails = (fill.account + fill.number).is_multiple_of(50) && fill.deliveries == 1;
        std::future::ready(if fails {
            Err("not yet".into())
        } else {
            written.map_err(Box::<dyn std::error::Error + Send + Sync>::from)
        })
    };
    let topic = topic(&order.url).await;
    let _worker = loop {
        match topic.consume(GROUP, handling, handler.clone()).await {
            Ok(worker) => break worker,
            Err(_) => sleep(millis(50)).await,
        }
    };
    std::future::pending::<()>().await;
}

/// Publishes one number of each account, whose order among each other does not matter.
async fn publish(topic: &DurableTopic<Fill>, accounts: u64, number: u64) {
    let one = |account| async move { topic.publish(&Fill { account, number }).await.map(drop) };
    let all = futures::stream::iter(0..accounts).map(one).buffer_unordered(64);
    all.try_for_each(|()| std::future::ready(Ok(()))).await.unwrap();
}

async fn judge() {
    let (seed, numbers) = (seed(), if is_long() { 1_000 } else { 100 });
    println!("lanes: {KEYS} keys × {numbers} events, {PROCESSES} processes, {LANES} lanes, seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (server, folder) = (RedisServer::start().await, tempfile::tempdir().unwrap());
    let url = server.url();
    let mut started = 0;
    let mut start = || {
        started += 1;
        let order = Order { url: url.clone(), ledger: folder.path().join(started.to_string()) };
        Child::start(TEST, &format!("p{started}"), &order)
    };
    let topic = topic(&url).await;
    let mut children: Vec<Child> = (0..PROCESSES).map(|_| start()).collect();
    let publisher = topic.clone();
    let publishing = mystocks_tests::spawn(async move {
        for number in 0..numbers {
            publish(&publisher, KEYS, number).await;
        }
    });
    let began = Instant::now();
    let (mut killed, mut stopped) = (0, 0);
    let mut halted: Option<(usize, Instant)> = None;
    let (mut kill_at, mut stop_at) = (millis(1_500), millis(3_000));
    loop {
        sleep(millis(50)).await;
        let now = began.elapsed();
        if let Some((at, _)) = halted.take_if(|(_, until)| *until <= Instant::now()) {
            children[at].signal("CONT").await;
        }
        let victim = random.usize(..PROCESSES);
        let is_halted = halted.is_some_and(|(at, _)| at == victim);
        if now >= kill_at && !is_halted {
            children[victim].kill().await;
            children[victim] = start();
            (killed, kill_at) = (killed + 1, now + millis(3_000));
        } else if now >= stop_at && halted.is_none() {
            children[victim].signal("STOP").await;
            halted = Some((victim, Instant::now() + millis(random.u64(500..5_000))));
            (stopped, stop_at) = (stopped + 1, now + millis(8_000));
        }
        let state = topic.state(GROUP).await.unwrap();
        if publishing.is_finished() && state.lag == 0 && state.pending == 0 {
            break;
        }
        assert!(now < Duration::from_secs(if is_long() { 3_600 } else { 300 }), "not done: {state:?}");
    }
    publishing.await.unwrap();
    let took = began.elapsed();
    if let Some((at, _)) = halted {
        children[at].signal("CONT").await;
    }
    let (lost, inverted, twice) = account(&read(folder.path()), numbers);
    let state = topic.state(GROUP).await.unwrap();
    println!(
        "killed {killed}, stopped {stopped}; {lost} lost, {inverted} inverted, {twice} handled again, {} dead, {took:.1?}",
        state.dead
    );
    assert_eq!((lost, inverted, state.dead, state.lag, state.pending), (0, 0, 0, 0, 0));
    assert!(killed > 0 && stopped > 0);
    let victim = random.usize(..PROCESSES);
    let longest = takeover(&topic, folder.path(), numbers, &mut children, victim).await;
    println!("lanes: taken over {longest:.2?} after a kill, leases of {LEASE:?}");
    assert!(longest <= 2 * LEASE, "{longest:?}");
    for child in &mut children {
        child.kill().await;
    }
}

/// What was handled, in the order in which it was: account and number, and when.
fn read(folder: &Path) -> Vec<(u128, u64, u64)> {
    let mut handled = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let text = std::io::read_to_string(File::open(file.unwrap().path()).unwrap()).unwrap();
        // A line that was cut off by a kill is none.
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let mut words = line.split(' ');
            let mut word = || words.next().unwrap();
            handled.push((word().parse().unwrap(), word().parse().unwrap(), word().parse().unwrap()));
        }
    }
    handled.sort_unstable();
    handled
}

/// Returns how many were lost, how many were handled for the first time after a later one of their account, and how many again.
fn account(handled: &[(u128, u64, u64)], numbers: u64) -> (u64, usize, usize) {
    let mut seen: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    let (mut inverted, mut again) = (0, 0);
    for (_, account, number) in handled {
        let seen = seen.entry(*account).or_default();
        let last = seen.last().copied();
        if !seen.insert(*number) {
            again += 1;
        } else if last.is_some_and(|last| last > *number) {
            inverted += 1;
        }
    }
    let found: usize = seen.values().map(BTreeSet::len).sum();
    (KEYS * numbers - found as u64, inverted, again)
}

/// Kills a process while events come steadily; returns how long one waited for its handler at most.
async fn takeover(
    topic: &DurableTopic<Fill>,
    folder: &Path,
    from: u64,
    children: &mut [Child],
    victim: usize,
) -> Duration {
    const ACCOUNTS: u64 = 100;
    // Every process has its share again, and none is told apart from one that was stopped.
    eventually("all are there", Duration::from_secs(30), async || {
        topic.state(GROUP).await.unwrap().consumers == PROCESSES as u64
    })
    .await;
    sleep(LEASE).await;
    let (mut published, began, mut is_killed) = (BTreeMap::new(), Instant::now(), false);
    for number in from.. {
        if !is_killed && began.elapsed() > LEASE / 2 {
            children[victim].kill().await;
            is_killed = true;
        }
        published.insert(number, now());
        publish(topic, ACCOUNTS, number).await;
        if began.elapsed() > 3 * LEASE {
            break;
        }
        sleep(millis(20)).await;
    }
    eventually("all is settled", Duration::from_secs(60), async || {
        let state = topic.state(GROUP).await.unwrap();
        state.lag == 0 && state.pending == 0
    })
    .await;
    let mut first: BTreeMap<(u64, u64), u128> = BTreeMap::new();
    for (at, account, number) in read(folder) {
        first.entry((account, number)).or_insert(at);
    }
    let waits = published.iter().flat_map(|(number, at)| {
        let first = &first;
        (0..ACCOUNTS).map(move |account| first[&(account, *number)].saturating_sub(*at))
    });
    Duration::from_nanos(u64::try_from(waits.max().unwrap()).unwrap())
}
