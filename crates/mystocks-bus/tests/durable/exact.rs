//! What Redis is told and what it tells is exact, whatever happens on the way.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::redis::{Cmd, FromRedisValue, Value, cmd};
use mystocks_bus::{Delivered, Handling, Keyspace, Streams};
use mystocks_config::RedisSettings;
use mystocks_redis_core::{Call, RedisManager};
use mystocks_testkit::{FaultProxy, RedisServer, eventually};
use tokio::time::{Instant, sleep};

use crate::{Calls, LONG, Order, orders, quick, settled, streams};

const ENTRIES: &str = "{mystocks:stream:orders}:entries";

async fn manager(server: &RedisServer) -> RedisManager {
    RedisManager::start(&RedisSettings::from_url(&server.url()).unwrap()).await.unwrap()
}

async fn ask<T: FromRedisValue>(redis: &RedisManager, command: &Cmd) -> T {
    redis.query(command, Call::once()).await.unwrap()
}

/// Returns the lag of the group as the server gives it; `None` when it does not know.
async fn lag_of_the_server(redis: &RedisManager) -> Option<u64> {
    let groups: Vec<Vec<Value>> = ask(redis, cmd("XINFO").arg("GROUPS").arg(ENTRIES)).await;
    let fields = groups[0].chunks_exact(2);
    let of = |pair: &&[Value]| pair[0] == Value::BulkString(b"lag".to_vec());
    match fields.clone().find(of).unwrap()[1] {
        Value::Int(lag) => u64::try_from(lag).ok(),
        _ => None,
    }
}

/// Somebody deletes and trims by hand: the lag stays what is there and was not given, also where the server's own is missing or wrong.
#[tokio::test]
async fn the_lag_is_exact_after_trimming_and_deleting() {
    let server = RedisServer::start().await;
    let redis = manager(&server).await;
    let orders = orders(Streams::new(redis.clone(), &Keyspace::default()));
    let handler = |_: Delivered<Order>| std::future::ready(Ok::<_, &str>(()));
    let worker = orders.consume("risk", quick(), handler).await.unwrap();
    let publish = async |count: u64| {
        let events: Vec<_> = (0..count).map(|number| Order { number }).collect();
        orders.publish_all(&events).await.unwrap()
    };
    publish(10).await;
    settled(&orders).await;
    worker.shutdown().await;
    let ids = publish(100).await;
    let lag = async || orders.state("risk").await.unwrap().lag;
    assert_eq!(lag().await, 100);
    let deleted: u64 =
        ask(&redis, cmd("XDEL").arg(ENTRIES).arg(ids[50].to_string()).arg(ids[60].to_string())).await;
    assert_eq!((deleted, lag().await), (2, 98));
    assert_ne!(lag_of_the_server(&redis).await, Some(98), "the server would do, then");
    let _: u64 = ask(&redis, cmd("XTRIM").arg(ENTRIES).arg("MINID").arg("=").arg(ids[30].to_string())).await;
    assert_eq!(lag().await, 68);
    let _: u64 = ask(&redis, cmd("XTRIM").arg(ENTRIES).arg("MAXLEN").arg("=").arg(20)).await;
    assert_eq!(lag().await, 20);
    publish(5).await;
    assert_eq!(lag().await, 25);
    let _: u64 = ask(&redis, cmd("XTRIM").arg(ENTRIES).arg("MAXLEN").arg("=").arg(0)).await;
    assert_eq!((lag().await, orders.state("risk").await.unwrap().entries), (0, 0));
    publish(3).await;
    assert_eq!(lag().await, 3);
}

/// A worker that had nothing to do for longer than a read waits has lost no connection and answers at once.
#[tokio::test]
async fn after_five_idle_seconds_a_message_comes_at_once() {
    let server = RedisServer::start().await;
    let redis = manager(&server).await;
    let orders = orders(Streams::new(redis.clone(), &Keyspace::default()));
    let (sender, mut handled) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |_: Delivered<Order>| std::future::ready(sender.send(Instant::now()));
    let worker = orders.consume("risk", Handling::default(), handler).await.unwrap();
    let consumers = async || -> BTreeSet<String> {
        let all: Vec<Vec<Value>> = ask(&redis, cmd("XINFO").arg("CONSUMERS").arg(ENTRIES).arg("risk")).await;
        all.iter().map(|fields| ::redis::from_redis_value(fields[1].clone()).unwrap()).collect()
    };
    let before = consumers().await;
    sleep(Duration::from_millis(5_500)).await;
    let begun = Instant::now();
    orders.publish(&Order { number: 1 }).await.unwrap();
    println!("handled {:?} after it was to be published", handled.recv().await.unwrap() - begun);
    settled(&orders).await;
    assert_eq!(consumers().await, before, "no read was given up");
    assert_eq!(before.len(), 1);
    worker.shutdown().await;
}

/// Connections break under publications, whose answers are lost: each stands there once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_append_nothing_twice() {
    const COUNT: u64 = 10_000;
    const CUTS: u64 = 20;
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let direct = orders(streams(&format!("redis://{}/0", server.address())).await);
    let through = orders(streams(&proxy.url(0)).await);
    let published = AtomicU64::new(0);
    let publishing = async {
        let publish = |number| {
            let (through, published) = (through.clone(), &published);
            async move {
                // The caller repeats what was not repeated for it.
                while through.publish_once(&format!("order:{number}"), &Order { number }).await.is_err() {
                    sleep(Duration::from_millis(20)).await;
                }
                published.fetch_add(1, Ordering::Relaxed);
            }
        };
        use futures::StreamExt;
        futures::stream::iter((0..COUNT).map(publish)).buffer_unordered(32).count().await
    };
    let mut cuts = 0;
    let breaking = async {
        // By what is published and not by time: a fast machine is cut as often as a slow one.
        for cut in 1..CUTS {
            while published.load(Ordering::Relaxed) < cut * COUNT / CUTS {
                sleep(Duration::from_millis(1)).await;
            }
            proxy.hold_replies(true);
            sleep(Duration::from_millis(10)).await;
            proxy.cut();
            proxy.hold_replies(false);
            cuts += 1;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        published = publishing => assert_eq!(published, 10_000),
        () = breaking => {}
    }
    assert_eq!(cuts, CUTS - 1);
    assert_eq!(direct.state("risk").await.unwrap().entries, COUNT);
    let mut follower = direct.follow(mystocks_bus::Start::First).await.unwrap();
    let mut numbers = BTreeSet::new();
    for _ in 0..COUNT {
        match follower.next().await {
            mystocks_bus::Followed::Event(order) => assert!(numbers.insert(order.number), "{}", order.number),
            other => panic!("{other:?}"),
        }
    }
}

/// Workers that end without a word, one after the other: none of their names stays, and nothing that they held is lost.
#[tokio::test]
async fn who_ends_without_a_word_leaves_no_name() {
    const RESTARTS: u64 = 300;
    let server = RedisServer::start().await;
    let redis = manager(&server).await;
    let (orders, calls) = (orders(Streams::new(redis.clone(), &Keyspace::default())), Calls::default());
    let handling = Handling { lease: Duration::from_millis(300), deliveries: 1_000, ..quick() };
    let noted = calls.clone();
    let handler = move |order: Delivered<Order>| {
        noted.note(order.number, order.deliveries);
        // Most are in the middle of something when they end.
        async move {
            sleep(Duration::from_millis(order.number % 7)).await;
            Ok::<_, &str>(())
        }
    };
    for number in 0..RESTARTS {
        orders.publish(&Order { number }).await.unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (url, handler) = (server.url(), handler.clone());
        // Its runtime ends in the middle, as a process does, without giving anything back.
        let worker = runtime.spawn(async move {
            let orders = crate::orders(streams(&url).await);
            orders.consume("risk", handling, handler).await.unwrap()
        });
        let worker = worker.await.unwrap();
        runtime.shutdown_background();
        std::mem::forget(worker);
    }
    let worker = orders.consume("risk", handling, handler).await.unwrap();
    settled(&orders).await;
    assert_eq!(calls.len() as u64, RESTARTS, "nothing is lost");
    let consumers = async || -> u64 {
        let all: Vec<Value> = ask(&redis, cmd("XINFO").arg("CONSUMERS").arg(ENTRIES).arg("risk")).await;
        all.len() as u64
    };
    eventually("the dead are gone", LONG, async || {
        // Beside the one that lives there is the one that nobody is.
        consumers().await <= 2 && orders.state("risk").await.unwrap().consumers == 1
    })
    .await;
    worker.shutdown().await;
}
