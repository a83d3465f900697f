//! Answers that are lost, one after the other, lose nothing and put nothing out of order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mystocks_bus::{
    Append, Appended, Consumer, Entry, Error, ErrorKind, GroupState, Handling, Log, MemoryLog, Part, Room,
    Settle, Settled, Shelf, Tend, Tended,
};
use mystocks_testkit::eventually;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::LONG;
use crate::lanes::{Book, accounts, fills, now_and_then, publish, settled, work};

/// A log that does everything it is asked for, and of whose answers about lanes, or about all, every fifth is lost; or nobody can be kept alive.
#[derive(Debug, Clone, Default)]
struct Lossy {
    log: MemoryLog,
    loses: Arc<AtomicBool>,
    loses_all: Arc<AtomicBool>,
    asked: Arc<AtomicU32>,
    is_deaf: Arc<AtomicBool>,
}

impl Lossy {
    fn answer<T>(&self, topic: &str, answer: Result<T, Error>) -> Result<T, Error> {
        if (topic.contains('#') || self.loses_all.load(Ordering::SeqCst))
            && self.loses.load(Ordering::SeqCst)
            && self.asked.fetch_add(1, Ordering::SeqCst) % 5 == 4
        {
            return Err(Error::new(ErrorKind::Unknown, "ask", topic));
        }
        answer
    }
}

#[async_trait]
impl Log for Lossy {
    async fn append(&self, topic: &str, room: Room, entries: &[Append<'_>]) -> Result<Vec<Appended>, Error> {
        self.log.append(topic, room, entries).await
    }

    async fn read(&self, consumer: &Consumer<'_>, count: usize, wait: Duration) -> Result<Vec<Entry>, Error> {
        let read = self.log.read(consumer, count, wait).await;
        // A lost answer to a read would have all given back, whatever else was lost.
        if consumer.topic.contains('#') { self.answer(consumer.topic, read) } else { read }
    }

    async fn settle(&self, consumer: &Consumer<'_>, settlements: &[Settle<'_>]) -> Result<Settled, Error> {
        self.answer(consumer.topic, self.log.settle(consumer, settlements).await)
    }

    async fn tend(&self, consumer: &Consumer<'_>, tend: &Tend<'_>) -> Result<Tended, Error> {
        if self.is_deaf.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "ask", consumer.topic));
        }
        self.answer(consumer.topic, self.log.tend(consumer, tend).await)
    }

    async fn range(&self, shelf: Shelf<'_>, part: Part) -> Result<Vec<Entry>, Error> {
        let found = self.log.range(shelf, part).await;
        match shelf {
            Shelf::Waiting { topic, .. } => self.answer(topic, found),
            _ => found,
        }
    }

    async fn state(&self, topic: &str, group: &str) -> Result<GroupState, Error> {
        self.log.state(topic, group).await
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_lost_invert_nothing() {
    let log = Lossy::default();
    let (fills, book, accounts) = (fills(log.clone(), 3), Book::default(), accounts(10));
    let handling = Handling { at_once: 4, prefetch: 8, deliveries: 1_000, ..crate::quick() };
    let first = work(&fills, &book, 1, handling, now_and_then).await;
    let second = work(&fills, &book, 2, handling, now_and_then).await;
    log.loses.store(true, Ordering::SeqCst);
    publish(&fills, &accounts, 0..30).await;
    settled(&fills).await;
    let all: Vec<u64> = (0..30).collect();
    for account in &accounts {
        // What was acknowledged, though the answer was lost, is acknowledged again with the same outcome: nothing is done twice.
        assert_eq!((book.firsts(account), book.done(account)), (all.clone(), all.clone()), "{account}");
    }
    assert!(log.asked.load(Ordering::SeqCst) > 100, "there were answers to lose");
    first.shutdown().await;
    second.shutdown().await;
    eventually("all lanes are free", LONG, async || {
        let lanes = ["fills#0", "fills#1", "fills#2"].map(|lane| log.state(lane, "risk"));
        futures::future::join_all(lanes).await.iter().all(|state| state.as_ref().unwrap().consumers == 0)
    })
    .await;
}

/// Who cannot renew its lease begins nothing after its end: somebody else may have the lane.
#[tokio::test(start_paused = true)]
async fn nothing_begins_without_a_lease() {
    let (log, book) = (Lossy::default(), Book::default());
    let (fills, accounts) = (fills(log.clone(), 1), accounts(3));
    let (open, gate) = watch::channel(false);
    let handle = move |_, _| {
        let mut gate = gate.clone();
        async move { gate.wait_for(|open| *open).await.map(drop).map_err(|_| "gone") }
    };
    let handling = Handling { at_once: 1, ..crate::quick() };
    let worker = work(&fills, &book, 1, handling, handle).await;
    publish(&fills, &accounts, 0..1).await;
    sleep(Duration::from_secs(1)).await;
    log.is_deaf.store(true, Ordering::SeqCst);
    sleep(Duration::from_secs(5)).await;
    open.send(true).unwrap();
    sleep(Duration::from_secs(5)).await;
    let begun = || accounts.iter().filter(|account| !book.firsts(account).is_empty()).count();
    assert_eq!((begun(), worker.handled().done), (1, 1));
    // Nobody else was there: it goes on.
    log.is_deaf.store(false, Ordering::SeqCst);
    settled(&fills).await;
    assert_eq!((begun(), worker.handled().done), (3, 3));
    worker.shutdown().await;
}

/// What an answer gave that nobody heard is given back, also when it came again, so that nothing is held by somebody who does not know of it.
#[tokio::test(start_paused = true)]
async fn answers_that_are_lost_hold_nothing() {
    let (log, calls) = (Lossy::default(), crate::Calls::default());
    let orders = crate::orders(log.clone());
    let noted = calls.clone();
    let handler = move |order: mystocks_bus::Delivered<crate::Order>| {
        noted.note(order.number, order.deliveries);
        std::future::ready(if order.deliveries < 3 { Err("not yet") } else { Ok(()) })
    };
    let handling = Handling { at_once: 4, prefetch: 8, deliveries: 1_000, ..crate::quick() };
    let worker = orders.consume("risk", handling, handler).await.unwrap();
    log.loses_all.store(true, Ordering::SeqCst);
    log.loses.store(true, Ordering::SeqCst);
    for number in 0..200 {
        // Asked for one after the other, many answers are lost that gave something.
        while orders.publish(&crate::Order { number }).await.is_err() {}
        sleep(Duration::from_millis(5)).await;
    }
    crate::settled(&orders).await;
    assert_eq!(calls.len(), 200);
    assert!(log.asked.load(Ordering::SeqCst) > 100, "there were answers to lose");
    log.loses.store(false, Ordering::SeqCst);
    worker.shutdown().await;
}
