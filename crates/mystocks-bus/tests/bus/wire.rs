//! What stands on the channels, byte for byte, and what is made of texts that others wrote.

mod own;
mod read;
mod refused;
mod written;

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use mystocks_bus::{
    Bus, Counts, Ear, Event, Interest, Json, Keyspace, Listening, MemoryTransport, NaiveUtc, Outgoing,
    Received, Signal, Source, Subscription, Transport,
};
use mystocks_config::BusSettings;
use tokio::time::timeout;

/// Against hanging.
const HANG: Duration = Duration::from_secs(15);

/// A bus, and somebody who writes down every message on every channel.
struct Line {
    bus: Bus,
    transport: MemoryTransport,
    heard: Arc<Heard>,
    _listening: Listening,
}

#[derive(Default)]
struct Heard(Mutex<Vec<(String, String)>>);

#[async_trait]
impl Ear for Heard {
    fn hear(&self, signal: Signal) {
        if let Signal::Message { channel, payload, .. } = signal {
            let text = String::from_utf8_lossy(&payload).into_owned();
            self.0.lock().unwrap().push((channel.to_string(), text));
        }
    }

    async fn room(&self, _: usize) {}
}

impl Line {
    fn new() -> Self {
        let (transport, keyspace) = (MemoryTransport::new(), Keyspace::default());
        let heard = Arc::new(Heard::default());
        let source = Source::Pattern(keyspace.channel_pattern("*").unwrap());
        let ear = Arc::clone(&heard) as Arc<dyn Ear>;
        let listening = transport.listen(&Interest::new(source), ear).unwrap();
        let bus = Bus::new(transport.clone(), &BusSettings::default(), &keyspace, "indicators");
        Self { bus, transport, heard, _listening: listening }
    }

    /// Publishes `event` and returns what then stands where.
    async fn written<E: Event>(&self, event: &E) -> Vec<(String, String)> {
        let count = self.bus.publish(event).await.unwrap();
        let messages = self.take();
        assert_eq!(count, messages.len() as u64, "one listener of each channel");
        messages
    }

    /// Returns the channels and messages since the last time.
    fn take(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.heard.0.lock().unwrap())
    }

    /// Puts bytes on a channel as another program does; returns how many heard them beside the one who writes down.
    async fn put(&self, name: &str, payload: &[u8]) -> u64 {
        let channel = Keyspace::default().channel_named(name).unwrap();
        let count = self.transport.publish(&[Outgoing { channel: &channel, payload }]).await.unwrap();
        count.iter().sum::<u64>() - 1
    }
}

/// Returns the next event, which must come.
async fn next<E: Event>(subscription: &mut Subscription<E>) -> Received<E> {
    timeout(HANG, subscription.next_event()).await.expect("an event in time").expect("the bus goes on")
}

/// Asserts what became of all messages, with everything else at 0.
fn assert_counts<E: Event>(subscription: &Subscription<E>, [delivered, skipped, undecodable]: [u64; 3]) {
    let mut expected = Counts::default();
    expected.received = delivered + skipped + undecodable;
    expected.delivered = delivered;
    expected.skipped = skipped;
    expected.undecodable = undecodable;
    assert_eq!(subscription.counts(), expected);
}

fn json(text: &str) -> Json {
    Json::parse(text.as_bytes()).unwrap()
}

/// `2026-01-05T09:30:00.125` in UTC.
fn moment() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_605_400_125)
}

fn timestamp() -> NaiveUtc {
    NaiveUtc::from(moment())
}

fn version() -> String {
    "1.0".to_owned()
}
