//! Answers that are lost, one after the other, lose nothing and put nothing out of order.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mystocks_bus::{
    Append, Appended, Consumer, Entry, Error, ErrorKind, GroupState, Handling, Id, Log, MemoryLog, Settle,
    Settled, Shelf, Tend, Tended,
};
use mystocks_testkit::eventually;

use crate::LONG;
use crate::lanes::{Book, accounts, fills, now_and_then, publish, settled, work};

/// A log that does everything it is asked for, and of whose answers about lanes every fifth is lost.
#[derive(Debug, Clone)]
struct Lossy {
    log: MemoryLog,
    asked: Arc<AtomicU32>,
}

impl Lossy {
    fn answer<T>(&self, topic: &str, answer: Result<T, Error>) -> Result<T, Error> {
        if topic.contains('#') && self.asked.fetch_add(1, Ordering::SeqCst) % 5 == 4 {
            return Err(Error::new(ErrorKind::Unknown, "ask", topic));
        }
        answer
    }
}

#[async_trait]
impl Log for Lossy {
    async fn append(&self, topic: &str, room: u64, entries: &[Append<'_>]) -> Result<Vec<Appended>, Error> {
        self.log.append(topic, room, entries).await
    }

    async fn read(&self, consumer: &Consumer<'_>, count: usize, wait: Duration) -> Result<Vec<Entry>, Error> {
        self.answer(consumer.topic, self.log.read(consumer, count, wait).await)
    }

    async fn settle(&self, consumer: &Consumer<'_>, settlements: &[Settle<'_>]) -> Result<Settled, Error> {
        self.answer(consumer.topic, self.log.settle(consumer, settlements).await)
    }

    async fn tend(&self, consumer: &Consumer<'_>, tend: &Tend<'_>) -> Result<Tended, Error> {
        self.answer(consumer.topic, self.log.tend(consumer, tend).await)
    }

    async fn range(&self, shelf: Shelf<'_>, after: Option<Id>, count: usize) -> Result<Vec<Entry>, Error> {
        let found = self.log.range(shelf, after, count).await;
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
    let log = Lossy { log: MemoryLog::new(), asked: Arc::default() };
    let (fills, book, accounts) = (fills(log.clone(), 3), Book::default(), accounts(10));
    let handling = Handling { at_once: 4, prefetch: 8, deliveries: 1_000, ..crate::quick() };
    let first = work(&fills, &book, 1, handling, now_and_then).await;
    let second = work(&fills, &book, 2, handling, now_and_then).await;
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
