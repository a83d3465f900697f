//! What cannot be acknowledged is handled again, and not held forever.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mystocks_bus::{
    Append, Appended, Consumer, Delivered, Entry, Error, ErrorKind, GroupState, Log, MemoryLog, Part, Room,
    Settle, Settled, Shelf, Tend, Tended,
};
use tokio::time::sleep;

use crate::{Calls, Order, orders, quick};

/// A log that refuses so many acknowledgements.
#[derive(Debug)]
struct Refusing {
    log: MemoryLog,
    left: AtomicU32,
}

#[async_trait]
impl Log for Refusing {
    async fn append(&self, topic: &str, room: Room, entries: &[Append<'_>]) -> Result<Vec<Appended>, Error> {
        self.log.append(topic, room, entries).await
    }

    async fn read(&self, consumer: &Consumer<'_>, count: usize, wait: Duration) -> Result<Vec<Entry>, Error> {
        self.log.read(consumer, count, wait).await
    }

    async fn settle(&self, consumer: &Consumer<'_>, settlements: &[Settle<'_>]) -> Result<Settled, Error> {
        let take = |left: u32| left.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok() {
            return Err(Error::new(ErrorKind::Unavailable, "settle", consumer.topic));
        }
        self.log.settle(consumer, settlements).await
    }

    async fn tend(&self, consumer: &Consumer<'_>, tend: &Tend<'_>) -> Result<Tended, Error> {
        self.log.tend(consumer, tend).await
    }

    async fn range(&self, shelf: Shelf<'_>, part: Part) -> Result<Vec<Entry>, Error> {
        self.log.range(shelf, part).await
    }

    async fn state(&self, topic: &str, group: &str) -> Result<GroupState, Error> {
        self.log.state(topic, group).await
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_acknowledged_comes_again() {
    // More often than the worker tries.
    let (orders, calls) = (orders(Refusing { log: MemoryLog::new(), left: 30.into() }), Calls::default());
    let noted = calls.clone();
    let handler = move |order: Delivered<Order>| {
        noted.note(order.number, order.deliveries);
        std::future::ready(Ok::<_, &str>(()))
    };
    let worker = orders.consume("risk", quick(), handler).await.unwrap();
    orders.publish(&Order { number: 7 }).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    let state = orders.state("risk").await.unwrap();
    assert_eq!((state.lag, state.pending, state.dead), (0, 0, 0));
    assert_eq!(calls.of(7).len(), 2);
    assert_eq!((worker.handled().done, worker.handled().lost), (1, 1));
    worker.shutdown().await;
}

/// An error whose text cannot be had.
#[derive(Debug)]
struct Mute;

impl fmt::Display for Mute {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("no words")
    }
}

impl std::error::Error for Mute {}

#[tokio::test(start_paused = true)]
async fn an_error_that_panics_is_a_panic() {
    let orders = orders(MemoryLog::new());
    let handler = |_: Delivered<Order>| std::future::ready(Err::<(), _>(Mute));
    let worker = orders.consume("risk", quick(), handler).await.unwrap();
    orders.publish(&Order { number: 7 }).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    let dead = orders.dead_letters("risk", None, 10).await.unwrap();
    let reasons: Vec<_> = dead.iter().map(|letter| letter.death.as_ref().unwrap().reason.as_str()).collect();
    assert_eq!(reasons, ["its handler panicked: no words"]);
    worker.shutdown().await;
}
