//! Processes that are stopped until past the end of what they hold: they know it at the first look.

use std::time::Duration;

use futures::future::join_all;
use mystocks_lock::Resource;
use mystocks_testkit::RedisServer;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout};

use crate::child::{Child, Order, now_us, order, say};
use crate::{is_long, locker, millis, seed};

const TEST: &str = "stopped::who_was_stopped_past_the_end_knows_it_at_once";
const TTL: Duration = Duration::from_millis(300);
const PROCESSES: u64 = 6;

/// The first look that began after the process did nothing for longer than a time to live.
#[derive(Debug, Serialize, Deserialize)]
struct Look {
    /// When it did something for the last time, and when it looked, in microseconds since the epoch.
    from: u64,
    to: u64,
    is_valid: bool,
    /// Whether it was, a little later.
    is_valid_later: bool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_stopped_past_the_end_knows_it_at_once() {
    match order::<Order>() {
        Some(order) => look(order).await,
        None => stop().await,
    }
}

async fn stop() {
    let (server, seed) = (RedisServer::start().await, seed());
    let trials = if is_long() { 300 } else { 24 };
    println!("stopped: {trials} trials, seed {seed}");
    let children = (0..PROCESSES).map(|n| {
        let order = Order {
            url: server.url(),
            resource: String::new(),
            name: format!("p{n}"),
            seed: seed.wrapping_add(n),
        };
        (Child::start(TEST, &order.name, &order), fastrand::Rng::with_seed(seed.wrapping_add(n)))
    });
    let each = trials / PROCESSES;
    let looks = join_all(children.map(async |(child, random)| stop_one(child, random, each).await)).await;
    let (looks, missed): (Vec<Vec<Look>>, Vec<u64>) = looks.into_iter().unzip();
    let looks: Vec<Look> = looks.into_iter().flatten().collect();
    let late = looks.iter().filter(|look| look.is_valid || look.is_valid_later).count();
    println!(
        "is_valid() false at the first call after SIGCONT: {} of {}; {} stops hit nothing that was held",
        looks.len() - late,
        looks.len(),
        missed.iter().sum::<u64>()
    );
    assert_eq!(looks.len() as u64, trials);
    assert_eq!(late, 0, "{looks:?}");
}

/// Stops a process again and again until so many looks after it are known; returns them, and how often it held nothing.
async fn stop_one(mut child: Child, mut random: fastrand::Rng, wanted: u64) -> (Vec<Look>, u64) {
    let _: String = child.said().await;
    let (mut looks, mut missed, end) = (Vec::new(), 0, Instant::now() + Duration::from_secs(200));
    while (looks.len() as u64) < wanted {
        assert!(Instant::now() < end, "{looks:?}");
        sleep(millis(random.u64(50..350))).await;
        child.signal("STOP").await;
        let stopped = now_us();
        sleep(TTL + millis(random.u64(20..200))).await;
        let goes_on = now_us();
        child.signal("CONT").await;
        let of_this_stop = async {
            loop {
                let look: Look = child.said().await;
                // It may have had no turn for so long on a busy machine, too.
                if look.from <= stopped && look.to >= goes_on {
                    return look;
                }
            }
        };
        match timeout(Duration::from_secs(1), of_this_stop).await {
            Ok(look) => looks.push(look),
            Err(_) => missed += 1,
        }
    }
    child.kill().await;
    (looks, missed)
}

async fn look(order: Order) {
    let locker = locker(&order.url).await;
    say(&"ready");
    loop {
        let resource = Resource::new(order.name.clone()).ttl(TTL);
        let Ok(Some(guard)) = locker.lock(resource, Duration::from_secs(5)).await else { continue };
        let mut last = now_us();
        loop {
            let (from, began) = (last, now_us());
            let is_valid = guard.is_valid();
            let ended = now_us();
            if is_after_a_stop(from, began) {
                sleep(millis(20)).await;
                say(&Look { from, to: began, is_valid, is_valid_later: guard.is_valid() });
                break;
            }
            if is_after_a_stop(began, ended) {
                // It was stopped while it looked: the first call after that is the next one.
                last = began;
                continue;
            }
            if !is_valid {
                break;
            }
            last = ended;
            sleep(Duration::from_micros(200)).await;
        }
        drop(guard);
    }
}

fn is_after_a_stop(from: u64, to: u64) -> bool {
    u128::from(to.saturating_sub(from)) > TTL.as_micros()
}
