//! One test per promise of the seam [`Transport`], for every implementation of it.
//!
//! Who writes a transport of their own turns the feature `conformance` on in their dev-dependencies and adds one line:
//!
//! ```
//! mod memory {
//!     use mystocks_bus::MemoryTransport;
//!     use mystocks_bus::conformance::Pair;
//!
//!     fn pair() -> Pair {
//!         let here = MemoryTransport::new();
//!         Pair::new(here.clone(), here)
//!     }
//!     mystocks_bus::transport_conformance!(pair());
//! }
//! # fn main() {}
//! ```
//!
//! The expression makes two processes that share their channels; it is evaluated once per test and may await.

pub mod log;
mod remembering;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mystocks_keys::{Channel, ChannelName, Keyspace};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::error::ErrorKind;
use crate::transport::{Ear, Interest, Listening, Outgoing, Signal, Source, Transport};
pub use remembering::*;

/// Makes one `#[tokio::test]` per promise of [`Transport`](crate::Transport).
#[macro_export]
macro_rules! transport_conformance {
    ($pair:expr) => {
        $crate::transport_conformance! { @tests $pair;
            what_is_published_after_up_comes_in_order
            only_what_was_asked_for_comes
            a_pattern_takes_all_that_match
            everybody_hears_the_same
            several_are_published_in_their_order
            bytes_come_as_they_are
            who_has_left_hears_nothing
            who_comes_later_hears_what_is_published_then
            nobody_listens
            publishers_wait_or_it_is_refused
            what_is_remembered_has_ids_that_grow
            who_resumes_gets_all_after_it_and_then_what_is_live
            a_position_of_which_nobody_knows_is_told
            only_channels_that_are_listened_to_have_positions
        }
    };
    (@tests $pair:expr; $($promise:ident)*) => {$(
        #[::tokio::test]
        async fn $promise() {
            $crate::conformance::$promise($pair).await;
        }
    )*};
}

/// Two processes that share their channels.
pub struct Pair {
    here: Arc<dyn Transport>,
    there: Arc<dyn Transport>,
    remembers: bool,
    _keep: Vec<Box<dyn Any + Send>>,
}

impl Pair {
    /// Makes a pair of two transports.
    pub fn new(here: impl Transport, there: impl Transport) -> Self {
        Self { here: Arc::new(here), there: Arc::new(there), remembers: false, _keep: Vec::new() }
    }

    /// Says that they remember what was published: it has ids, and who resumes gets it.
    #[must_use]
    pub fn remembers(mut self) -> Self {
        self.remembers = true;
        self
    }

    /// Keeps `value`, such as a server, as long as the pair.
    #[must_use]
    pub fn keep(mut self, value: impl Any + Send) -> Self {
        self._keep.push(Box::new(value));
        self
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("here", &self.here).field("there", &self.there).finish_non_exhaustive()
    }
}

const LONG: Duration = Duration::from_secs(20);
/// So long nothing comes that is not to come.
const MOMENT: Duration = Duration::from_millis(100);

struct TestEar {
    signals: mpsc::UnboundedSender<Signal>,
    room: Semaphore,
}

#[async_trait]
impl Ear for TestEar {
    fn hear(&self, signal: Signal) {
        if let (Signal::Message { .. }, Ok(room)) = (&signal, self.room.try_acquire()) {
            room.forget();
        }
        // Who does not look any more does not want to know.
        let _ = self.signals.send(signal);
    }

    async fn room(&self, _: usize) {
        drop(self.room.acquire().await);
    }
}

/// Somebody who listens.
struct Heard {
    signals: mpsc::UnboundedReceiver<Signal>,
    ear: Arc<TestEar>,
    listening: Option<Listening>,
}

impl Heard {
    /// Listens, and returns when it is up.
    async fn start(transport: &Arc<dyn Transport>, source: Source) -> Self {
        let mut heard = Self::with(transport, &Interest::new(source));
        assert_eq!(heard.next().await, Signal::Up, "the first signal");
        heard
    }

    fn with(transport: &Arc<dyn Transport>, interest: &Interest) -> Self {
        let (signals, receiver) = mpsc::unbounded_channel();
        // Who is read something up on has room for it.
        let ear =
            Arc::new(TestEar { signals, room: Semaphore::new(if interest.waits { 0 } else { 10_000 }) });
        let listening = transport.listen(interest, Arc::clone(&ear) as Arc<dyn Ear>).expect("it listens");
        Self { signals: receiver, ear, listening: Some(listening) }
    }

    async fn next(&mut self) -> Signal {
        timeout(LONG, self.signals.recv()).await.expect("a signal in time").expect("signals go on")
    }

    async fn message(&mut self) -> (String, Bytes) {
        match self.next().await {
            Signal::Message { channel, payload, .. } => (channel.to_string(), payload),
            other => panic!("{other:?} is no message"),
        }
    }

    async fn texts(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        for _ in 0..count {
            texts.push(String::from_utf8_lossy(&self.message().await.1).into_owned());
        }
        texts
    }

    async fn nothing(&mut self) {
        let signal = timeout(MOMENT, self.signals.recv()).await;
        assert!(signal.is_err(), "{signal:?}");
    }
}

fn channel(name: &str) -> Channel {
    Keyspace::default().channel_named(name).expect("a channel")
}

fn only(name: &str) -> Source {
    Source::Channels(vec![channel(name)])
}

async fn publish(transport: &Arc<dyn Transport>, name: &str, payload: &[u8]) -> u64 {
    let channel = channel(name);
    let counts =
        transport.publish(&[Outgoing { channel: &channel, payload }]).await.expect("it is published");
    assert_eq!(counts.len(), 1);
    counts[0]
}

/// From the first signal on nothing is missing, and it comes in the order in which it was published.
pub async fn what_is_published_after_up_comes_in_order(pair: Pair) {
    let mut heard = Heard::start(&pair.there, only("news")).await;
    let texts: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    for text in &texts {
        assert_eq!(publish(&pair.here, "news", text.as_bytes()).await, 1, "{text}");
    }
    assert_eq!(heard.texts(500).await, texts);
    heard.nothing().await;
}

/// Other channels are not heard, also when their names begin alike.
pub async fn only_what_was_asked_for_comes(pair: Pair) {
    let wanted = Source::Channels(vec![channel("events:task:1"), channel("news")]);
    let mut heard = Heard::start(&pair.there, wanted).await;
    for other in ["events:task:10", "events:task", "new"] {
        assert_eq!(publish(&pair.here, other, b"no").await, 0, "{other}");
    }
    publish(&pair.here, "news", b"one").await;
    publish(&pair.here, "events:task:1", b"two").await;
    let expected = [("news", "one"), ("events:task:1", "two")];
    for (name, text) in expected {
        assert_eq!(heard.message().await, (channel(name).to_string(), Bytes::from(text)));
    }
    heard.nothing().await;
}

/// A pattern takes what matches, and says on which channel it came.
pub async fn a_pattern_takes_all_that_match(pair: Pair) {
    let pattern = Keyspace::default().channel_pattern("events:market:60*").expect("a pattern");
    let mut heard = Heard::start(&pair.there, Source::Pattern(pattern)).await;
    for (name, receivers) in [
        ("events:market", 0),
        ("events:market:000001.SZ", 0),
        ("events:market:600519.SH", 1),
        ("events:market:60", 1),
    ] {
        assert_eq!(publish(&pair.here, name, name.as_bytes()).await, receivers, "{name}");
    }
    let stock = Keyspace::default().channel(ChannelName::MarketOf("600519.SH")).expect("a channel");
    assert_eq!(heard.message().await.0, stock.to_string());
    assert_eq!(heard.message().await.0, channel("events:market:60").to_string());
    heard.nothing().await;
}

/// Everybody who listens hears everything in the same order, however many publish.
pub async fn everybody_hears_the_same(pair: Pair) {
    let mut here = Heard::start(&pair.here, only("news")).await;
    let mut there = Heard::start(&pair.there, only("news")).await;
    let tasks = TaskTracker::new();
    for publisher in 0..4 {
        let transport = Arc::clone(if publisher % 2 == 0 { &pair.here } else { &pair.there });
        tasks.spawn(async move {
            for n in 0..50 {
                publish(&transport, "news", format!("{publisher}:{n}").as_bytes()).await;
            }
        });
    }
    tasks.close();
    tasks.wait().await;
    let texts = here.texts(200).await;
    assert_eq!(there.texts(200).await, texts);
    for publisher in 0..4 {
        let of = texts.iter().filter(|text| text.starts_with(&format!("{publisher}:")));
        let expected: Vec<String> = (0..50).map(|n| format!("{publisher}:{n}")).collect();
        assert_eq!(of.cloned().collect::<Vec<_>>(), expected);
    }
}

/// Several messages are published in their order, and their listeners counted one by one.
pub async fn several_are_published_in_their_order(pair: Pair) {
    let mut heard = Heard::start(&pair.there, Source::Channels(vec![channel("a"), channel("b")])).await;
    let (a, b, c) = (channel("a"), channel("b"), channel("c"));
    let messages = [(&a, "1"), (&c, "2"), (&b, "3"), (&a, "4")];
    let outgoing: Vec<_> =
        messages.iter().map(|(channel, text)| Outgoing { channel, payload: text.as_bytes() }).collect();
    assert_eq!(pair.here.publish(&outgoing).await.expect("they are published"), [1, 0, 1, 1]);
    assert_eq!(heard.texts(3).await, ["1", "3", "4"]);
    assert_eq!(pair.here.publish(&[]).await.expect("nothing is published"), Vec::<u64>::new());
}

/// A payload may hold any bytes, and none.
pub async fn bytes_come_as_they_are(pair: Pair) {
    let mut heard = Heard::start(&pair.there, only("news")).await;
    let every: Vec<u8> = (0..=255).collect();
    let large = vec![b'x'; 1 << 20];
    for payload in [&every[..], b"", b"\r\n", &large] {
        publish(&pair.here, "news", payload).await;
        assert_eq!(heard.message().await.1, payload);
    }
}

/// Who has left hears nothing more, and does not count.
pub async fn who_has_left_hears_nothing(pair: Pair) {
    let mut left = Heard::start(&pair.there, only("news")).await;
    publish(&pair.here, "news", b"first").await;
    assert_eq!(left.texts(1).await, ["first"]);
    left.listening = None;
    let gone = async {
        while publish(&pair.here, "news", b"later").await > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, gone).await.expect("nobody listens in the end");
    left.nothing().await;
}

/// Listeners come at any time, also on a channel that somebody listens to already.
pub async fn who_comes_later_hears_what_is_published_then(pair: Pair) {
    let mut first = Heard::start(&pair.there, only("news")).await;
    publish(&pair.here, "news", b"one").await;
    // What is still on its way may be heard by who comes now.
    assert_eq!(first.texts(1).await, ["one"]);
    let mut second = Heard::start(&pair.there, only("news")).await;
    let mut third = Heard::start(&pair.there, only("other")).await;
    publish(&pair.here, "news", b"two").await;
    publish(&pair.here, "other", b"three").await;
    assert_eq!(first.texts(1).await, ["two"]);
    assert_eq!(second.texts(1).await, ["two"]);
    assert_eq!(third.texts(1).await, ["three"]);
}

/// What nobody listens to is no error.
pub async fn nobody_listens(pair: Pair) {
    assert_eq!(publish(&pair.here, "news", b"hello").await, 0);
}

/// A publisher waits for who asks for that, or who asks is told that it cannot be.
pub async fn publishers_wait_or_it_is_refused(pair: Pair) {
    let (signals, receiver) = mpsc::unbounded_channel();
    let ear = Arc::new(TestEar { signals, room: Semaphore::new(0) });
    let interest = Interest { waits: true, ..Interest::new(only("news")) };
    let listening = match pair.there.listen(&interest, Arc::clone(&ear) as Arc<dyn Ear>) {
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.to_string().contains("news"), "{error}");
            return;
        }
        Ok(listening) => listening,
    };
    let mut heard = Heard { signals: receiver, ear, listening: Some(listening) };
    assert_eq!(heard.next().await, Signal::Up);
    let here = Arc::clone(&pair.here);
    let publishing = AbortOnDropHandle::new(TaskTracker::new().spawn(async move {
        for text in [b"1", b"2"] {
            publish(&here, "news", text).await;
        }
    }));
    heard.nothing().await;
    heard.ear.room.add_permits(1);
    assert_eq!(heard.texts(1).await, ["1"]);
    heard.nothing().await;
    assert!(!publishing.is_finished());
    heard.ear.room.add_permits(1);
    assert_eq!(heard.texts(1).await, ["2"]);
    timeout(LONG, publishing).await.expect("it has room").expect("it does not panic");
}
