//! What others do to a topic's keys, and what a server without room refuses, stops no worker.

use std::time::Duration;

use ::redis::{Cmd, FromRedisValue, Value, cmd};
use mystocks_bus::{Delivered, DurableTopic, Handling, Keyspace, Start, Streams};
use mystocks_config::RedisSettings;
use mystocks_redis_core::{Call, RedisManager};
use mystocks_testkit::{RedisServer, eventually};
use tokio::time::sleep;

use crate::{Calls, LONG, Order, orders, quick, settled};

const ENTRIES: &str = "{mystocks:stream:orders}:entries";

/// A topic on a server, and a connection for what others do.
struct Ground {
    _server: RedisServer,
    redis: RedisManager,
    orders: DurableTopic<Order>,
    /// Another topic, with lanes.
    lots: DurableTopic<Order>,
    calls: Calls,
}

impl Ground {
    async fn new() -> Self {
        let server = RedisServer::start().await;
        let redis = RedisManager::start(&RedisSettings::from_url(&server.url()).unwrap()).await.unwrap();
        let log = Streams::new(redis.clone(), &Keyspace::default());
        let lots = DurableTopic::new(log.clone(), "lots", "shop").lanes(3);
        Self { _server: server, redis, orders: orders(log), lots, calls: Calls::default() }
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> T {
        self.redis.query(command, Call::once()).await.unwrap()
    }

    /// Makes a worker whose handlers fail the first time with every third.
    async fn worker(&self, orders: &DurableTopic<Order>, handling: Handling) -> mystocks_bus::Worker {
        let calls = self.calls.clone();
        let handler = move |order: Delivered<Order>| {
            calls.note(order.number, order.deliveries);
            let fails = order.number % 3 == 1 && order.deliveries == 1;
            std::future::ready(if fails { Err("not yet") } else { Ok(()) })
        };
        orders.consume("risk", handling, handler).await.unwrap()
    }
}

/// An entry that somebody else wrote is a dead letter, with and without lanes, and the worker goes on.
#[tokio::test]
async fn an_entry_of_another_shape_lies_aside() {
    let ground = Ground::new().await;
    for (orders, entries) in [(&ground.orders, ENTRIES), (&ground.lots, "{mystocks:stream:lots}:entries#1")] {
        let worker = ground.worker(orders, quick()).await;
        for fields in [["foo", "bar", "x", "y"], ["n", "no number", "p", "no event"], ["p", "1", "n", "-7"]] {
            let _: String = ground.ask(cmd("XADD").arg(entries).arg("*").arg(&fields)).await;
            orders.publish(&Order { number: 1 }).await.unwrap();
        }
        settled(orders).await;
        assert_eq!(worker.handled().done, 3);
        worker.shutdown().await;
        let dead = orders.dead_letters("risk", None, 100).await.unwrap();
        let is_unreadable = |letter: &mystocks_bus::Entry| {
            letter.death.as_ref().unwrap().reason.starts_with("it cannot be read: ")
        };
        assert!(dead.len() == 3 && dead.iter().all(is_unreadable), "{dead:?}");
    }
}

/// A group that somebody removed is made again where it was; no name of before is left.
#[tokio::test]
async fn a_group_that_was_removed_goes_on() {
    let ground = Ground::new().await;
    let handling = Handling { lease: Duration::from_millis(600), ..quick() };
    for orders in [&ground.orders, &ground.lots] {
        let worker = ground.worker(orders, handling).await;
        for number in 0..10 {
            orders.publish(&Order { number }).await.unwrap();
        }
        settled(orders).await;
        let keys: Vec<String> = ground.ask(cmd("KEYS").arg("{mystocks:stream:*}:entries*")).await;
        for key in keys {
            let _: Value = ground.ask(cmd("XGROUP").arg("DESTROY").arg(key).arg("risk")).await;
        }
        for number in 100..110 {
            orders.publish(&Order { number }).await.unwrap();
        }
        eventually("they are handled", LONG, async || {
            (100..110).all(|number| !ground.calls.of(number).is_empty())
        })
        .await;
        eventually("nobody else is there", LONG, async || {
            let state = orders.state("risk").await.unwrap();
            (state.consumers, state.lag, state.pending) == (1, 0, 0)
        })
        .await;
        worker.shutdown().await;
    }
    // Without lanes it went on after what it had been given.
    assert_eq!(ground.calls.of(0).len(), ground.calls.of(2).len());
}

/// What is published right after the server lost everything is handled, also by a group that began with what came.
#[tokio::test]
async fn what_comes_after_a_loss_of_all_is_handled() {
    let ground = Ground::new().await;
    for orders in [&ground.orders, &ground.lots] {
        let worker = ground.worker(orders, Handling { start: Start::Now, ..quick() }).await;
        let _: String = ground.ask(&cmd("FLUSHALL")).await;
        for number in 200..220 {
            orders.publish(&Order { number }).await.unwrap();
        }
        eventually("they are handled", LONG, async || {
            (200..220).all(|number| !ground.calls.of(number).is_empty())
        })
        .await;
        worker.shutdown().await;
        std::mem::take(&mut *ground.calls.0.lock().unwrap());
    }
}

/// While the server refuses what needs memory, workers keep what they have, handle it, and have it come again.
#[tokio::test]
async fn a_full_server_stops_no_worker() {
    let ground = Ground::new().await;
    let handling = Handling { lease: Duration::from_millis(600), ..quick() };
    for number in 0..30 {
        ground.orders.publish(&Order { number }).await.unwrap();
    }
    let worker = ground.worker(&ground.orders, Handling { at_once: 1, ..handling }).await;
    let _: String = ground.ask(cmd("CONFIG").arg("SET").arg("maxmemory").arg(1)).await;
    assert!(ground.orders.publish(&Order { number: 99 }).await.is_err(), "there is no room");
    // Longer than the lease.
    sleep(Duration::from_millis(1_500)).await;
    settled(&ground.orders).await;
    assert_eq!((worker.handled().done, worker.handled().lost), (30, 0));
    assert_eq!(ground.calls.of(1), [1, 2]);
    worker.shutdown().await;
}
