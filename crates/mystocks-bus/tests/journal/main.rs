//! A live bus that remembers, on a real server whose connections are broken.

#![expect(clippy::unwrap_used, reason = "tests may panic")]
#![expect(clippy::print_stdout, reason = "faults print their seed")]

mod ends;
mod forgotten;
mod hub;
mod outages;
mod patterns;
mod scripts;
mod seam;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mystocks_bus::{Bus, Delivery, Event, Keyspace, Received, Streams, Subscription, Topic};
use mystocks_config::{BusSettings, RedisSettings};
use mystocks_redis_core::{Call, RedisManager};
use mystocks_testkit::{FaultProxy, RedisServer, eventually};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

/// Nothing takes so long that does not hang.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// One of many that are numbered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tick {
    pub(crate) number: u64,
}

impl Event for Tick {
    const TYPE: &'static str = "tick";

    fn topics(&self) -> Vec<Topic<Self>> {
        vec![ticks()]
    }
}

pub(crate) fn ticks() -> Topic<Tick> {
    Topic::new("ticks")
}

/// A publisher at the server, and somebody behind a connection that can be broken.
pub(crate) struct World {
    pub(crate) server: RedisServer,
    pub(crate) proxy: FaultProxy,
    pub(crate) here: Bus,
    pub(crate) there: Bus,
    pub(crate) direct: RedisManager,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::remembering(10_000).await
    }

    pub(crate) async fn remembering(messages: u64) -> Self {
        let server = RedisServer::start().await;
        let proxy = FaultProxy::start(server.address()).await;
        let direct = manager(&server.url()).await;
        let here = bus(Streams::new(direct.clone(), &Keyspace::default()).remembers(messages));
        let there = bus(Streams::new(manager(&proxy.url(1)).await, &Keyspace::default()));
        Self { server, proxy, here, there, direct }
    }

    pub(crate) async fn publish(&self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            self.here.publish(&Tick { number }).await.unwrap();
        }
    }

    /// Cuts off who listens to `subscription`, until [`Self::heal`].
    pub(crate) async fn cut(&self, subscription: &Subscription<Tick>) {
        self.proxy.refuse(true);
        self.proxy.cut();
        self.until(subscription, false).await;
    }

    pub(crate) fn heal(&self) {
        self.proxy.heal();
    }

    /// Waits until it is live or not.
    pub(crate) async fn until(&self, subscription: &Subscription<Tick>, is_live: bool) {
        soon(subscription.live().wait_for(|now| *now == is_live)).await.unwrap();
    }

    /// Has the server do something.
    pub(crate) async fn command(&self, words: &[&str]) {
        let mut command = redis::cmd(words[0]);
        words[1..].iter().for_each(|word| {
            command.arg(*word);
        });
        self.direct.query::<redis::Value>(&command, Call::repeatable()).await.unwrap();
    }
}

pub(crate) async fn manager(url: &str) -> RedisManager {
    RedisManager::start(&RedisSettings::from_url(url).unwrap()).await.unwrap()
}

pub(crate) fn bus(streams: Streams) -> Bus {
    Bus::new(streams, &BusSettings::default(), &Keyspace::default(), "tests")
}

/// Waits for what must come.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(LONG, what).await.expect("it does not hang")
}

pub(crate) async fn next(subscription: &mut Subscription<Tick>) -> Delivery<Tick> {
    soon(subscription.next()).await.expect("it goes on")
}

/// Takes the next, which has to be an event.
pub(crate) async fn event(subscription: &mut Subscription<Tick>) -> Received<Tick> {
    match next(subscription).await {
        Delivery::Event(received) => received,
        Delivery::Gap(gap) => panic!("{gap:?}, and nothing is missing"),
    }
}

/// Takes exactly these, in their order and with nothing between them.
pub(crate) async fn expect(subscription: &mut Subscription<Tick>, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        assert_eq!(event(subscription).await.number, number);
    }
}

/// Takes the next, which has to be a gap of a lost connection.
pub(crate) async fn gap(subscription: &mut Subscription<Tick>) {
    match next(subscription).await {
        Delivery::Gap(gap) => {
            assert!(gap.disconnected && gap.dropped == 0 && gap.since() <= gap.until(), "{gap:?}");
        }
        Delivery::Event(received) => panic!("{} before the gap", received.number),
    }
}

/// Publishes numbers from 0 on as fast as it can.
pub(crate) struct Flood {
    published: Arc<AtomicU64>,
    stop: CancellationToken,
    task: AbortOnDropHandle<()>,
}

impl Flood {
    pub(crate) fn start(bus: Bus) -> Self {
        let (published, stop) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
        let (count, stopped) = (Arc::clone(&published), stop.clone());
        let task = TaskTracker::new().spawn(async move {
            while !stopped.is_cancelled() {
                let number = count.load(Ordering::SeqCst);
                bus.publish(&Tick { number }).await.unwrap();
                count.store(number + 1, Ordering::SeqCst);
            }
        });
        Self { published, stop, task: AbortOnDropHandle::new(task) }
    }

    pub(crate) fn published(&self) -> u64 {
        self.published.load(Ordering::SeqCst)
    }

    /// Waits until so many more have been published, and returns how many there were before.
    pub(crate) async fn goes_on(&self, count: u64) -> u64 {
        let before = self.published();
        eventually("it publishes", LONG, async || self.published() >= before + count).await;
        before
    }

    /// Stops it, and returns how many it published.
    pub(crate) async fn stop(self) -> u64 {
        self.stop.cancel();
        self.task.await.unwrap();
        self.published.load(Ordering::SeqCst)
    }
}

/// Returns a seed, which the run says.
pub(crate) fn seed() -> u64 {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    seed
}
