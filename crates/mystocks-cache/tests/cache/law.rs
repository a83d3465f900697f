//! The law of times: L1 ends no later than L2, L2 no later than it was meant to, and nothing is served past its end.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mystocks_cache::{Cache, Keyspace, Lifetime, Policy, Put, Store, Tier};
use tokio::time::{Instant, advance, sleep};

use crate::faulty::{Fleet, Mode, Node, assert_ledger, millis, plain, secs};
use crate::nodes::settle;

/// How many steps are tried; `cargo xtask soak law` tries a million.
const STEPS: u64 = 100_000;
const TTL: Duration = secs(60);
const STALE: Duration = secs(30);
/// How far a process's reading of the store's clock is off, either way, and the rounding of its milliseconds.
const SKEW_MS: i64 = 10;
const SLACK: Duration = millis(SKEW_MS as u64 * 2 + 2);

fn law() -> Policy {
    let life = Policy { ttl: TTL, jitter: 0.1, early_refresh: 1.0, stale_if_error: STALE, ..plain() };
    Policy { l1_ttl: secs(600), retry_after: secs(1), ..life }
}

/// When each value was made.
#[derive(Default)]
struct Book {
    next: AtomicU64,
    made: Mutex<HashMap<u64, Instant>>,
}

impl Book {
    fn make(&self) -> u64 {
        let value = self.next.fetch_add(1, Ordering::SeqCst);
        self.made.lock().unwrap().insert(value, Instant::now());
        value
    }
    fn age(&self, value: u64) -> Duration {
        self.made.lock().unwrap()[&value].elapsed()
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_served_past_its_time_in_random_steps() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (fleet, book) = (Fleet::new(), Arc::<Book>::default());
    let nodes: Vec<Node> = (0..3).map(|_| fleet.node(law())).collect();
    for (node, skew) in nodes.iter().zip([-SKEW_MS, 0, SKEW_MS]) {
        node.skew_ms.store(skew, Ordering::SeqCst);
    }
    settle().await;
    let (mut requests, mut stale, mut fresh) = ([0_u64; 3], 0_u64, 0_u64);
    let steps = std::env::var("MYSTOCKS_STEPS").ok().map_or(STEPS, |steps| steps.parse().unwrap());
    for step in 0..steps {
        let at = random.usize(..3);
        let (node, key) = (&nodes[at], format!("{}", random.u8(..40)));
        match random.u8(..100) {
            0 => node.cache.drop_l1(),
            1 => drop(node.cache.invalidate(&key).await.unwrap()),
            2 => drop(node.cache.set(&key, book.make()).await.unwrap()),
            3 => advance(millis(random.u64(..2_000))).await,
            4 => sleep(millis(random.u64(..50))).await,
            5 => {
                let mode = if random.bool() { Mode::Answer } else { Mode::Slow(millis(random.u64(1..19))) };
                fleet.set(mode);
            }
            6 => {
                if let Some(value) = node.cache.peek(&key) {
                    // A stale value waits here for its loader's next turn.
                    assert!(book.age(*value) <= TTL + STALE + SLACK, "step {step}, seed {seed}");
                }
            }
            dice => {
                requests[at] += 1;
                let (fails, book_too) = (dice % 4 == 0, Arc::clone(&book));
                let takes = millis(random.u64(..300) / 10);
                let load = move |_| async move {
                    sleep(takes).await;
                    if fails { Err(std::fmt::Error) } else { Ok(book_too.make()) }
                };
                let Ok(read) = node.cache.get_or_compute(&key, load).detail().await else { continue };
                let (age, limit) = match read.stale {
                    None => {
                        fresh += 1;
                        (book.age(*read.value), TTL)
                    }
                    Some(_) => {
                        stale += 1;
                        (book.age(*read.value), TTL + STALE)
                    }
                };
                assert!(age <= limit + SLACK, "step {step}, seed {seed}: {:?} after {age:?}", read.stale);
                if read.tier == Tier::L3
                    && let Lifetime::Expires(left) = fleet.store.touch(&spelled(&key), None).await.unwrap()
                {
                    assert!(left <= TTL + STALE, "step {step}, seed {seed}: L2 keeps it for {left:?}");
                }
            }
        }
    }
    fleet.set(Mode::Answer);
    sleep(secs(1)).await;
    println!("{fresh} fresh, {stale} stale, {} values", book.next.load(Ordering::SeqCst));
    assert!(stale > steps / 10_000 && fresh > steps / 2);
    for (node, requests) in nodes.iter().zip(requests) {
        assert_ledger(&node.cache, requests);
    }
}

fn spelled(key: &str) -> String {
    format!("mystocks:own:bars:{key}")
}

#[tokio::test(start_paused = true)]
async fn l1_ends_no_later_than_l2_however_slowly_l2_answers() {
    for (how, mode) in [("loaded", Mode::Slow(millis(1_500))), ("set", Mode::Slow(millis(300)))] {
        let fleet = Fleet::new();
        let node = fleet.node(Policy { l2_timeout: secs(5), stale_if_error: STALE, jitter: 0.0, ..law() });
        settle().await;
        fleet.set(mode);
        let (key, sealed) = ("600519".to_owned(), Arc::new(Mutex::new(Instant::now())));
        if how == "set" {
            let _done = node.cache.set(&key, 1).await.unwrap();
        } else {
            let begun = Arc::clone(&sealed);
            let load = move |_| async move {
                *begun.lock().unwrap() = Instant::now();
                Ok::<_, Infallible>(1)
            };
            node.cache.get_or_compute(&key, load).await.unwrap();
        }
        let sealed = *sealed.lock().unwrap();
        // The entry in L2 says that it is fresh for a minute from when it was made, not from when L2 had taken it.
        advance(TTL - sealed.elapsed() - millis(400)).await;
        assert!(node.cache.peek(&key).is_some(), "{how}");
        advance(millis(1_100)).await;
        assert_eq!(node.cache.peek(&key), None, "{how}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_of_the_store_that_was_set_back_lengthens_no_life_beyond_what_was_meant() {
    for minutes in [-15_i64, 15] {
        let fleet = Fleet::new();
        let (one, other) = (fleet.node(law()), fleet.node(law()));
        settle().await;
        one.read("600519", 1).await;
        for node in [&one, &other] {
            node.skew_ms.store(minutes * 60_000, Ordering::SeqCst);
        }
        let read = other.read("600519", 2).await;
        let expected = if minutes < 0 { 1 } else { 2 };
        assert_eq!(*read.value, expected, "set by {minutes} minutes");
        advance(TTL + millis(1)).await;
        assert_eq!(other.cache.peek(&"600519".to_owned()), None, "set by {minutes} minutes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shared_entry_stays_in_l1_as_long_as_the_store_says() {
    let lives = [
        (Lifetime::Absent, Duration::ZERO),
        (Lifetime::Expires(Duration::ZERO), Duration::ZERO),
        (Lifetime::Expires(secs(5)), secs(5)),
        (Lifetime::Expires(secs(500)), secs(60)),
        (Lifetime::Unlimited, secs(60)),
    ];
    for (lifetime, expected) in lives {
        let fleet = Fleet::new();
        let node = fleet.node(plain());
        settle().await;
        *node.lifetime.lock().unwrap() = Some(lifetime);
        // Other than zero, so that L1 counts with the clock of the test.
        let policy = Policy { stale_if_error: secs(1), l1_ttl: secs(60), ttl: secs(600), ..plain() };
        let shared: Cache<String, u64> =
            node.hub.cache("shared").shared_format().policy(policy).build().unwrap();
        let put = Put { key: "mystocks:600519", value: "7".into(), ttl: secs(3_600) };
        fleet.store.put(&[put]).await.unwrap();
        let key = "600519".to_owned();
        let read = shared.get_or_compute(&key, |_| async { Ok::<_, Infallible>(8) }).detail().await.unwrap();
        if expected.is_zero() {
            assert_eq!((*read.value, read.tier), (8, Tier::L3), "{lifetime:?}");
            continue;
        }
        assert_eq!((*read.value, read.tier), (7, Tier::L2), "{lifetime:?}");
        advance(expected - millis(1)).await;
        assert_eq!(shared.peek(&key).as_deref(), Some(&7), "{lifetime:?}");
        advance(millis(2)).await;
        assert_eq!(shared.peek(&key), None, "{lifetime:?}");
    }
    assert_eq!(Keyspace::default().entry("600519").unwrap().as_str(), "mystocks:600519");
}
