//! Events of one key are handled one after the other, whoever handles them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mystocks_bus::{
    Delivered, DurableTopic, ErrorKind, Event, Handling, Log, MemoryLog, Part, Shelf, Start, Topic, Worker,
};
use mystocks_testkit::eventually;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::LONG;

pub(super) const GROUP: &str = "risk";

/// One of many that belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Fill {
    account: String,
    number: u64,
}

impl Event for Fill {
    const TYPE: &'static str = "fill";

    fn topics(&self) -> Vec<Topic<Self>> {
        vec![Topic::new("fills")]
    }

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(self.account.as_str().into())
    }
}

/// What handlers did, in the order in which they did it.
#[derive(Debug, Clone, Default)]
pub(super) struct Book(Arc<Mutex<Vec<Line>>>);

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    worker: usize,
    pub(super) account: String,
    number: u64,
    is_done: bool,
}

impl Book {
    fn note(&self, worker: usize, fill: &Fill, is_done: bool) {
        let line = Line { worker, account: fill.account.clone(), number: fill.number, is_done };
        self.0.lock().unwrap().push(line);
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn done(&self, account: &str) -> Vec<u64> {
        self.numbers(account, |line| line.is_done)
    }

    pub(super) fn begun(&self, account: &str) -> Vec<u64> {
        self.numbers(account, |line| !line.is_done)
    }

    fn numbers(&self, account: &str, is: impl Fn(&Line) -> bool) -> Vec<u64> {
        let lines = self.lines().into_iter().filter(|line| line.account == account && is(line));
        lines.map(|line| line.number).collect()
    }

    /// Returns the numbers of an account in the order in which they were begun for the first time.
    pub(super) fn firsts(&self, account: &str) -> Vec<u64> {
        let mut seen = BTreeSet::new();
        self.begun(account).into_iter().filter(|number| seen.insert(*number)).collect()
    }
}

pub(super) fn fills(log: impl Log, lanes: u32) -> DurableTopic<Fill> {
    DurableTopic::new(log, "fills", "broker").lanes(lanes)
}

pub(super) fn quick() -> Handling {
    Handling { again_after: Duration::from_millis(5), deliveries: 1_000, ..crate::quick() }
}

/// Notes each event and then handles it by `handle`.
pub(super) async fn work<F>(
    fills: &DurableTopic<Fill>,
    book: &Book,
    worker: usize,
    handling: Handling,
    handle: impl Fn(Fill, u64) -> F + Send + Sync + 'static,
) -> Worker
where
    F: Future<Output = Result<(), &'static str>> + Send + 'static,
{
    let book = book.clone();
    let handler = move |fill: Delivered<Fill>| {
        let book = book.clone();
        book.note(worker, &fill, false);
        let handling = handle(fill.event.clone(), fill.deliveries);
        async move {
            let outcome = handling.await;
            if outcome.is_ok() {
                book.note(worker, &fill, true);
            }
            outcome
        }
    };
    fills.consume(GROUP, handling, handler).await.unwrap()
}

/// Fails some the first times.
pub(super) async fn now_and_then(fill: Fill, deliveries: u64) -> Result<(), &'static str> {
    tokio::task::yield_now().await;
    let times = (fill.number * 7 + fill.account.len() as u64) % 5;
    if times >= 3 && deliveries + 2 <= times { Err("not yet") } else { Ok(()) }
}

pub(super) async fn publish(fills: &DurableTopic<Fill>, accounts: &[String], numbers: std::ops::Range<u64>) {
    for number in numbers {
        for account in accounts {
            fills.publish(&Fill { account: account.clone(), number }).await.unwrap();
        }
    }
}

pub(super) fn accounts(count: usize) -> Vec<String> {
    (0..count).map(|account| format!("account-{account}")).collect()
}

pub(super) async fn settled(fills: &DurableTopic<Fill>) {
    eventually("all is settled", LONG, async || {
        let state = fills.state(GROUP).await.unwrap();
        state.lag == 0 && state.pending == 0
    })
    .await;
}

on_both! {
    each_key_keeps_its_order_while_workers_come_and_go
    a_key_that_retries_blocks_only_itself
    workers_share_the_lanes
    what_is_published_after_the_beginning_is_handled
    dead_letters_come_back_to_their_lanes
}

async fn each_key_keeps_its_order_while_workers_come_and_go(log: impl Log + Clone) {
    let (fills, book, accounts) = (fills(log, 6), Book::default(), accounts(30));
    let first = work(&fills, &book, 1, quick(), now_and_then).await;
    publish(&fills, &accounts, 0..10).await;
    let second = work(&fills, &book, 2, quick(), now_and_then).await;
    publish(&fills, &accounts, 10..20).await;
    let third = work(&fills, &book, 3, quick(), now_and_then).await;
    eventually("all of them work", LONG, async || {
        let workers: BTreeSet<usize> = book.lines().iter().map(|line| line.worker).collect();
        workers.len() == 3 || fills.state(GROUP).await.unwrap().lag == 0
    })
    .await;
    first.shutdown().await;
    publish(&fills, &accounts, 20..30).await;
    second.shutdown().await;
    publish(&fills, &accounts, 30..40).await;
    settled(&fills).await;
    let all: Vec<u64> = (0..40).collect();
    for account in &accounts {
        assert_eq!((book.firsts(account), book.done(account)), (all.clone(), all.clone()), "{account}");
    }
    let state = fills.state(GROUP).await.unwrap();
    assert_eq!((state.entries, state.dead, state.consumers), (1_200, 0, 1));
    third.shutdown().await;
    assert_eq!(fills.state(GROUP).await.unwrap().consumers, 0);
}

async fn a_key_that_retries_blocks_only_itself(log: impl Log + Clone) {
    let (fills, book) = (fills(log, 1), Book::default());
    let (open, gate) = watch::channel(false);
    let handle = move |fill: Fill, _| {
        let mut gate = gate.clone();
        async move {
            match fill.account.as_str() {
                "retries" if !*gate.borrow() => Err("not yet"),
                // It has a handler for as long as it takes.
                "long" => gate.wait_for(|open| *open).await.map(drop).map_err(|_| "gone"),
                _ => Ok(()),
            }
        }
    };
    let handling = Handling { at_once: 3, prefetch: 8, ..quick() };
    let worker = work(&fills, &book, 1, handling, handle).await;
    // Many more than are fetched at once stand before those of others.
    publish(&fills, &["retries".to_owned(), "long".to_owned()], 0..100).await;
    let others = accounts(5);
    publish(&fills, &others, 0..20).await;
    let all: Vec<u64> = (0..20).collect();
    eventually("the others are done", LONG, async || others.iter().all(|account| book.done(account) == all))
        .await;
    eventually("it has come again", LONG, async || book.begun("retries").len() > 3).await;
    assert_eq!((book.firsts("retries"), book.begun("long")), (vec![0], vec![0]));
    open.send(true).unwrap();
    settled(&fills).await;
    let all: Vec<u64> = (0..100).collect();
    for account in ["retries", "long"] {
        assert_eq!((book.firsts(account), book.done(account)), (all.clone(), all.clone()), "{account}");
    }
    worker.shutdown().await;
}

async fn workers_share_the_lanes(log: impl Log + Clone) {
    let (fills, book, accounts) = (fills(log.clone(), 8), Book::default(), accounts(64));
    let mut lanes: BTreeMap<String, usize> = BTreeMap::new();
    publish(&fills, &accounts, 0..1).await;
    for lane in 0..8 {
        for entry in log
            .range(
                Shelf::Topic(&format!("fills#{lane}")),
                Part::After { id: None, count: 100, wait: Duration::ZERO },
            )
            .await
            .unwrap()
        {
            let text = String::from_utf8_lossy(&entry.payload).into_owned();
            let account =
                accounts.iter().find(|account| text.contains(&format!("\"account\": \"{account}\"")));
            lanes.insert(account.unwrap().clone(), lane);
        }
    }
    assert_eq!(lanes.values().collect::<BTreeSet<_>>().len(), 8, "every lane has some");
    // Publishes one of each account; returns how many lanes each worker has handled.
    let mut number = 0;
    let mut shares = async || {
        (number, _) = (number + 1, book.0.lock().unwrap().clear());
        publish(&fills, &accounts, number..number + 1).await;
        settled(&fills).await;
        let mut shares: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for line in book.lines() {
            shares.entry(line.worker).or_default().insert(lanes[&line.account]);
        }
        shares.into_iter().map(|(worker, lanes)| (worker, lanes.len())).collect::<Vec<_>>()
    };
    let first = work(&fills, &book, 1, quick(), |_, _| async { Ok(()) }).await;
    assert_eq!(shares().await, [(1, 8)]);
    let second = work(&fills, &book, 2, quick(), |_, _| async { Ok(()) }).await;
    eventually("each has half of them", LONG, async || shares().await == [(1, 4), (2, 4)]).await;
    assert_eq!(shares().await, [(1, 4), (2, 4)], "and it stays so");
    first.shutdown().await;
    eventually("the other has all", LONG, async || shares().await == [(2, 8)]).await;
    second.shutdown().await;
}

/// A group that begins now begins on all lanes before `consume` returns.
async fn what_is_published_after_the_beginning_is_handled(log: impl Log + Clone) {
    let (fills, book, accounts) = (fills(log, 16), Book::default(), accounts(50));
    publish(&fills, &accounts, 0..1).await;
    let handling = Handling { start: Start::Now, ..quick() };
    let worker = work(&fills, &book, 1, handling, |_, _| async { Ok(()) }).await;
    publish(&fills, &accounts, 1..2).await;
    settled(&fills).await;
    for account in &accounts {
        assert_eq!(book.done(account), [1], "{account}");
    }
    worker.shutdown().await;
}

async fn dead_letters_come_back_to_their_lanes(log: impl Log + Clone) {
    let (fills, book, accounts) = (fills(log, 4), Book::default(), accounts(10));
    let (open, gate) = watch::channel(false);
    let handle = move |_, _| std::future::ready(if *gate.borrow() { Ok(()) } else { Err("no market") });
    let handling = Handling { deliveries: 2, ..quick() };
    let worker = work(&fills, &book, 1, handling, handle).await;
    let one = |number| accounts.iter().map(move |account| Fill { account: account.clone(), number });
    let all: Vec<Fill> = (0..5).flat_map(one).collect();
    assert_eq!(fills.publish_all(&all).await.unwrap().len(), 50);
    settled(&fills).await;
    for account in &accounts {
        assert_eq!(book.begun(account), [0, 0, 1, 1, 2, 2, 3, 3, 4, 4], "{account}: until it is dead");
    }
    assert_eq!(fills.dead_letters(GROUP, None, 100).await.unwrap().len(), 50);
    open.send(true).unwrap();
    let replayed = fills.replay(GROUP, None, |_| true).await.unwrap();
    assert_eq!((replayed.replayed, replayed.kept, replayed.gone), (50, 0, 0));
    settled(&fills).await;
    for account in &accounts {
        assert_eq!(book.done(account), [0, 1, 2, 3, 4], "{account}");
    }
    let state = fills.state(GROUP).await.unwrap();
    assert_eq!((state.entries, state.dead, worker.handled().done), (100, 0, 50));
    let error = fills.follow(Start::First).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("it has lanes"), "{error}");
    worker.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_a_lane_is_refused() {
    let fill = Fill { account: "a".to_owned(), number: 1 };
    let topics = [
        (fills(MemoryLog::new(), 0), "0 lanes: give it 1 to 64"),
        (fills(MemoryLog::new(), 65), "65 lanes: give it 1 to 64"),
        (DurableTopic::new(MemoryLog::new(), "fills#1", "broker"), "'#' begins the number of a lane"),
    ];
    for (topic, detail) in topics {
        let handler = |_: Delivered<Fill>| std::future::ready(Ok::<_, &str>(()));
        let errors = [
            topic.publish(&fill).await.map(drop).unwrap_err(),
            topic.consume(GROUP, quick(), handler).await.map(drop).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.to_string().contains(detail), "{error}");
        }
    }
    fills(MemoryLog::new(), 64).publish(&fill).await.unwrap();
}
