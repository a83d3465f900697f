//! One process of the soak.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mystocks_cache::{Cache, CacheHub, ErrorKind, Keyspace, Loaded, Policy, RedisStore};
use mystocks_config::RedisSettings;
use mystocks_redis_core::redis::aio::MultiplexedConnection;
use mystocks_redis_core::redis::{Client, cmd, pipe};
use mystocks_redis_core::{Event, RedisManager};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::book::{Order, Report};
use crate::oracle::{Change, Oracle, Verdict};

const HOT: usize = 500;
const TAGS: usize = 10;
const TICK: Duration = Duration::from_millis(2);

#[derive(Clone)]
struct Shop {
    cache: Cache<String, (u64, String)>,
    hub: CacheHub,
    source: MultiplexedConnection,
    oracle: Arc<Oracle>,
    book: Arc<Mutex<Report>>,
    took: Arc<Mutex<Vec<u64>>>,
    sequence: Arc<AtomicU64>,
}

pub(crate) async fn run(order: Order) -> Report {
    let mut random = fastrand::Rng::with_seed(order.seed);
    let settings = RedisSettings::from_url(&order.url).unwrap();
    let manager = RedisManager::start(&settings).await.unwrap();
    let hub = CacheHub::redis(&RedisStore::new(manager.clone()), &Keyspace::default()).unwrap();
    let policy = Policy {
        ttl: Duration::from_secs(30),
        l1_capacity: 8 * 1024 * 1024,
        l2_timeout: Duration::from_millis(100),
        max_loads: 256,
        ..Policy::default()
    };
    let cache = hub.cache("soak").policy(policy).build().unwrap();
    let source = Client::open(order.source.as_str()).unwrap();
    let source = source.get_multiplexed_async_connection().await.unwrap();
    let shop = Shop {
        cache,
        hub,
        source,
        oracle: Arc::default(),
        book: Arc::default(),
        took: Arc::default(),
        sequence: Arc::default(),
    };
    let listener = RedisManager::start(&RedisSettings::from_url(&order.source).unwrap()).await.unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let mut helpers = JoinSet::new();
    helpers.spawn(listen(listener.clone(), Arc::clone(&shop.oracle)));
    helpers.spawn(feel(shop.clone()));
    helpers.spawn(change(shop.clone(), random.fork(), Arc::clone(&over)));

    let mut requests = JoinSet::new();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (began, mut issued, mut early) = (Instant::now(), 0_u64, 0_u64);
    while began.elapsed() < order.lasts {
        ticks.tick().await;
        let due = u64::try_from(began.elapsed().as_micros()).unwrap() * order.per_second / 1_000_000;
        // What the machine does not give is not caught up with in one heap.
        issued = issued.max(due.saturating_sub(order.per_second / 10));
        while issued < due && requests.len() < 5_000 {
            issued += 1;
            requests.spawn(request(shop.clone(), random.fork()));
        }
        while requests.try_join_next().is_some_and(|done| done.map_err(panicked).is_ok()) {}
        if early == 0 && began.elapsed() > order.lasts.mul_f64(0.3) {
            early = memory();
        }
    }
    over.store(true, Ordering::Relaxed);
    while let Some(done) = requests.join_next().await {
        done.unwrap();
    }
    let late = memory();
    sleep(Duration::from_secs(1)).await;
    let in_flight = shop.cache.stats().in_flight;
    helpers.shutdown().await;
    shop.cache.shutdown().await;
    shop.hub.shutdown().await;
    let mut report = shop.book.lock().unwrap().clone();
    report.count(&shop.cache.stats());
    (report.in_flight, report.memory) = (in_flight, (early, late));
    let mut took = std::mem::take(&mut *shop.took.lock().unwrap());
    took.sort_unstable();
    report.p99_us = took.get(took.len().saturating_mul(99) / 100).copied().unwrap_or(0);
    drop(shop);
    manager.shutdown().await;
    listener.shutdown().await;
    sleep(Duration::from_secs(1)).await;
    // What drives the plain connection to the source ended with the last handle to it.
    report.tasks_left = tokio::runtime::Handle::current().metrics().num_alive_tasks() as u64;
    report
}

fn panicked(error: tokio::task::JoinError) {
    std::panic::resume_unwind(error.into_panic());
}

async fn request(shop: Shop, mut random: fastrand::Rng) {
    // Four in five read what is hot, which is in L1 but for what was changed or has expired.
    let hot = random.u8(..100) < 80;
    let key = random.usize(..HOT);
    let name = if hot { hot_name(key) } else { format!("cold-{:016x}", random.u64(..)) };
    let kind = random.u16(..1000);
    let (fails, absent) = (!hot && kind < 20, !hot && (20..60).contains(&kind));
    let source = shop.source.clone();
    let own = name.clone();
    let load = move |cx: mystocks_cache::LoadCtx<(u64, String)>| async move {
        if !hot {
            sleep(Duration::from_millis(1)).await;
            return match (fails, absent) {
                (true, _) => Err(io::Error::other("asked for")),
                (_, true) => Ok(Loaded::Absent),
                _ => Ok(Loaded::Value((0, own))),
            };
        }
        cx.tag(format!("tag-{}", key % TAGS));
        let version: Option<u64> =
            cmd("GET").arg(&own).query_async(&mut source.clone()).await.map_err(io::Error::other)?;
        sleep(Duration::from_millis(2)).await;
        Ok(Loaded::Value((version.unwrap_or(0), own)))
    };
    let patience = (random.u8(..10) == 0).then(|| Duration::from_micros(random.u64(..3000)));
    let (clock, began) = (Instant::now(), now_us());
    shop.book.lock().unwrap().begun += 1;
    let reading = shop.cache.get_or_load(&name, load);
    let read = match patience {
        Some(patience) => timeout(patience, reading).await,
        None => Ok(reading.await),
    };
    let mut book = shop.book.lock().unwrap();
    let Ok(read) = read else {
        book.cancelled += 1;
        return;
    };
    book.answered += 1;
    match read {
        Err(error) => {
            book.failed += 1;
            book.wanted_failures += u64::from(error.kind() == ErrorKind::Load && fails);
        }
        Ok(Some(read)) if hot => {
            assert_eq!(read.value.1, name, "another key's value");
            book.judged += 1;
            match shop.oracle.judge(key, read.value.0, began) {
                Verdict::Good => {}
                Verdict::OldInOutage => book.old_in_outage += 1,
                Verdict::TooOld => book.too_old += 1,
            }
        }
        Ok(_) => {}
    }
    drop(book);
    if shop.sequence.fetch_add(1, Ordering::Relaxed).is_multiple_of(50) {
        shop.took.lock().unwrap().push(u64::try_from(clock.elapsed().as_micros()).unwrap());
    }
}

/// Changes what is hot, one key or one tag at a time, and tells every process when the change has returned.
async fn change(shop: Shop, mut random: fastrand::Rng, over: Arc<AtomicBool>) {
    let mut source = shop.source.clone();
    while !over.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(random.u64(10..90))).await;
        let by_tag = random.u8(..20) == 0;
        let first = random.usize(..HOT);
        let keys: Vec<usize> = if by_tag { (first % TAGS..HOT).step_by(TAGS).collect() } else { vec![first] };
        let mut raise = pipe();
        keys.iter().for_each(|key| {
            raise.cmd("INCR").arg(hot_name(*key));
        });
        let versions: Vec<u64> = raise.query_async(&mut source).await.unwrap();
        if by_tag {
            let _done = shop.hub.invalidate_tag(&format!("tag-{}", first % TAGS)).await.unwrap();
        } else {
            let _done = shop.cache.invalidate(&hot_name(first)).await.unwrap();
        }
        let change = Change { names: keys.into_iter().zip(versions).collect(), at_us: now_us() };
        shop.oracle.changed(&change, true);
        shop.book.lock().unwrap().changes += 1;
        let text = serde_json::to_string(&change).unwrap();
        let _: u64 = cmd("PUBLISH").arg("changes").arg(text).query_async(&mut source).await.unwrap();
    }
}

async fn listen(listener: RedisManager, oracle: Arc<Oracle>) {
    let mut changes = listener.subscribe(&["changes"], 10_000);
    while let Some(event) = changes.next().await {
        if let Event::Message { payload, .. } = event {
            oracle.changed(&serde_json::from_slice(&payload).unwrap(), false);
        }
    }
}

/// Notes when this process was last without L2 or the others.
async fn feel(shop: Shop) {
    loop {
        let state = shop.hub.state();
        if !(state.reads && state.writes && state.hears_others && state.queued == 0) {
            shop.oracle.unwell(now_us());
        }
        sleep(Duration::from_millis(20)).await;
    }
}

fn hot_name(key: usize) -> String {
    format!("hot-{key}")
}

fn now_us() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

/// Resident memory in kilobytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse().ok()).unwrap_or(0)
}
