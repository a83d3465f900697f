//! What the tests run on.

use std::borrow::Cow;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mystocks_bus::{
    Bus, Counts, Delivery, Event, Form, Keyspace, MemoryTransport, PubSub, Subscription, Topic,
};
use mystocks_config::{BusSettings, RedisSettings};
use mystocks_redis_core::{Call, RedisManager};
use mystocks_testkit::{RedisServer, eventually};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

/// Runs a test on two processes in memory and on two on a real server.
macro_rules! on_both {
    ($($test:ident)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::world::World::memory()).await;
            })*
        }
        mod redis {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::world::World::redis().await).await;
            })*
        }
    };
}

/// Nothing takes so long that does not hang.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) const TICKS: &str = "ticks";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tick {
    pub(crate) number: u64,
    pub(crate) name: String,
}

impl Event for Tick {
    const TYPE: &'static str = "tick";
    const FORM: Form = Form::Bare;

    fn topics(&self) -> Vec<Topic<Self>> {
        vec![ticks()]
    }

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.name))
    }
}

pub(crate) fn ticks() -> Topic<Tick> {
    Topic::new(TICKS)
}

pub(crate) fn tick(number: u64) -> Tick {
    Tick { number, name: (number % 3).to_string() }
}

/// Two processes that share their topics.
pub(crate) struct World {
    pub(crate) here: Bus,
    pub(crate) there: Bus,
    kind: Kind,
}

enum Kind {
    Memory,
    Redis { watch: RedisManager, _server: RedisServer },
}

impl World {
    pub(crate) fn memory() -> Self {
        let transport = MemoryTransport::new();
        Self { here: memory_bus(&transport), there: memory_bus(&transport), kind: Kind::Memory }
    }

    pub(crate) async fn redis() -> Self {
        let server = RedisServer::start().await;
        let settings = RedisSettings::from_url(&server.url()).unwrap();
        let manager = async || RedisManager::start(&settings).await.unwrap();
        let bus =
            async || Bus::new(PubSub::new(manager().await), &BusSettings::default(), &keyspace(), "test");
        let (here, there) = (bus().await, bus().await);
        Self { here, there, kind: Kind::Redis { watch: manager().await, _server: server } }
    }

    pub(crate) fn is_memory(&self) -> bool {
        matches!(self.kind, Kind::Memory)
    }

    /// Drops one of the processes.
    pub(crate) fn without_here(self) -> Self {
        Self { here: self.there.clone(), ..self }
    }

    /// Waits until so many processes listen to `topic`, or on memory so many subscriptions.
    pub(crate) async fn listeners(&self, topic: &Topic<Tick>, name: &str, expected: u64) {
        let what = format!("{expected} listen to {name}");
        match &self.kind {
            Kind::Memory => assert_eq!(self.there.publish_to(topic, &tick(0)).await.unwrap(), expected),
            Kind::Redis { watch, .. } => {
                let channel = format!("mystocks:{name}");
                eventually(&what, LONG, async || {
                    let mut command = redis::cmd("PUBSUB");
                    command.arg("NUMSUB").arg(&channel);
                    let (_, count): (String, u64) = watch.query(&command, Call::once()).await.unwrap();
                    count == expected
                })
                .await;
            }
        }
    }

    /// Waits until nobody listens to a pattern any more, where there is somebody to ask.
    pub(crate) async fn no_patterns(&self) {
        self.patterns(0).await;
    }

    /// Waits until so many patterns are listened to, where there is somebody to ask.
    pub(crate) async fn patterns(&self, expected: u64) {
        if let Kind::Redis { watch, .. } = &self.kind {
            eventually(&format!("{expected} patterns are listened to"), LONG, async || {
                let mut command = redis::cmd("PUBSUB");
                command.arg("NUMPAT");
                watch.query::<u64>(&command, Call::once()).await.unwrap() == expected
            })
            .await;
        }
    }

    /// Publishes the ticks of `numbers` in that order.
    pub(crate) async fn publish(&self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            self.there.publish(&tick(number)).await.unwrap();
        }
    }
}

pub(crate) fn memory_bus(transport: &MemoryTransport) -> Bus {
    Bus::new(transport.clone(), &BusSettings::default(), &keyspace(), "test")
}

pub(crate) fn keyspace() -> Keyspace {
    Keyspace::default()
}

/// Waits for what must come.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(LONG, what).await.expect("it does not hang")
}

/// Waits until a subscription has got so many messages from its transport.
pub(crate) async fn has_received(counts: impl Fn() -> Counts, messages: u64) {
    eventually("all messages have come", LONG, async || counts().received >= messages).await;
    assert_eq!(counts().received, messages);
}

/// Takes the next, which has to be a tick, and returns its number.
pub(crate) async fn number(subscription: &mut Subscription<Tick>) -> u64 {
    match soon(subscription.next()).await {
        Some(Delivery::Event(received)) => received.number,
        other => panic!("{other:?} is no tick"),
    }
}

pub(crate) async fn numbers(subscription: &mut Subscription<Tick>, count: u64) -> Vec<u64> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        numbers.push(number(subscription).await);
    }
    numbers
}

pub(crate) fn check_identity(counts: Counts) {
    let Counts { received, delivered, skipped, undecodable, dropped, conflated, waiting, .. } = counts;
    assert_eq!(received, delivered + skipped + undecodable + dropped + conflated + waiting, "{counts:?}");
}

/// What handlers have written down.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes(Arc<Mutex<Vec<u64>>>);

impl Notes {
    pub(crate) fn write(&self, number: u64) {
        self.0.lock().unwrap().push(number);
    }

    pub(crate) fn read(&self) -> Vec<u64> {
        self.0.lock().unwrap().clone()
    }

    /// Waits until this stands in it.
    pub(crate) async fn become_these(&self, expected: &[u64]) {
        eventually("the notes are complete", LONG, async || self.read().len() >= expected.len()).await;
        assert_eq!(self.read(), expected);
    }
}
