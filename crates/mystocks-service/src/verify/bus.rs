//! Does a message come back, and is a durable event handled?

use std::borrow::Cow;
use std::time::Duration;

use mystocks_bus::{Bus, Delivery, Event, PubSub, Topic};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};

use super::links::Links;
use super::{ANSWER, Found, Outcome, advice, durable, in_time};

/// How much longer a subscription may need.
const UP: Duration = Duration::from_millis(300);

/// What these checks send to themselves.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Probe {
    pub(super) nonce: String,
}

impl Event for Probe {
    const TYPE: &'static str = "mystocks.verify";

    fn topics(&self) -> Vec<Topic<Self>> {
        vec![Topic::new(name(&self.nonce))]
    }

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.nonce))
    }
}

/// Names the topic of one run.
pub(super) fn name(nonce: &str) -> String {
    format!("verify:{nonce}")
}

/// Does both at once.
pub(super) async fn check(links: &Links) -> Outcome {
    let (live, durable) = tokio::join!(in_time(links, "bus", live(links)), durable::check(links));
    let (live, durable) = (live?, durable?);
    let detail = format!("{}; {}", live.detail, durable.detail);
    Ok(Found { detail, latencies: [live.latencies, durable.latencies].concat() })
}

/// Publishes on one connection and waits for just that message on the other: a count of listeners proves nothing.
async fn live(links: &Links) -> Outcome {
    let [listening, speaking] = [&links.one, &links.other].map(|redis| {
        Bus::new(PubSub::new(redis.clone()), &links.settings.bus, &links.keyspace, "mystocks-verify")
    });
    let found = exchange(links, &listening, &speaking).await;
    listening.shutdown().await;
    speaking.shutdown().await;
    found
}

async fn exchange(links: &Links, listening: &Bus, speaking: &Bus) -> Outcome {
    let (nonce, topic) = (links.nonce.clone(), name(&links.nonce));
    let began = Instant::now();
    let subscribed = listening.subscribe(&Topic::<Probe>::new(topic.clone())).await;
    let mut messages =
        subscribed.map_err(|error| advice::sentence(links, "the bus cannot be subscribed to", &error))?;
    let mut live = messages.live();
    // It waited for that itself, for a while.
    let is_live = timeout(UP, live.wait_for(|is_live| *is_live)).await.is_ok_and(|live| live.is_ok());
    let subscribing = began.elapsed();

    let began = Instant::now();
    let published = speaking.publish(&Probe { nonce: nonce.clone() }).await;
    let listeners = published.map_err(|error| advice::sentence(links, "nothing can be published", &error))?;
    if !is_live {
        return Err(format!(
            "the subscription to {topic} did not come up within {:.1} s: the user needs SUBSCRIBE \
             and UNSUBSCRIBE and the channels &{}*, and the server must be Redis 6 or later",
            subscribing.as_secs_f64(),
            links.keyspace.prefixes().bus
        ));
    }
    let own = async {
        loop {
            match messages.next().await {
                Some(Delivery::Event(probe)) if probe.nonce == nonce => return true,
                Some(_) => {}
                None => return false,
            }
        }
    };
    if !timeout(ANSWER, own).await.unwrap_or(false) {
        return Err(format!(
            "the message that was published on {topic} did not come back within {} s (the server \
             counted {}): messages are lost between {} and here; are publishers and \
             subscribers on one server and one REDIS_PUBSUB_CHANNEL_PREFIX?",
            ANSWER.as_secs(),
            crate::say::count(listeners, "listener", "listeners"),
            links.place
        ));
    }
    let latencies = vec![("subscribe", subscribing), ("message", began.elapsed())];
    Ok(Found { detail: "the own message came back".to_owned(), latencies })
}
