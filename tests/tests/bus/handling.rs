//! What kills its handlers lies aside and takes nothing with it; what takes long is handled once.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mystocks_bus::{Append, Delivered, DurableTopic, Event, Handling, Keyspace, Log, Room, Streams};
use mystocks_config::RedisSettings;
use mystocks_redis_core::RedisManager;
use mystocks_testkit::RedisServer;
use mystocks_tests::child::{Child, order, say};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::{Tick, is_long, millis, seed};

const GROUP: &str = "workers";
const TOPIC: &str = "ticks";

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    url: String,
    /// The file into which it writes what it has handled.
    ledger: PathBuf,
}

async fn log(url: &str) -> Streams {
    let redis = RedisManager::start(&RedisSettings::from_url(url).unwrap()).await.unwrap();
    Streams::new(redis, &Keyspace::default())
}

fn topic(log: &Streams) -> DurableTopic<Tick> {
    DurableTopic::new(log.clone(), TOPIC, "tests")
}

/// What a tick does to who handles it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Nothing,
    Fail,
    Panic,
    Abort,
}

impl Does {
    fn of(number: u64) -> Self {
        match number % 100 {
            10 => Self::Fail,
            20 => Self::Panic,
            // Each costs five processes.
            30 if number < 500 => Self::Abort,
            _ => Self::Nothing,
        }
    }
}

/// How often each is given to a handler.
const DELIVERIES: u64 = 5;

fn short_lived() -> Handling {
    Handling {
        at_once: 8,
        prefetch: 32,
        deliveries: DELIVERIES,
        again_after: millis(2),
        again_at_most: millis(10),
        lease: millis(400),
        ..Handling::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_lies_aside_and_takes_nothing_with_it() {
    match order::<Order>() {
        Some(order) => handle(order).await,
        None => poison().await,
    }
}

/// Handles events until it is killed, or kills itself.
async fn handle(order: Order) {
    // Its bugs are no news.
    std::panic::set_hook(Box::new(|_| {}));
    let ledger = OpenOptions::new().create(true).append(true).open(order.ledger).unwrap();
    let ledger = Arc::new(Mutex::new(ledger));
    let handler = move |tick: Delivered<Tick>| {
        let written = ledger.lock().unwrap().write_all(format!("{}\n", tick.number).as_bytes());
        match Does::of(tick.number) {
            Does::Nothing => written.unwrap(),
            Does::Fail => return std::future::ready(Err("it always fails")),
            Does::Panic => panic!("a bug"),
            Does::Abort => std::process::abort(),
        }
        std::future::ready(Ok(()))
    };
    let topic = topic(&log(&order.url).await);
    let _worker = topic.consume(GROUP, short_lived(), handler).await.unwrap();
    std::future::pending::<()>().await;
}

async fn poison() {
    let (seed, count) = (seed(), if is_long() { 100_000 } else { 10_000_u64 });
    println!("poison: {count} events, a fiftieth of them poison, seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (server, folder) = (RedisServer::start().await, tempfile::tempdir().unwrap());
    let url = format!("redis://{}/0", server.address());
    let log = log(&url).await;
    let topic = topic(&log);
    let garbage = Append { payload: b"\x00\xff no event", once: None };
    log.append(TOPIC, Room::Safe(1_000_000), &[garbage; 20]).await.unwrap();
    for numbers in (0..count).collect::<Vec<_>>().chunks(500) {
        let ticks: Vec<_> = numbers.iter().map(|number| Tick { number: *number }).collect();
        topic.publish_all(&ticks).await.unwrap();
    }
    let mut started = 0;
    let mut start = || {
        started += 1;
        let ledger = folder.path().join(started.to_string());
        Child::start(
            "handling::poison_lies_aside_and_takes_nothing_with_it",
            &format!("p{started}"),
            &Order { url: url.clone(), ledger },
        )
    };
    let mut children = [start(), start()];
    let (mut aborted, mut killed) = (0, 0);
    let (began, mut kill_at) = (Instant::now(), millis(800));
    loop {
        sleep(millis(20)).await;
        for child in &mut children {
            if child.has_ended() {
                *child = start();
                aborted += 1;
            }
        }
        let now = began.elapsed();
        if now >= kill_at {
            let victim = random.usize(..children.len());
            children[victim].kill().await;
            children[victim] = start();
            (killed, kill_at) = (killed + 1, now + millis(random.u64(500..2_500)));
        }
        let state = topic.state(GROUP).await.unwrap();
        if state.lag == 0 && state.pending == 0 && state.consumers > 0 {
            break;
        }
        assert!(now < Duration::from_secs(if is_long() { 1_800 } else { 200 }), "not done: {state:?}");
    }
    let took = began.elapsed();
    for child in &mut children {
        child.kill().await;
    }
    let handled = read(folder.path());
    let dead = topic.dead_letters(GROUP, None, usize::MAX >> 1).await.unwrap();
    println!("{aborted} processes aborted, {killed} killed, {} dead letters, {took:.1?}", dead.len());
    let mut reasons: BTreeMap<u64, Vec<(u64, String)>> = BTreeMap::new();
    let mut unreadable = 0;
    for letter in &dead {
        let death = letter.death.clone().unwrap();
        assert!(death.at >= death.id.millis);
        if letter.payload == garbage.payload {
            assert!(death.reason.starts_with("it cannot be read: ") && letter.deliveries <= DELIVERIES);
            unreadable += 1;
            continue;
        }
        let text = String::from_utf8(letter.payload.to_vec()).unwrap();
        assert!(text.contains(&format!("\"type\": \"{}\"", Tick::TYPE)), "{text}");
        let number = text.rsplit("\"number\": ").next().unwrap().trim_end_matches('}').parse().unwrap();
        reasons.entry(number).or_default().push((letter.deliveries, death.reason));
    }
    assert_eq!(unreadable, 20);
    for number in 0..count {
        let (does, found) = (Does::of(number), reasons.remove(&number).unwrap_or_default());
        let times = handled.get(&number).copied().unwrap_or_default();
        if does == Does::Nothing {
            assert!(times >= 1 && found.is_empty(), "{number}: handled {times} times, dead {found:?}");
            continue;
        }
        let [(deliveries, reason)] = &found[..] else { panic!("{number}: {does:?}, dead {found:?}") };
        // A killed process may have held it without having begun with it.
        assert!(
            *deliveries == DELIVERIES && times <= DELIVERIES,
            "{number}: {does:?}, {deliveries}, {times}"
        );
        let expected: &[&str] = match does {
            Does::Fail => &["it always fails", "its consumer died"],
            Does::Panic => &["its handler panicked: a bug", "its consumer died"],
            Does::Abort | Does::Nothing => &["its consumer died"],
        };
        assert!(expected.contains(&reason.as_str()), "{number}: {does:?}, {reason}");
    }
    assert!(aborted > 0 && killed > 0);
}

/// Returns how often each number was handled.
fn read(folder: &Path) -> BTreeMap<u64, u64> {
    let mut handled = BTreeMap::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            *handled.entry(line.parse().unwrap()).or_default() += 1;
        }
    }
    handled
}

/// What a child tells of.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Told {
    Begun,
    /// Could not be acknowledged: it was somebody else's by then.
    Lost(u64),
}

/// Who is stopped loses what it has to another, soon after its lease has ended, and hears of it when it goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stood_still_hears_that_it_has_lost() {
    const TEST: &str = "handling::who_stood_still_hears_that_it_has_lost";
    let handling = Handling { lease: millis(1_000), ..Handling::default() };
    if let Some(order) = order::<Order>() {
        let topic = topic(&log(&order.url).await);
        let handler = |_: Delivered<Tick>| async {
            say(&Told::Begun);
            // Long enough to be stopped in, short enough to end soon after.
            sleep(millis(500)).await;
            Ok::<_, &str>(())
        };
        let worker = topic.consume(GROUP, handling, handler).await.unwrap();
        while worker.handled().lost == 0 {
            sleep(millis(5)).await;
        }
        say(&Told::Lost(worker.handled().lost));
        return std::future::pending().await;
    }
    let server = RedisServer::start().await;
    let url = format!("redis://{}/0", server.address());
    let topic = topic(&log(&url).await);
    let order = Order { url, ledger: PathBuf::new() };
    let mut child = Child::start(TEST, "stopped", &order);
    topic.publish(&Tick { number: 7 }).await.unwrap();
    assert_eq!(child.said::<Told>().await, Told::Begun);
    child.signal("STOP").await;
    let (sender, mut handled) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |tick: Delivered<Tick>| {
        let _ = sender.send((tick.number, tick.deliveries, Instant::now()));
        std::future::ready(Ok::<_, &str>(()))
    };
    let stopped = Instant::now();
    let worker = topic.consume(GROUP, handling, handler).await.unwrap();
    let (number, deliveries, at) = handled.recv().await.unwrap();
    assert_eq!((number, deliveries), (7, 2));
    println!("taken over {:?} after it was stopped, with a lease of {:?}", at - stopped, handling.lease);
    child.signal("CONT").await;
    assert_eq!(child.said::<Told>().await, Told::Lost(1));
    assert_eq!(worker.handled().done, 1);
    worker.shutdown().await;
}

/// Ten times as long as the lease, and all at once: each is delivered once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_long_is_handled_once() {
    let count = 1_000;
    let (lease, takes) = (millis(500), if is_long() { millis(10_000) } else { millis(3_000) });
    let server = RedisServer::start().await;
    let url = format!("redis://{}/0", server.address());
    let log = log(&url).await;
    let topic = topic(&log);
    let ticks: Vec<_> = (0..count).map(|number| Tick { number }).collect();
    topic.publish_all(&ticks).await.unwrap();
    let calls: Arc<Mutex<BTreeMap<u64, Vec<u64>>>> = Arc::default();
    let mut workers = Vec::new();
    for _ in 0..2 {
        let calls = Arc::clone(&calls);
        let handler = move |tick: Delivered<Tick>| {
            calls.lock().unwrap().entry(tick.number).or_default().push(tick.deliveries);
            async move {
                sleep(takes).await;
                Ok::<_, &str>(())
            }
        };
        // The second half waits behind the first.
        let handling = Handling { lease, at_once: 250, prefetch: 250, ..Handling::default() };
        workers.push(topic.consume(GROUP, handling, handler).await.unwrap());
    }
    let began = Instant::now();
    loop {
        let state = topic.state(GROUP).await.unwrap();
        assert_eq!((state.waiting, state.dead), (0, 0), "nothing is taken away");
        if state.lag == 0 && state.pending == 0 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "not done: {state:?}");
        sleep(millis(100)).await;
    }
    let calls = std::mem::take(&mut *calls.lock().unwrap());
    assert_eq!(calls.len(), 1_000);
    assert!(calls.values().all(|deliveries| *deliveries == [1]), "{calls:?}");
    for worker in workers {
        assert_eq!(worker.handled().lost, 0);
        worker.shutdown().await;
    }
}
