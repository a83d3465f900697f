//! Processes that are killed while they hold permits.

use std::time::Duration;

use mystocks_lock::Resource;
use mystocks_redis_core::{Call, Script};
use mystocks_testkit::{RedisServer, eventually};
use tokio::time::{Instant, sleep};

use crate::child::{Child, Order, order};
use crate::{connect, locker, millis};

const TEST: &str = "permits::a_killed_holder_leaks_no_permit";
const PERMITS: u32 = 5;
const PROCESSES: u64 = 16;
const TTL: Duration = Duration::from_millis(600);

/// Counts the leases that live now, by the server's time.
static LIVE: Script = Script::new(
    "local time = redis.call('TIME')
    return redis.call('ZCOUNT', KEYS[1], '(' .. time[1] * 1000 + math.floor(time[2] / 1000), '+inf')",
);

fn tasks() -> Resource {
    Resource::new("tasks").ttl(TTL)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_holder_leaks_no_permit() {
    match order() {
        Some(order) => work(order).await,
        None => watch().await,
    }
}

async fn watch() {
    let seed = fastrand::u64(..1 << 32);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let server = RedisServer::start().await;
    let (redis, locker) = (connect(&server.url()).await, locker(&server.url()).await);
    let semaphore = locker.semaphore(tasks(), PERMITS).unwrap();
    let mut started = 0;
    let mut start = || {
        started += 1;
        let order = Order {
            url: server.url(),
            resource: String::new(),
            name: format!("p{started}"),
            seed: seed + started,
        };
        Child::start(TEST, &order)
    };
    let mut children: Vec<Child> = (0..PROCESSES).map(|_| start()).collect();
    eventually("all are taken", Duration::from_secs(30), async || {
        semaphore.info().await.unwrap().held == PERMITS
    })
    .await;
    let (end, mut kills, mut looks, mut full) = (Instant::now() + Duration::from_secs(6), 0, 0, 0);
    let mut next = Instant::now();
    while Instant::now() < end {
        let live: u32 =
            redis.script(&LIVE, &["{mystocks:lock:tasks}:permits"], &[], Call::repeatable()).await.unwrap();
        assert!(live <= PERMITS, "{live} hold {PERMITS} permits");
        (looks, full) = (looks + 1, full + u32::from(live == PERMITS));
        if Instant::now() >= next {
            next += millis(200);
            let victim = random.usize(..children.len());
            children[victim].kill().await;
            children[victim] = start();
            kills += 1;
        }
        sleep(millis(2)).await;
    }
    println!("{kills} killed, {looks} looks, at {full} of them all permits were taken");
    assert!(kills > 10 && full > looks / 10, "it was worth looking");
    for child in &mut children {
        child.kill().await;
    }
    let dead = Instant::now();
    eventually("all permits are free", Duration::from_secs(20), async || {
        semaphore.info().await.unwrap().held == 0
    })
    .await;
    assert!(dead.elapsed() <= TTL + Duration::from_secs(2), "{:?}", dead.elapsed());
    let mut guards = Vec::new();
    for _ in 0..PERMITS {
        guards.push(semaphore.acquire(Duration::from_secs(10)).await.unwrap().unwrap());
    }
    assert!(semaphore.try_acquire().await.unwrap().is_none());
}

async fn work(order: Order) {
    let mut random = fastrand::Rng::with_seed(order.seed);
    let locker = locker(&order.url).await;
    let semaphore = locker.semaphore(tasks(), PERMITS).unwrap();
    loop {
        if let Ok(Some(permit)) = semaphore.acquire(Duration::from_secs(10)).await {
            sleep(millis(random.u64(1..60))).await;
            drop(permit);
        }
    }
}
