//! Durable topics: every event is handled, and what cannot be lies aside.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests may panic, and print their seeds")]

/// Runs a test on a log in memory and on one on a real server.
macro_rules! on_both {
    ($($test:ident)*) => {
        mod memory {
            $(#[tokio::test]
            async fn $test() {
                super::$test(mystocks_bus::MemoryLog::new()).await;
            })*
        }
        mod redis {
            $(#[tokio::test]
            async fn $test() {
                let server = mystocks_testkit::RedisServer::start().await;
                super::$test(crate::streams(&server.url()).await).await;
            })*
        }
    };
}

mod alone;
mod broken_groups;
mod exact;
mod follow;
mod lane_owners;
mod lanes;
mod lost_answers;
mod replay;
mod retries;
mod standstill;
mod trace;
mod unacknowledged;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mystocks_bus::{
    Append, DurableTopic, Event, GiveUp, Handled, Handling, Keyspace, Log, MemoryLog, Room, Streams, Topic,
};
use mystocks_config::RedisSettings;
use mystocks_redis_core::RedisManager;
use mystocks_testkit::{FaultProxy, RedisServer, eventually};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

const LONG: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    number: u64,
}

impl Event for Order {
    const TYPE: &'static str = "order.placed";

    fn topics(&self) -> Vec<Topic<Self>> {
        vec![Topic::new("orders")]
    }
}

/// How often the handlers were called for each number.
#[derive(Debug, Clone, Default)]
struct Calls(Arc<Mutex<BTreeMap<u64, Vec<u64>>>>);

impl Calls {
    fn note(&self, number: u64, deliveries: u64) {
        self.0.lock().unwrap().entry(number).or_default().push(deliveries);
    }

    fn of(&self, number: u64) -> Vec<u64> {
        self.0.lock().unwrap().get(&number).cloned().unwrap_or_default()
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

fn quick() -> Handling {
    let again_after = Duration::from_millis(20);
    Handling { again_after, lease: Duration::from_secs(2), deliveries: 3, ..Handling::default() }
}

fn orders(log: impl Log) -> DurableTopic<Order> {
    DurableTopic::new(log, "orders", "shop")
}

async fn settled(orders: &DurableTopic<Order>) {
    eventually("all is settled", LONG, async || {
        let state = orders.state("risk").await.unwrap();
        state.lag == 0 && state.pending == 0
    })
    .await;
}

async fn streams(url: &str) -> Streams {
    let redis = RedisManager::start(&RedisSettings::from_url(url).unwrap()).await.unwrap();
    Streams::new(redis, &Keyspace::default())
}

on_both! {
    what_is_published_is_handled_by_one_of_a_group
    what_fails_comes_again_and_lies_aside_in_the_end
    what_cannot_be_read_lies_aside_at_once
    what_its_handler_gives_up_lies_aside_at_once
    a_long_handler_is_not_duplicated
    who_is_shut_down_leaves_nothing_undone
    what_is_full_says_so
}

async fn what_is_published_is_handled_by_one_of_a_group(log: impl Log + Clone) {
    let (orders, calls) = (orders(log), Calls::default());
    let mut workers = Vec::new();
    for _ in 0..3 {
        let calls = calls.clone();
        let handler = move |order: mystocks_bus::Delivered<Order>| {
            calls.note(order.number, order.deliveries);
            std::future::ready(Ok::<_, &str>(()))
        };
        workers.push(orders.consume("risk", quick(), handler).await.unwrap());
    }
    for number in 0..500 {
        orders.publish(&Order { number }).await.unwrap();
        let first = orders.publish_once(&format!("order:{number}"), &Order { number: 1_000 + number }).await;
        let second = orders.publish_once(&format!("order:{number}"), &Order { number: 9_999 }).await;
        assert_eq!(first.unwrap(), second.unwrap());
    }
    settled(&orders).await;
    for number in (0..500).chain(1_000..1_500) {
        assert_eq!(calls.of(number), [1], "{number}");
    }
    assert_eq!(calls.len(), 1_000);
    let mut done = 0;
    for worker in workers {
        let handled = worker.handled();
        done += handled.done;
        assert_eq!(handled.again + handled.dead + handled.skipped + handled.lost, 0, "{handled:?}");
        worker.shutdown().await;
    }
    assert_eq!(done, 1_000);
    assert_eq!(orders.state("risk").await.unwrap().consumers, 0);
}

async fn what_fails_comes_again_and_lies_aside_in_the_end(log: impl Log + Clone) {
    let (orders, calls) = (orders(log), Calls::default());
    let noted = calls.clone();
    let handler = move |order: mystocks_bus::Delivered<Order>| {
        noted.note(order.number, order.deliveries);
        async move {
            match order.number % 4 {
                0 => Err("no such stock"),
                1 => panic!("a bug"),
                2 if order.deliveries < 3 => Err("not yet"),
                _ => Ok(()),
            }
        }
    };
    let worker = orders.consume("risk", quick(), handler).await.unwrap();
    for number in 0..40 {
        orders.publish(&Order { number }).await.unwrap();
    }
    settled(&orders).await;
    for number in 0..40 {
        let expected: &[u64] = if number % 4 == 3 { &[1] } else { &[1, 2, 3] };
        assert_eq!(calls.of(number), expected, "{number}");
    }
    let dead = orders.dead_letters("risk", None, 100).await.unwrap();
    let mut reasons = BTreeMap::new();
    for letter in &dead {
        assert_eq!(letter.deliveries, 3);
        *reasons.entry(letter.death.as_ref().unwrap().reason.clone()).or_insert(0) += 1;
    }
    assert_eq!(
        reasons,
        BTreeMap::from([("no such stock".into(), 10), ("its handler panicked: a bug".into(), 10)])
    );
    let Handled { done, again, dead, .. } = worker.handled();
    assert_eq!((done, again, dead), (20, 60, 20));
    worker.shutdown().await;
}

async fn what_its_handler_gives_up_lies_aside_at_once(log: impl Log + Clone) {
    let orders = orders(log);
    let handler = |order: mystocks_bus::Delivered<Order>| async move {
        match order.number {
            1 => Err(Box::<dyn std::error::Error + Send + Sync>::from(GiveUp("delisted".to_owned()))),
            2 if order.deliveries < 2 => Err("not yet".into()),
            _ => Ok(()),
        }
    };
    let worker = orders.consume("risk", quick(), handler).await.unwrap();
    assert_eq!(orders.last().await.unwrap(), None);
    let mut ids = Vec::new();
    for number in 0..4 {
        ids.push(orders.publish(&Order { number }).await.unwrap());
    }
    assert_eq!(orders.last().await.unwrap(), Some(ids[3]));
    settled(&orders).await;
    let dead = orders.dead_letters("risk", None, 100).await.unwrap();
    let death = dead[0].death.as_ref().unwrap();
    assert_eq!((dead.len(), dead[0].deliveries, death.id, &*death.reason), (1, 1, ids[1], "delisted"));
    let Handled { done, again, dead, .. } = worker.handled();
    assert_eq!((done, again, dead), (3, 1, 1));
    worker.shutdown().await;
}

async fn what_cannot_be_read_lies_aside_at_once(log: impl Log + Clone) {
    let other =
        br#"{"specversion": "1.0", "id": "1", "source": "s", "type": "order.gone", "time": "t", "data": {}}"#;
    let newer = br#"{"specversion": "1.0", "id": "1", "source": "s", "type": "order.placed", "time": "t", "schemaversion": 2, "data": {"number": 1}}"#;
    let payloads: [&[u8]; 4] = [b"\xff\x00 no JSON", b"{}", newer, other];
    for payload in payloads {
        log.append("orders", Room::Safe(100), &[Append { payload, once: None }]).await.unwrap();
    }
    let orders = orders(log);
    let handler = |_: mystocks_bus::Delivered<Order>| std::future::ready(Ok::<_, &str>(()));
    let worker = orders.consume("risk", quick(), handler).await.unwrap();
    orders.publish(&Order { number: 1 }).await.unwrap();
    settled(&orders).await;
    let dead = orders.dead_letters("risk", None, 100).await.unwrap();
    assert_eq!(dead.iter().map(|letter| &*letter.payload).collect::<Vec<_>>(), payloads[..3]);
    for letter in &dead {
        let reason = &letter.death.as_ref().unwrap().reason;
        assert!(letter.deliveries == 1 && reason.starts_with("it cannot be read: "), "{letter:?}");
    }
    let Handled { done, dead, skipped, .. } = worker.handled();
    assert_eq!((done, dead, skipped), (1, 3, 1));
    worker.shutdown().await;
}

/// The lease is renewed for what runs and for what waits behind it.
async fn a_long_handler_is_not_duplicated(log: impl Log + Clone) {
    let (orders, calls) = (orders(log), Calls::default());
    for number in 0..20 {
        orders.publish(&Order { number }).await.unwrap();
    }
    let handling = Handling { lease: Duration::from_millis(300), at_once: 5, ..quick() };
    let mut workers = Vec::new();
    for _ in 0..2 {
        let calls = calls.clone();
        let handler = move |order: mystocks_bus::Delivered<Order>| {
            calls.note(order.number, order.deliveries);
            async move {
                sleep(Duration::from_millis(700)).await;
                Ok::<_, &str>(())
            }
        };
        workers.push(orders.consume("risk", handling, handler).await.unwrap());
    }
    settled(&orders).await;
    for number in 0..20 {
        assert_eq!(calls.of(number), [1], "{number}");
    }
    for worker in workers {
        assert_eq!(worker.handled().lost, 0);
        worker.shutdown().await;
    }
}

async fn who_is_shut_down_leaves_nothing_undone(log: impl Log + Clone) {
    let (orders, calls) = (orders(log), Calls::default());
    for number in 0..50 {
        orders.publish(&Order { number }).await.unwrap();
    }
    let noted = calls.clone();
    let handler = move |order: mystocks_bus::Delivered<Order>| {
        noted.note(order.number, order.deliveries);
        async move {
            sleep(Duration::from_millis(50)).await;
            Ok::<_, &str>(())
        }
    };
    let handling = Handling { at_once: 4, ..quick() };
    let worker = orders.consume("risk", handling, handler.clone()).await.unwrap();
    eventually("it has begun", LONG, async || calls.len() >= 4).await;
    worker.shutdown().await;
    let begun = calls.len();
    assert!(begun < 50, "it was to be in the middle");
    let state = orders.state("risk").await.unwrap();
    assert_eq!((state.pending, state.waiting, state.consumers), (50 - begun as u64, 50 - begun as u64, 0));
    let begun_again = Instant::now();
    let worker = orders.consume("risk", handling, handler).await.unwrap();
    settled(&orders).await;
    assert!(begun_again.elapsed() < LONG);
    for number in 0..50 {
        assert_eq!(calls.of(number), [1], "{number}");
    }
    worker.shutdown().await;
}

async fn what_is_full_says_so(log: impl Log + Clone) {
    let orders = orders(log).room(3);
    let handler = |_: mystocks_bus::Delivered<Order>| std::future::ready(Ok::<_, &str>(()));
    for number in 0..3 {
        orders.publish(&Order { number }).await.unwrap();
    }
    let error = orders.publish(&Order { number: 3 }).await.unwrap_err();
    assert_eq!(error.kind(), mystocks_bus::ErrorKind::Full);
    let many: Vec<_> = (3..6).map(|number| Order { number }).collect();
    assert_eq!(orders.publish_all(&many).await.unwrap_err().kind(), mystocks_bus::ErrorKind::Full);
    assert!(error.to_string().contains("orders") && error.to_string().contains("3 events"), "{error}");
    let worker = orders.consume("risk", quick(), handler).await.unwrap();
    settled(&orders).await;
    let ids = orders.publish_all(&many).await.unwrap();
    assert!(ids.len() == 3 && ids.is_sorted(), "{ids:?}");
    worker.shutdown().await;
}

/// Connections that break again and again, also while a read or an acknowledgement is under way, lose nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connections_lose_nothing() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let direct = orders(streams(&format!("redis://{}/0", server.address())).await);
    let (through, calls) = (orders(streams(&proxy.url(0)).await), Calls::default());
    let noted = calls.clone();
    let handler = move |order: mystocks_bus::Delivered<Order>| {
        noted.note(order.number, order.deliveries);
        std::future::ready(Ok::<_, &str>(()))
    };
    let worker = through.consume("risk", quick(), handler).await.unwrap();
    for round in 0..20 {
        for number in 0..50 {
            direct.publish(&Order { number: round * 50 + number }).await.unwrap();
        }
        if round % 4 == 0 {
            proxy.hold_replies(true);
            sleep(Duration::from_millis(20)).await;
        }
        proxy.cut();
        proxy.hold_replies(false);
        sleep(Duration::from_millis(50)).await;
    }
    settled(&direct).await;
    assert_eq!(calls.len(), 1_000);
    let handled = worker.handled();
    assert_eq!((handled.again, handled.dead, handled.skipped), (0, 0, 0), "{handled:?}");
    worker.shutdown().await;
}

/// What is being handled when its connection breaks is acknowledged under the name that it was given to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_connection_duplicates_nothing() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let direct = orders(streams(&format!("redis://{}/0", server.address())).await);
    let (through, calls) = (orders(streams(&proxy.url(0)).await), Calls::default());
    let noted = calls.clone();
    let handler = move |order: mystocks_bus::Delivered<Order>| {
        noted.note(order.number, order.deliveries);
        async move {
            sleep(Duration::from_millis(2_000)).await;
            Ok::<_, &str>(())
        }
    };
    let handling = Handling { lease: Duration::from_millis(800), at_once: 4, ..quick() };
    let worker = through.consume("risk", handling, handler).await.unwrap();
    for number in 0..8 {
        direct.publish(&Order { number }).await.unwrap();
    }
    eventually("it has begun", LONG, async || calls.len() == 4).await;
    proxy.cut();
    settled(&direct).await;
    for number in 0..8 {
        assert_eq!(calls.of(number), [1], "{number}");
    }
    assert_eq!(worker.handled().lost, 0);
    worker.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused() {
    let handling = Handling { lease: Duration::from_millis(99), ..Handling::default() };
    let handler = |_: mystocks_bus::Delivered<Order>| std::future::ready(Ok::<_, &str>(()));
    let error = orders(MemoryLog::new()).consume("risk", handling, handler).await.unwrap_err();
    assert_eq!(error.kind(), mystocks_bus::ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("orders") && error.to_string().contains("100 ms"), "{error}");
    let nothing = [
        ("at_once", Handling { at_once: 0, ..quick() }),
        ("prefetch", Handling { prefetch: 0, ..quick() }),
        ("deliveries", Handling { deliveries: 0, ..quick() }),
    ];
    let too_much = [
        ("at_once", Handling { at_once: usize::MAX, ..quick() }),
        ("prefetch", Handling { prefetch: usize::MAX, ..quick() }),
        ("lease", Handling { lease: Duration::MAX, ..quick() }),
        ("again_after", Handling { again_after: Duration::MAX, ..quick() }),
        ("again_at_most", Handling { again_at_most: Duration::MAX, ..quick() }),
    ];
    let nothing = nothing.map(|(name, handling)| (format!("`{name}` 0"), handling));
    let too_much = too_much.map(|(name, handling)| (format!("`{name}` is"), handling));
    for (said, handling) in nothing.into_iter().chain(too_much) {
        let error = orders(MemoryLog::new()).consume("risk", handling, handler).await.unwrap_err();
        assert_eq!(error.kind(), mystocks_bus::ErrorKind::InvalidArgument);
        assert!(error.to_string().contains(&said), "{error}");
    }
}
