//! Events of a Python process and of ours on the same channels.

mod events;
mod ours;
mod theirs;

use std::fmt::Debug;
use std::time::Duration;

use mystocks_bus::{Bus, Event, PubSub, Received, Subscription, Topic};
use mystocks_config::BusSettings;
use mystocks_keys::{Json, Keyspace};
use mystocks_redis_core::RedisManager;
use mystocks_testkit::RedisServer;
use serde::Deserialize;
use tokio::time::timeout;

use crate::json;
use crate::locks::connect;
use crate::peer::Peer;

/// Against hanging.
const HANG: Duration = Duration::from_secs(20);

struct Both {
    _server: RedisServer,
    manager: RedisManager,
    bus: Bus,
    python: Peer,
}

impl Both {
    async fn start() -> Self {
        let server = RedisServer::start().await;
        let manager = connect(&server).await;
        let (transport, settings) = (PubSub::new(manager.clone()), BusSettings::default());
        let bus = Bus::new(transport, &settings, &Keyspace::default(), "tests");
        Self { bus, python: Peer::start(&server.url()), manager, _server: server }
    }

    /// Has Python publish the event `name`; returns what we get on `topic`, and the `timestamp` that Python wrote.
    async fn heard_from_python<E: Event + Debug>(
        &mut self,
        name: &str,
        topic: Topic<E>,
    ) -> (Received<E>, Json) {
        let mut subscription = self.bus.subscribe(topic).await.unwrap();
        let answer = self.python.ask("publish_event", &[name], None);
        let (count, timestamp): (u64, Json) = answer.to_deserialize().unwrap();
        assert_eq!(count, 1, "{name}: we alone listen");
        let received = next(&mut subscription).await;
        let counts = subscription.counts();
        assert_eq!((counts.received, counts.delivered), (1, 1), "{name}");
        (received, timestamp)
    }

    /// Publishes `event`; asserts that Python gets it once on each of `channels`, and what it gets: values and the names of their types.
    async fn heard_by_python<E: Event>(&mut self, event: &E, channels: &[&str], values: &str, types: &str) {
        let all = i64::try_from(channels.len()).unwrap();
        assert_eq!(self.python.number("subscribe", channels), all);
        assert_eq!(self.bus.publish(event).await.unwrap(), channels.len() as u64);
        for name in channels {
            let heard = Heard::of(&mut self.python);
            assert_eq!((heard.channel, heard.pattern), (format!("mystocks:{name}"), None));
            assert_eq!(heard.event, json(values));
            assert_eq!(heard.types, json(types));
            assert!(heard.is_same, "{name}: Python's json.dumps writes another text than ours");
        }
    }

    async fn end(self) {
        self.bus.shutdown().await;
        self.manager.shutdown().await;
    }
}

/// What Python has heard.
#[derive(Debug, Deserialize)]
struct Heard {
    channel: String,
    pattern: Option<String>,
    event: Json,
    types: Json,
    is_same: bool,
}

impl Heard {
    fn of(python: &mut Peer) -> Self {
        python.ask("hear", &[], None).to_deserialize().unwrap()
    }
}

async fn next<E: Event>(subscription: &mut Subscription<E>) -> Received<E> {
    timeout(HANG, subscription.next_event()).await.expect("an event in time").expect("the bus goes on")
}
