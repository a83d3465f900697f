//! The queue alone: one case after the other, and against a model.

mod model;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Backlog, Next, Overflow, Queue};
use crate::feed::Message;
use crate::gap::Gap;

/// A queue whose clock is told.
struct Bench {
    queue: Queue,
    begun: Instant,
}

impl Bench {
    fn new(overflow: Overflow, messages: usize, bytes: usize) -> Self {
        let backlog = Backlog { messages, bytes, overflow };
        Self { queue: Queue::new(backlog), begun: Instant::now() }
    }

    /// Makes one to which messages come.
    fn up(overflow: Overflow, messages: usize, bytes: usize) -> Self {
        let mut bench = Self::new(overflow, messages, bytes);
        bench.queue.up(bench.at(0));
        bench
    }

    fn at(&self, millis: u64) -> Instant {
        self.begun + Duration::from_millis(millis)
    }

    /// Has the message `number` come, at that millisecond.
    fn push(&mut self, number: u64, key: Option<&str>, len: usize) {
        self.queue.push(Message {
            id: None,
            channel: Arc::from(number.to_string()),
            payload: Bytes::from(vec![b'x'; len]),
            at: self.at(number),
            key: key.map(Arc::from),
        });
    }

    fn pop(&mut self) -> Option<String> {
        let next = self.queue.pop()?;
        if let Next::Message(_) = next {
            self.queue.count(|counts| counts.delivered += 1);
        }
        Some(self.text(&next))
    }

    fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.pop()).collect()
    }

    /// Writes a message as its number, and a gap as `[since-until dropped]`, with `?` when more may be missing.
    fn text(&self, next: &Next) -> String {
        let millis = |at: Instant| (at - self.begun).as_millis();
        match next {
            Next::Message(message) => message.channel.to_string(),
            Next::Gap(Gap { since, until, dropped, disconnected }) => {
                let more = if *disconnected { "?" } else { "" };
                format!("[{}-{} {dropped}{more}]", millis(*since), millis(*until))
            }
        }
    }
}

#[test]
fn a_gap_stands_where_the_oldest_were_given_up() {
    let mut bench = Bench::up(Overflow::DropOldest, 3, 100);
    (1..=5).for_each(|number| bench.push(number, None, 1));
    assert_eq!(bench.rest(), ["[1-2 2]", "3", "4", "5"]);
    assert_eq!((bench.queue.counts.received, bench.queue.counts.dropped, bench.queue.counts.gaps), (5, 2, 1));
}

#[test]
fn a_message_too_large_for_all_takes_the_place_of_all() {
    let mut bench = Bench::up(Overflow::DropOldest, 9, 10);
    bench.push(1, None, 4);
    bench.push(2, None, 6);
    bench.push(3, None, 50);
    assert_eq!(bench.queue.bytes, 50);
    bench.push(4, None, 10);
    assert_eq!((bench.queue.bytes, bench.queue.messages), (10, 1));
    assert_eq!(bench.rest(), ["[1-3 3]", "4"]);
    assert_eq!((bench.queue.bytes, bench.queue.messages), (0, 0));
}

#[test]
fn a_connection_that_comes_and_goes_with_nothing_between_makes_one_gap() {
    let mut bench = Bench::up(Overflow::DropOldest, 9, 100);
    bench.push(1, None, 1);
    for round in 0..1000 {
        bench.queue.down(bench.at(2 + 2 * round));
        bench.push(2 + 2 * round, None, 1);
        bench.queue.up(bench.at(3 + 2 * round));
    }
    bench.push(3000, None, 1);
    assert_eq!(bench.queue.waiting.len(), 3);
    assert_eq!(bench.rest(), ["1", "[2-2001 0?]", "3000"]);
    assert_eq!(bench.queue.counts.received, 2, "what comes beside a connection does not count");
}

#[test]
fn a_loss_reaches_back_to_where_the_connection_last_spoke_but_not_before_it_was_up() {
    let mut bench = Bench::up(Overflow::DropOldest, 9, 100);
    bench.push(5, None, 1);
    bench.queue.down(bench.at(3));
    bench.queue.up(bench.at(8));
    bench.queue.down(bench.at(7));
    bench.queue.up(bench.at(9));
    assert_eq!(bench.rest(), ["5", "[3-9 0?]"]);
    bench.queue.down(bench.at(7));
    bench.queue.up(bench.at(12));
    assert_eq!(bench.rest(), ["[9-12 0?]"]);
}

#[test]
fn what_is_owed_is_told_before_anything_else() {
    let mut bench = Bench::new(Overflow::DropOldest, 9, 100);
    bench.queue.owe(bench.at(1));
    bench.push(2, None, 1);
    bench.queue.down(bench.at(3));
    bench.queue.up(bench.at(4));
    bench.queue.owe(bench.at(2));
    bench.push(5, None, 1);
    assert_eq!(bench.rest(), ["[1-4 0?]", "5"]);
}

#[test]
fn what_was_missed_until_the_end_is_told_at_the_end() {
    for (owed, expected) in [(false, vec!["1", "[3-7 0?]"]), (true, vec!["[2-7 0?]"])] {
        let mut bench = Bench::new(Overflow::DropOldest, 9, 100);
        if owed {
            bench.queue.owe(bench.at(2));
        } else {
            bench.queue.up(bench.at(0));
            bench.push(1, None, 1);
            bench.queue.down(bench.at(3));
        }
        bench.queue.close(bench.at(7));
        bench.queue.close(bench.at(9));
        bench.queue.up(bench.at(9));
        bench.push(10, None, 1);
        assert_eq!(bench.rest(), expected);
        assert!(bench.queue.has_ended());
    }
}

#[test]
fn what_replaces_another_stands_in_its_place() {
    let mut bench = Bench::up(Overflow::Conflate, 9, 100);
    for (number, key) in
        [(1, Some("a")), (2, Some("b")), (3, None), (4, Some("a")), (5, None), (6, Some("b"))]
    {
        bench.push(number, key, 1);
    }
    assert_eq!(bench.rest(), ["4", "6", "3", "5"]);
    assert_eq!(bench.queue.counts.conflated, 2);
    bench.push(7, Some("a"), 1);
    assert_eq!(bench.rest(), ["7"], "what was taken is not replaced any more");
    assert!(bench.queue.latest.is_empty());
}

#[test]
fn what_comes_after_a_gap_replaces_nothing_before_it() {
    let mut bench = Bench::up(Overflow::Conflate, 9, 100);
    bench.push(1, Some("a"), 1);
    bench.push(2, Some("a"), 1);
    bench.queue.down(bench.at(3));
    bench.queue.up(bench.at(4));
    bench.push(5, Some("a"), 1);
    bench.push(6, Some("a"), 1);
    assert_eq!(bench.rest(), ["2", "[3-4 0?]", "6"]);
}

#[test]
fn what_replaces_another_needs_room_too() {
    let mut bench = Bench::up(Overflow::Conflate, 9, 10);
    bench.push(1, Some("a"), 2);
    bench.push(2, Some("b"), 2);
    bench.push(3, Some("c"), 2);
    bench.push(4, Some("c"), 8);
    assert_eq!(bench.queue.bytes, 10);
    assert_eq!(bench.queue.messages, 2);
    bench.push(5, Some("b"), 20);
    assert_eq!(bench.rest(), ["[1-5 2]", "4"]);
}

#[test]
fn who_is_disconnected_gets_what_waits_then_one_gap_then_nothing() {
    let mut bench = Bench::up(Overflow::Disconnect, 2, 100);
    (1..=4).for_each(|number| bench.push(number, None, 1));
    assert!(bench.queue.has_ended() && bench.queue.has_room(1));
    assert_eq!(bench.pop().as_deref(), Some("1"));
    // Room is no reason to go on.
    bench.push(5, None, 1);
    bench.queue.down(bench.at(6));
    bench.queue.up(bench.at(7));
    assert_eq!(bench.rest(), ["2", "[3-5 3]"]);
    bench.push(8, None, 1);
    assert_eq!(bench.pop(), None);
    assert_eq!((bench.queue.counts.received, bench.queue.counts.dropped), (5, 3));
}

#[test]
fn what_comes_after_the_end_is_no_overflow() {
    let mut bench = Bench::up(Overflow::Disconnect, 2, 100);
    bench.push(1, None, 1);
    bench.queue.close(bench.at(2));
    bench.push(3, None, 1);
    assert_eq!(bench.rest(), ["1"]);
    assert_eq!(bench.queue.counts.received, 1);
}

#[test]
fn what_is_being_read_still_counts_as_waiting() {
    let mut bench = Bench::up(Overflow::DropOldest, 2, 100);
    bench.push(1, None, 1);
    assert!(bench.queue.pop().is_some());
    assert_eq!(bench.queue.counts().waiting, 1);
    bench.queue.count(|counts| counts.skipped += 1);
    assert_eq!((bench.queue.counts().waiting, bench.queue.counts().skipped), (0, 1));
}

#[test]
fn what_comes_late_comes_without_a_gap_unless_it_ends_before() {
    let mut bench = Bench::up(Overflow::DropOldest, 9, 100);
    bench.push(1, None, 1);
    bench.queue.late(bench.at(2), bench.at(3));
    assert!(bench.queue.serves() && !bench.queue.is_up());
    bench.push(4, None, 1);
    bench.queue.late(bench.at(5), bench.at(6));
    bench.queue.up(bench.at(7));
    assert!(bench.queue.is_up());
    bench.push(8, None, 1);
    assert_eq!(bench.rest(), ["1", "4", "8"]);
    bench.queue.late(bench.at(9), bench.at(10));
    bench.queue.late(bench.at(11), bench.at(12));
    bench.push(13, None, 1);
    bench.queue.close(bench.at(14));
    assert_eq!(bench.rest(), ["13", "[9-14 0?]"]);
}

#[test]
fn what_is_lost_is_told_in_its_place_though_messages_come() {
    let mut bench = Bench::new(Overflow::DropOldest, 9, 100);
    bench.queue.owe(bench.at(1));
    bench.queue.miss(bench.at(1), bench.at(2));
    bench.queue.late(bench.at(0), bench.at(3));
    bench.push(4, None, 1);
    bench.queue.miss(bench.at(4), bench.at(5));
    bench.push(6, None, 1);
    bench.queue.down(bench.at(7));
    bench.queue.miss(bench.at(7), bench.at(8));
    bench.push(9, None, 1);
    bench.queue.up(bench.at(10));
    assert_eq!(bench.rest(), ["[1-3 0?]", "4", "[4-5 0?]", "6", "[3-10 0?]"]);
}

#[test]
fn what_is_read_up_on_waits_for_its_whole_size() {
    let mut bench = Bench::up(Overflow::DropOldest, 9, 10);
    assert!(bench.queue.has_room(50), "alone it may be larger");
    bench.push(1, None, 4);
    assert!(bench.queue.has_room(6) && !bench.queue.has_room(7));
}
