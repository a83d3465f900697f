//! Every event is handled though those who handle them are killed, stopped and cut off.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use mystocks_bus::{DurableTopic, Handling, Keyspace, Streams};
use mystocks_config::RedisSettings;
use mystocks_redis_core::RedisManager;
use mystocks_testkit::{FaultProxy, RedisServer};
use mystocks_tests::child::{Child, order};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::{Tick, is_long, millis, seed};

const TEST: &str = "chaos::killed_stopped_and_cut_off_they_handle_everything";
const PROCESSES: usize = 4;
const GROUP: &str = "workers";
/// Of all that is handled, in thousandths.
const MOST_TWICE: usize = 5;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    url: String,
    /// The file into which it writes what it has handled.
    ledger: PathBuf,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_stopped_and_cut_off_they_handle_everything() {
    match order::<Order>() {
        Some(order) => handle(order).await,
        None => judge().await,
    }
}

async fn topic(url: &str) -> DurableTopic<Tick> {
    let redis = RedisManager::start(&RedisSettings::from_url(url).unwrap()).await.unwrap();
    DurableTopic::new(Streams::new(redis, &Keyspace::default()), "ticks", "chaos").room(10_000_000)
}

/// Handles events until it is killed.
async fn handle(order: Order) {
    let ledger = OpenOptions::new().create(true).append(true).open(order.ledger).unwrap();
    let ledger = Arc::new(Mutex::new(ledger));
    let handling =
        Handling { lease: Duration::from_secs(1), deliveries: 1_000, prefetch: 128, ..Handling::default() };
    let handler = move |tick: mystocks_bus::Delivered<Tick>| {
        // A line at once: what is handled is written down, whatever becomes of this process.
        let written = ledger.lock().unwrap().write_all(format!("{}\n", tick.number).as_bytes());
        std::future::ready(written)
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

async fn judge() {
    let (seed, count) = (seed(), if is_long() { 1_000_000 } else { 100_000 });
    println!("chaos: {count} events, {PROCESSES} processes, seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (server, folder) = (RedisServer::start().await, tempfile::tempdir().unwrap());
    let url = format!("redis://{}/0", server.address());
    let mut proxies = Vec::new();
    for _ in 0..PROCESSES {
        proxies.push(FaultProxy::start(server.address()).await);
    }
    let mut started = 0;
    let mut start = |proxy: &FaultProxy| {
        started += 1;
        let order = Order { url: proxy.url(0), ledger: folder.path().join(started.to_string()) };
        Child::start(TEST, &format!("p{started}"), &order)
    };
    let topic = topic(&url).await;
    let mut children: Vec<Child> = proxies.iter().map(&mut start).collect();
    let publishing = {
        let topic = topic.clone();
        let publish = move |number| {
            let topic = topic.clone();
            async move { topic.publish(&Tick { number }).await }
        };
        futures::stream::iter(0..count)
            .map(publish)
            .buffer_unordered(64)
            .try_for_each(|_| std::future::ready(Ok(())))
    };
    let publishing = mystocks_tests::spawn(publishing);
    let began = Instant::now();
    let (mut killed, mut stopped, mut cut) = (0, 0, 0);
    let mut halted: Option<(usize, Instant)> = None;
    let (mut kill_at, mut stop_at, mut cut_at) = (millis(1_000), millis(1_500), millis(700));
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
            children[victim] = start(&proxies[victim]);
            (killed, kill_at) = (killed + 1, now + millis(2_000));
        } else if now >= stop_at && halted.is_none() {
            children[victim].signal("STOP").await;
            halted = Some((victim, Instant::now() + millis(random.u64(1_000..5_000))));
            (stopped, stop_at) = (stopped + 1, now + millis(10_000));
        } else if now >= cut_at {
            proxies[victim].cut();
            (cut, cut_at) = (cut + 1, now + millis(5_000));
        }
        let state = topic.state(GROUP).await.unwrap();
        if publishing.is_finished() && state.lag == 0 && state.pending == 0 {
            break;
        }
        assert!(now < Duration::from_secs(if is_long() { 3_600 } else { 300 }), "not done: {state:?}");
    }
    publishing.await.unwrap().unwrap();
    let took = began.elapsed();
    for child in &mut children {
        child.kill().await;
    }
    let handled = read(folder.path());
    let lost = (0..count).filter(|number| !handled.contains_key(number)).count();
    let twice: usize = handled.values().map(|times| times - 1).sum();
    let state = topic.state(GROUP).await.unwrap();
    println!(
        "killed {killed}, stopped {stopped}, cut off {cut}; {lost} lost, {twice} handled twice or more ({:.3} %), {} dead, {took:.1?}",
        100.0 * twice as f64 / count as f64,
        state.dead
    );
    assert_eq!((lost, state.dead, state.lag, state.pending), (0, 0, 0, 0));
    assert!(twice * 1_000 <= MOST_TWICE * usize::try_from(count).unwrap(), "{twice} twice");
    assert!(killed > 0 && stopped > 0 && cut > 0);
}

/// Returns how often each number was handled.
fn read(folder: &Path) -> BTreeMap<u64, usize> {
    let mut handled = BTreeMap::new();
    for file in fs::read_dir(folder).unwrap() {
        let text = std::io::read_to_string(File::open(file.unwrap().path()).unwrap()).unwrap();
        // A line that was cut off by a kill is none.
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            *handled.entry(line.parse().unwrap()).or_default() += 1;
        }
    }
    handled
}
