//! Eight processes write to one register under one lock while they are stopped and killed.

use std::time::Duration;

use mystocks_lock::Resource;
use mystocks_testkit::RedisServer;
use tokio::time::{Instant, sleep};

use crate::child::{Child, Order, now_us, order};
use crate::ledger::{self, Stops};
use crate::{connect, locker, millis, number, seed};

const TEST: &str = "register::stale_writes_are_refused";
const PROCESSES: u64 = 8;
const TTL: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stale_writes_are_refused() {
    match order::<Order>() {
        Some(order) => contend(order).await,
        None => judge().await,
    }
}

async fn judge() {
    let lasts =
        Duration::from_secs_f64(number::<f64>("MYSTOCKS_MINUTES").map_or(12.0, |minutes| 60.0 * minutes));
    let seed = seed();
    println!("lock soak: {PROCESSES} processes, {lasts:?}, seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (server, resource) = (RedisServer::start().await, RedisServer::start().await);
    let mut started = 0;
    let mut start = || {
        started += 1;
        let (url, resource) = (server.url(), resource.url());
        let order = Order { url, resource, name: format!("p{started}"), seed: seed.wrapping_add(started) };
        Child::start(TEST, &order.name, &order)
    };
    let mut children: Vec<Child> = (0..PROCESSES).map(|_| start()).collect();
    let watch = locker(&server.url()).await;
    let mut stops = Stops::new();
    let (mut stopped, mut killed) = (0, 0);
    let mut halted: Vec<(usize, u64, Instant)> = Vec::new();
    let end = Instant::now() + lasts;
    while Instant::now() < end {
        sleep(millis(random.u64(200..400))).await;
        for child in &mut children {
            assert!(!child.has_ended(), "{} found something wrong; its complaint stands above", child.name);
        }
        for (at, since, _) in halted.extract_if(.., |(_, _, until)| *until <= Instant::now()) {
            children[at].signal("CONT").await;
            stops.entry(children[at].name.clone()).or_default().push((since, now_us()));
        }
        // Most faults are meant for who holds the lock.
        let holder = watch.info("register").await.unwrap().and_then(|info| info.owner).map(|owner| owner.pid);
        let of_holder = children.iter().position(|child| Some(child.pid()) == holder);
        let victim = of_holder.filter(|_| random.u8(..4) > 0).unwrap_or(random.usize(..children.len()));
        if halted.iter().any(|(at, ..)| *at == victim) || halted.len() > 4 {
            continue;
        }
        if random.u8(..4) == 0 {
            let since = now_us();
            children[victim].kill().await;
            stops.entry(children[victim].name.clone()).or_default().push((since, u64::MAX));
            children[victim] = start();
            killed += 1;
        } else {
            let since = now_us();
            children[victim].signal("STOP").await;
            halted.push((victim, since, Instant::now() + millis(random.u64(500..3_000))));
            stopped += 1;
        }
    }
    for (at, since, _) in halted {
        children[at].signal("CONT").await;
        stops.entry(children[at].name.clone()).or_default().push((since, now_us()));
    }
    sleep(millis(500)).await;
    for child in &mut children {
        child.kill().await;
    }
    let redis = connect(&resource.url()).await;
    let writes = ledger::read(&redis).await;
    let refused = writes.iter().filter(|write| !write.accepted).count();
    let complaints = ledger::complaints(&writes, &stops);
    println!(
        "stopped {stopped}, killed {killed}; {} writes, of which {refused} stale and refused",
        writes.len()
    );
    assert_eq!(complaints, Vec::<String>::new());
    assert!(refused > 0, "the faults have to hit who holds the lock");
    assert!(writes.len() > 10 * usize::try_from(lasts.as_secs()).unwrap(), "it goes on all the time");
}

async fn contend(order: Order) {
    let mut random = fastrand::Rng::with_seed(order.seed);
    let (locker, redis) = (locker(&order.url).await, connect(&order.resource).await);
    loop {
        let resource = Resource::new("register").ttl(TTL);
        let Ok(Some(guard)) = locker.lock(resource, Duration::from_secs(10)).await else { continue };
        let fence = guard.fence().unwrap().get();
        for _ in 0..random.u8(1..60) {
            let (checked, began, until) = (now_us(), Instant::now(), guard.valid_until());
            if !guard.is_valid() {
                break;
            }
            // What it is to write has to be thought of: here it may be stopped.
            sleep(Duration::from_micros(random.u64(100..4_000))).await;
            if began.elapsed() > TTL && Instant::now() > until {
                assert!(!guard.is_valid(), "stopped past the end, it knows at the first look");
            }
            ledger::write(&redis, fence, &order.name, checked).await;
        }
        drop(guard);
    }
}
