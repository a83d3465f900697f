//! Who follows a topic from a place on gets what stands there and what comes, without a seam.

use std::time::Duration;

use mystocks_bus::{Append, Followed, Follower, Handling, Keyspace, Log, Room, Start, Streams};
use mystocks_config::RedisSettings;
use mystocks_redis_core::{Call, RedisManager};
use mystocks_testkit::{FaultProxy, RedisServer};
use tokio::time::{sleep, timeout};

use crate::{DurableTopic, LONG, Order, orders, quick, streams};

on_both! {
    at_no_seam_anything_is_missing_or_twice
    who_begins_now_gets_what_comes
    what_was_trimmed_is_told_in_its_place
    what_cannot_be_read_is_shown_and_what_is_for_others_is_not
    giving_up_waiting_loses_nothing
}

async fn next(follower: &mut Follower<Order>) -> Followed<Order> {
    timeout(LONG, follower.next()).await.expect("something comes")
}

/// Returns the next event's place and number.
async fn event(follower: &mut Follower<Order>) -> (mystocks_bus::Id, u64) {
    match next(follower).await {
        Followed::Event(order) => (order.id, order.number),
        other => panic!("{other:?}"),
    }
}

async fn publish(orders: DurableTopic<Order>, numbers: std::ops::Range<u64>) {
    for number in numbers {
        orders.publish(&Order { number }).await.unwrap();
        tokio::task::yield_now().await;
    }
}

/// While somebody publishes, somebody goes away and comes back after the last that it saw, 200 times at least.
async fn at_no_seam_anything_is_missing_or_twice(log: impl Log + Clone) {
    const COUNT: u64 = 4_000;
    let (orders, seed) = (orders(log), fastrand::u64(..));
    println!("follow: seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let following = async {
        let (mut start, mut expected, mut seams) = (Start::First, 0, 0);
        while expected < COUNT {
            let mut follower = orders.follow(start).await.unwrap();
            for _ in 0..random.u64(1..30).min(COUNT - expected) {
                let (id, number) = event(&mut follower).await;
                assert_eq!(number, expected);
                (start, expected) = (Start::After(id), number + 1);
            }
            seams += 1;
        }
        seams
    };
    let (seams, ()) = tokio::join!(following, publish(orders.clone(), 0..COUNT));
    assert!(seams >= 200, "{seams}");
}

async fn who_begins_now_gets_what_comes(log: impl Log + Clone) {
    let orders = orders(log);
    let mut of_nothing = orders.follow(Start::Now).await.unwrap();
    publish(orders.clone(), 0..5).await;
    let mut of_some = orders.follow(Start::Now).await.unwrap();
    publish(orders.clone(), 5..7).await;
    for number in 0..7 {
        assert_eq!(event(&mut of_nothing).await.1, number);
    }
    for number in 5..7 {
        assert_eq!(event(&mut of_some).await.1, number);
    }
}

async fn what_was_trimmed_is_told_in_its_place(log: impl Log + Clone) {
    let orders = orders(log).keep_latest(10);
    publish(orders.clone(), 0..5).await;
    let mut follower = orders.follow(Start::First).await.unwrap();
    let mut last = None;
    for number in 0..5 {
        let (id, found) = event(&mut follower).await;
        assert_eq!(found, number);
        last = Some(id);
    }
    orders.publish_all(&(5..105).map(|number| Order { number }).collect::<Vec<_>>()).await.unwrap();
    let Followed::Gap(gap) = next(&mut follower).await else { panic!("90 are missing") };
    assert_eq!((gap.dropped, gap.disconnected), (90, false));
    assert!(gap.since() <= gap.until());
    for number in 95..105 {
        assert_eq!(event(&mut follower).await.1, number);
    }
    // The place that it begins after is gone: how much is missing cannot be known.
    let mut late = orders.follow(Start::After(last.unwrap())).await.unwrap();
    let Followed::Gap(gap) = next(&mut late).await else { panic!("some are missing") };
    assert!(gap.disconnected, "{gap:?}");
    assert_eq!(event(&mut late).await.1, 95);
}

async fn what_cannot_be_read_is_shown_and_what_is_for_others_is_not(log: impl Log + Clone) {
    let orders = orders(log.clone());
    log.append("orders", Room::Safe(10), &[Append { payload: b"\xff no JSON", once: None }]).await.unwrap();
    orders.publish(&Order { number: 1 }).await.unwrap();
    let mut follower = orders.follow(Start::First).await.unwrap();
    let Followed::Unreadable { payload, reason, .. } = next(&mut follower).await else {
        panic!("it is no JSON")
    };
    assert_eq!(&*payload, b"\xff no JSON");
    assert!(reason.contains("UTF-8"), "{reason}");
    assert_eq!(event(&mut follower).await.1, 1);
    let handling = Handling { deliveries: 1, ..quick() };
    let handler = |_: mystocks_bus::Delivered<Order>| std::future::ready(Err::<(), _>("no such stock"));
    let worker = orders.consume("risk", handling, handler).await.unwrap();
    crate::settled(&orders).await;
    assert_eq!(orders.replay("risk", None, |_| true).await.unwrap().replayed, 2);
    orders.publish(&Order { number: 2 }).await.unwrap();
    assert_eq!(event(&mut follower).await.1, 2, "what is replayed for a group is passed over");
    worker.shutdown().await;
}

async fn giving_up_waiting_loses_nothing(log: impl Log + Clone) {
    let orders = orders(log);
    let mut follower = orders.follow(Start::First).await.unwrap();
    let following = async {
        let (mut expected, mut given_up) = (0, 0);
        while expected < 100 {
            match timeout(Duration::from_millis(1), follower.next()).await {
                Ok(Followed::Event(order)) => {
                    assert_eq!(order.number, expected);
                    expected += 1;
                }
                Ok(other) => panic!("{other:?}"),
                Err(_) => given_up += 1,
            }
        }
        given_up
    };
    let publishing = async {
        for number in 0..100 {
            sleep(Duration::from_millis(3)).await;
            orders.publish(&Order { number }).await.unwrap();
        }
    };
    let (given_up, ()) = timeout(LONG, async { tokio::join!(following, publishing) }).await.unwrap();
    assert!(given_up > 10, "{given_up}");
}

/// Cut off again and again, also while it waits, it goes on where it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connections_lose_nothing() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let direct = orders(streams(&format!("redis://{}/0", server.address())).await);
    let through = orders(streams(&proxy.url(0)).await);
    let mut follower = through.follow(Start::First).await.unwrap();
    let publishing = async {
        for round in 0..20 {
            for number in 0..50 {
                direct.publish(&Order { number: round * 50 + number }).await.unwrap();
            }
            proxy.cut();
            sleep(Duration::from_millis(50)).await;
        }
    };
    let following = async {
        for number in 0..1_000 {
            assert_eq!(event(&mut follower).await.1, number);
        }
    };
    tokio::join!(publishing, following);
}

/// What stood there was deleted with the topic, and numbers begin anew: how much was missed nobody knows.
#[tokio::test]
async fn a_topic_that_begins_anew_is_told() {
    let server = RedisServer::start().await;
    let redis = RedisManager::start(&RedisSettings::from_url(&server.url()).unwrap()).await.unwrap();
    let topic = orders(Streams::new(redis.clone(), &Keyspace::default()));
    publish(topic.clone(), 0..3).await;
    let mut follower = topic.follow(Start::First).await.unwrap();
    for number in 0..3 {
        assert_eq!(event(&mut follower).await.1, number);
    }
    let _: String = redis.query(&::redis::cmd("FLUSHALL"), Call::once()).await.unwrap();
    // Within the same millisecond the new places would not come after the old ones.
    sleep(Duration::from_millis(5)).await;
    publish(topic.clone(), 3..5).await;
    let Followed::Gap(gap) = next(&mut follower).await else { panic!("some may be missing") };
    assert!(gap.disconnected && gap.dropped == 0, "{gap:?}");
    for number in 3..5 {
        assert_eq!(event(&mut follower).await.1, number);
    }
}
