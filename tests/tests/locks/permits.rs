//! Processes that are killed while they hold permits.

use std::collections::HashMap;
use std::time::Duration;

use mystocks_lock::{Keyspace, Resource, Semaphore};
use mystocks_redis_core::redis::cmd;
use mystocks_redis_core::{Call, RedisManager, Script};
use mystocks_testkit::{RedisServer, eventually};
use tokio::time::{Instant, sleep};

use crate::child::{Child, Order, order};
use crate::{connect, is_long, locker, millis, seed};

const TEST: &str = "permits::a_killed_holder_leaks_no_permit";
const PERMITS: u32 = 5;
const TTL: Duration = Duration::from_millis(600);
/// Where the processes write which permit they hold.
const HELD: &str = "held";

/// What is there, by the server's time: the live leases, and how many live waiters there are.
static LOOK: Script = Script::new(
    "local time = redis.call('TIME')
    local now = '(' .. string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
    return {redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf'), redis.call('ZCOUNT', KEYS[2], now, '+inf')}",
);

fn tasks() -> Resource {
    Resource::new("tasks").ttl(TTL)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_holder_leaks_no_permit() {
    match order::<Order>() {
        Some(order) => work(order).await,
        None => watch().await,
    }
}

/// The permit of somebody who was killed.
struct Dead {
    token: String,
    since: Instant,
    /// How long until its lease had ended, and until somebody else had the permit.
    ended: Option<Duration>,
    back: Option<Duration>,
}

/// Looks at the semaphore from outside.
struct Watch {
    redis: RedisManager,
    keys: [String; 2],
    semaphore: Semaphore,
    looks: u32,
    full: u32,
    /// How often `info` could be compared with what was there before and after.
    compared: u32,
    dead: Vec<Dead>,
}

impl Watch {
    async fn seen(&self) -> (Vec<String>, u64) {
        let keys = self.keys.each_ref().map(String::as_str);
        self.redis.script(&LOOK, &keys, &[], Call::repeatable()).await.unwrap()
    }

    async fn look(&mut self) {
        let (live, waiters) = self.seen().await;
        let info = self.semaphore.info().await.unwrap();
        let after = self.seen().await;
        let count = u32::try_from(live.len()).unwrap();
        assert!(count <= PERMITS, "{count} hold {PERMITS} permits");
        (self.looks, self.full) = (self.looks + 1, self.full + u32::from(count == PERMITS));
        for dead in self.dead.iter_mut().filter(|dead| dead.back.is_none() && !live.contains(&dead.token)) {
            dead.ended.get_or_insert(dead.since.elapsed());
            dead.back = (count == PERMITS).then(|| dead.since.elapsed());
        }
        if after == (live, waiters) {
            self.compared += 1;
            assert_eq!((info.held, info.waiters, info.permits), (count, waiters, PERMITS), "{info:?}");
        }
    }

    /// Takes in that whoever wrote to hold `token` was killed.
    async fn killed(&mut self, token: Option<String>) {
        let (live, _) = self.seen().await;
        let Some(member) = token.and_then(|token| live.into_iter().find(|one| one.starts_with(&token)))
        else {
            return;
        };
        self.dead.push(Dead { token: member, since: Instant::now(), ended: None, back: None });
    }
}

async fn watch() {
    let seed = seed();
    let (processes, lasts) = if is_long() { (50, 60) } else { (16, 6) };
    println!("permits: {processes} processes, {lasts} s, seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let server = RedisServer::start().await;
    let (redis, locker) = (connect(&server.url()).await, locker(&server.url()).await);
    let semaphore = locker.semaphore(tasks(), PERMITS).unwrap();
    let mut started = 0;
    let mut start = || {
        started += 1;
        let name = format!("p{started}");
        let order =
            Order { url: server.url(), resource: String::new(), name, seed: seed.wrapping_add(started) };
        Child::start(TEST, &order.name, &order)
    };
    let mut children: Vec<Child> = (0..processes).map(|_| start()).collect();
    eventually("all are taken", Duration::from_secs(60), async || {
        semaphore.info().await.unwrap().held == PERMITS
    })
    .await;
    let spot = "{mystocks:lock:tasks}:permits";
    assert!(spot.contains(Keyspace::default().lock("tasks").unwrap().as_str()));
    let keys = [spot.to_owned(), format!("{spot}:waiters")];
    let mut watch = Watch { redis, keys, semaphore, looks: 0, full: 0, compared: 0, dead: Vec::new() };
    let (end, mut kills) = (Instant::now() + Duration::from_secs(lasts), 0);
    let mut next = Instant::now();
    while Instant::now() < end {
        watch.look().await;
        if Instant::now() >= next {
            next += millis(200);
            let held: HashMap<String, String> =
                watch.redis.query(cmd("HGETALL").arg(HELD), Call::repeatable()).await.unwrap();
            let holders: Vec<usize> =
                (0..children.len()).filter(|n| held.contains_key(&children[*n].name)).collect();
            // Every other one hits somebody who holds a permit.
            let holder = if random.bool() { random.choice(holders) } else { None };
            let victim = holder.unwrap_or_else(|| random.usize(..children.len()));
            assert!(!children[victim].has_ended(), "its complaint stands above");
            children[victim].kill().await;
            let token: Option<String> = watch
                .redis
                .query(cmd("HGET").arg(HELD).arg(&children[victim].name), Call::once())
                .await
                .unwrap();
            watch.killed(token).await;
            children[victim] = start();
            kills += 1;
        }
        sleep(millis(2)).await;
    }
    let Watch { looks, full, compared, dead, semaphore, .. } = watch;
    println!(
        "{kills} killed, {looks} looks, at {full} of them all permits were taken, info() compared {compared} times"
    );
    let (all, hit) = (dead.len(), dead.iter().filter(|dead| dead.back.is_some()).count());
    let most = |of: fn(&Dead) -> Option<Duration>| dead.iter().filter_map(of).max().unwrap_or_default();
    let (ended, back) = (most(|dead| dead.ended), most(|dead| dead.back));
    println!(
        "{all} held a permit; {hit} are somebody else's, after {back:?} at most; their leases ended after {ended:?} at most"
    );
    assert!(kills > 10 && full > looks / 10 && hit > 3, "it was worth looking");
    let (slow, least) = if is_long() { (millis(100), 1_000) } else { (millis(700), 20) };
    assert!(compared >= least, "{compared} were comparable");
    let soon = TTL + slow;
    let late = dead.iter().filter(|dead| dead.back.unwrap_or_else(|| dead.since.elapsed()) > soon);
    assert_eq!(late.count(), 0, "{back:?} until a dead permit is back");
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
    let (locker, redis) = (locker(&order.url).await, connect(&order.url).await);
    let semaphore = locker.semaphore(tasks(), PERMITS).unwrap();
    loop {
        if let Ok(Some(permit)) = semaphore.acquire(Duration::from_secs(10)).await {
            let token = permit.token().as_str();
            let held = cmd("HSET").arg(HELD).arg(&order.name).arg(token).to_owned();
            let _: () = redis.query(&held, Call::once()).await.unwrap();
            sleep(millis(random.u64(1..60))).await;
            let _: () = redis.query(cmd("HDEL").arg(HELD).arg(&order.name), Call::once()).await.unwrap();
            drop(permit);
        }
    }
}
