//! What comes again comes when it is due: never before, once, and soon after.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mystocks_bus::{
    Append, Appended, Consumer, Delivered, Entry, Error, GroupState, Handling, Id, Log, Part, Room, Settle,
    Settled, Shelf, Tend, Tended, Verdict,
};
use tokio::time::{Instant, sleep};

use crate::{Calls, Order, orders, settled};

on_both! {
    retries_are_never_early_never_lost_and_never_double
}

/// When something is due, and how late it came.
#[derive(Debug, Default)]
struct Book {
    due: HashMap<Id, Instant>,
    late: Vec<Duration>,
    early: Vec<Duration>,
}

/// Notes when what is to come again is due, and when it is given.
#[derive(Debug, Clone)]
struct Noting<L> {
    log: L,
    book: Arc<Mutex<Book>>,
    /// How long the answer to a look takes.
    answers_after: Duration,
}

/// The server counts whole milliseconds.
const MILLISECOND: Duration = Duration::from_millis(1);

#[async_trait]
impl<L: Log> Log for Noting<L> {
    async fn append(&self, topic: &str, room: Room, entries: &[Append<'_>]) -> Result<Vec<Appended>, Error> {
        self.log.append(topic, room, entries).await
    }

    async fn read(&self, consumer: &Consumer<'_>, count: usize, wait: Duration) -> Result<Vec<Entry>, Error> {
        self.log.read(consumer, count, wait).await
    }

    async fn settle(&self, consumer: &Consumer<'_>, settlements: &[Settle<'_>]) -> Result<Settled, Error> {
        let asked = Instant::now();
        for settle in settlements {
            if let Verdict::Again(after) = settle.verdict {
                self.book.lock().unwrap().due.insert(settle.id, asked + after);
            }
        }
        self.log.settle(consumer, settlements).await
    }

    async fn tend(&self, consumer: &Consumer<'_>, tend: &Tend<'_>) -> Result<Tended, Error> {
        let tended = self.log.tend(consumer, tend).await?;
        if !self.answers_after.is_zero() {
            sleep(self.answers_after).await;
        }
        let (now, mut book) = (Instant::now(), self.book.lock().unwrap());
        for entry in tended.entries.iter().filter(|entry| !entry.orphaned) {
            // Only what is given back to somebody who leaves was not due.
            if let Some(due) = book.due.remove(&entry.id) {
                if now + MILLISECOND < due {
                    book.early.push(due - now);
                } else {
                    book.late.push(now.saturating_duration_since(due));
                }
            }
        }
        Ok(tended)
    }

    async fn range(&self, shelf: Shelf<'_>, part: Part) -> Result<Vec<Entry>, Error> {
        self.log.range(shelf, part).await
    }

    async fn state(&self, topic: &str, group: &str) -> Result<GroupState, Error> {
        self.log.state(topic, group).await
    }
}

async fn retries_are_never_early_never_lost_and_never_double(log: impl Log + Clone) {
    const COUNT: u64 = 2_000;
    let book = Arc::new(Mutex::new(Book::default()));
    let (orders, calls) =
        (orders(Noting { log, book: Arc::clone(&book), answers_after: Duration::ZERO }), Calls::default());
    let noted = calls.clone();
    let handler = move |order: Delivered<Order>| {
        noted.note(order.number, order.deliveries);
        // Nine of ten fail, once to three times.
        let fails = !order.number.is_multiple_of(10) && order.deliveries <= 1 + order.number % 3;
        std::future::ready(if fails { Err("not yet") } else { Ok(()) })
    };
    let handling = Handling {
        again_after: Duration::from_millis(50),
        lease: Duration::from_secs(10),
        deliveries: 10,
        ..Handling::default()
    };
    let mut workers = Vec::new();
    for _ in 0..3 {
        workers.push(orders.consume("risk", handling, handler.clone()).await.unwrap());
    }
    for numbers in (0..COUNT).collect::<Vec<_>>().chunks(10) {
        // A thousand in a second: how late they come is to say how long they wait for nothing.
        sleep(Duration::from_millis(10)).await;
        let events: Vec<_> = numbers.iter().map(|number| Order { number: *number }).collect();
        orders.publish_all(&events).await.unwrap();
    }
    settled(&orders).await;
    for number in 0..COUNT {
        let times = if !number.is_multiple_of(10) { 2 + number % 3 } else { 1 };
        assert_eq!(calls.of(number), (1..=times).collect::<Vec<_>>(), "{number}");
    }
    for worker in workers {
        worker.shutdown().await;
    }
    let mut book = std::mem::take(&mut *book.lock().unwrap());
    assert!(book.early.is_empty(), "{:?}", book.early);
    assert!(book.due.is_empty(), "each came");
    book.late.sort_unstable();
    let [p50, p99] = [50, 99].map(|percent| book.late[book.late.len() * percent / 100]);
    println!("{} retries, late by {p50:.1?} (p50), {p99:.1?} (p99)", book.late.len());
}

/// Has `count` events fail once, and returns how late each came again, in tokio's paused time.
async fn lateness(count: u64, handling: Handling, answers_after: Duration) -> Vec<Duration> {
    let (log, book) = (mystocks_bus::MemoryLog::new(), Arc::new(Mutex::new(Book::default())));
    let orders = orders(Noting { log, book: Arc::clone(&book), answers_after });
    let handler = |order: Delivered<Order>| {
        std::future::ready(if order.deliveries == 1 { Err("not yet") } else { Ok(()) })
    };
    let worker = orders.consume("risk", handling, handler).await.unwrap();
    for number in 0..count {
        orders.publish(&Order { number }).await.unwrap();
        // A look comes 1.3 s after the last failure, and is under way then.
        sleep(answers_after.mul_f64(13.5)).await;
    }
    while worker.handled().done < count {
        sleep(Duration::from_millis(1)).await;
    }
    worker.shutdown().await;
    let book = std::mem::take(&mut *book.lock().unwrap());
    assert!(book.early.is_empty() && book.due.is_empty());
    book.late
}

/// Nobody waits for the next beat, however far off it is and however many are due at once.
#[tokio::test(start_paused = true)]
async fn retries_are_asked_for_when_they_are_due() {
    let again_after = Duration::from_millis(5_300);
    let late = lateness(1, Handling { again_after, ..Handling::default() }, Duration::ZERO).await;
    assert!(late.len() == 1 && late[0] <= 2 * MILLISECOND, "{late:?}");
    let again_after = Duration::from_millis(70);
    // Four at a time, a millisecond each.
    let late =
        lateness(200, Handling { at_once: 4, again_after, ..Handling::default() }, Duration::ZERO).await;
    assert!(late.len() == 200 && late.iter().all(|late| *late <= 50 * MILLISECOND), "{late:?}");
    let (again_after, answers_after) = (Duration::from_millis(300), Duration::from_millis(100));
    let late = lateness(200, Handling { again_after, ..Handling::default() }, answers_after).await;
    assert!(late.len() == 200 && late.iter().all(|late| *late <= 3 * answers_after), "{late:?}");
}
