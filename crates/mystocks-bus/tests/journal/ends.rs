//! With the manager end all who listen on it.

use mystocks_bus::{Bus, ErrorKind, Hub, Keyspace, Limits, PubSub, Streams, Transport};
use mystocks_config::BusSettings;
use mystocks_redis_core::RedisManager;
use mystocks_testkit::{RedisServer, eventually};

use crate::{LONG, Tick, expect, manager, soon, ticks};

async fn ends_after_what_waits<T: Transport>(make: impl Fn(RedisManager) -> T) {
    let server = RedisServer::start().await;
    let redis = manager(&server.url()).await;
    let bus = Bus::new(make(redis.clone()), &BusSettings::default(), &Keyspace::default(), "tests");
    let mut subscription = bus.subscribe(&ticks()).await.unwrap();
    let listener = bus.on(&ticks(), |_| async {}).await.unwrap();
    let mut client = Hub::new(&bus).client(Limits::default()).unwrap();
    client.subscribe("ticks").await.unwrap();
    for number in 0..3 {
        bus.publish(&Tick { number }).await.unwrap();
    }
    eventually("all has come", LONG, async || {
        subscription.counts().received == 3 && client.counts().received == 3
    })
    .await;
    soon(redis.shutdown()).await;
    eventually("nobody is live", LONG, async || !*subscription.live().borrow()).await;
    expect(&mut subscription, 0..3).await;
    assert_eq!(soon(subscription.next()).await, None);
    for _ in 0..3 {
        assert!(soon(client.next()).await.is_some());
    }
    assert_eq!(soon(client.next()).await, None);
    soon(bus.shutdown()).await;
    assert_eq!((listener.counts().delivered, subscription.counts().gaps), (3, 0));
}

#[tokio::test]
async fn with_the_manager_end_subscriptions_on_pub_sub() {
    ends_after_what_waits(PubSub::new).await;
}

#[tokio::test]
async fn with_the_manager_end_subscriptions_that_are_remembered() {
    ends_after_what_waits(|redis| Streams::new(redis, &Keyspace::default())).await;
}

#[tokio::test]
async fn who_subscribes_on_a_manager_that_was_shut_down_ends_at_once() {
    let server = RedisServer::start().await;
    let redis = manager(&server.url()).await;
    let bus = crate::bus(Streams::new(redis.clone(), &Keyspace::default()));
    soon(redis.shutdown()).await;
    let mut late = bus.subscribe(&ticks()).await.unwrap();
    assert_eq!(soon(late.next()).await, None);
    assert_eq!(bus.publish(&Tick { number: 1 }).await.unwrap_err().kind(), ErrorKind::Unavailable);
}
