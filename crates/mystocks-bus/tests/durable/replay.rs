//! Dead letters are handled again by those who choose them: each once, in order, as if it were new.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mystocks_bus::{
    Append, Consumer, Delivered, Handling, Log, MemoryLog, Part, Replayed, Room, Settle, Shelf, Start, Tend,
    Verdict,
};
use tokio::time::{Instant, timeout};

use crate::{Calls, DurableTopic, Order, orders, quick, settled};

on_both! {
    who_is_chosen_is_handled_again_in_order_and_from_the_first_delivery
    broken_off_and_begun_again_each_comes_once
}

async fn who_is_chosen_is_handled_again_in_order_and_from_the_first_delivery(log: impl Log + Clone) {
    let (orders, calls, is_mended) = (orders(log), Calls::default(), Arc::new(AtomicBool::new(false)));
    let (noted, works) = (calls.clone(), Arc::clone(&is_mended));
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let begun = Arc::clone(&order);
    let handler = move |order: Delivered<Order>| {
        noted.note(order.number, order.deliveries);
        let fails = !works.load(Ordering::SeqCst) && order.number.is_multiple_of(3);
        if works.load(Ordering::SeqCst) {
            begun.lock().unwrap().push(order.number);
        }
        std::future::ready(if fails { Err("no such stock") } else { Ok(()) })
    };
    let handling = Handling { at_once: 1, deliveries: 2, ..quick() };
    let worker = orders.consume("risk", handling, handler).await.unwrap();
    let seen = Calls::default();
    let others = seen.clone();
    let other = orders.consume("audit", quick(), move |order: Delivered<Order>| {
        others.note(order.number, order.deliveries);
        std::future::ready(Ok::<_, &str>(()))
    });
    let other = other.await.unwrap();
    for number in 0..60 {
        orders.publish(&Order { number }).await.unwrap();
    }
    settled(&orders).await;
    let letters = orders.dead_letters("risk", None, 100).await.unwrap();
    assert_eq!(letters.len(), 20);
    is_mended.store(true, Ordering::SeqCst);
    let number = |letter: &mystocks_bus::Entry| {
        let text = String::from_utf8(letter.payload.to_vec()).unwrap();
        text.rsplit("\"number\": ").next().unwrap().trim_end_matches('}').parse::<u64>().unwrap()
    };
    let replayed = orders.replay("risk", None, |letter| number(letter).is_multiple_of(2)).await.unwrap();
    let Replayed { replayed, kept, gone, .. } = replayed;
    assert_eq!((replayed, kept, gone), (10, 10, 0));
    settled(&orders).await;
    let expected: Vec<_> = letters.iter().map(number).filter(|number| number.is_multiple_of(2)).collect();
    assert_eq!(*order.lock().unwrap(), expected);
    for number in 0..60 {
        let expected: &[u64] = match (number % 3, number % 2) {
            (0, 0) => &[1, 2, 1],
            (0, _) => &[1, 2],
            _ => &[1],
        };
        assert_eq!(calls.of(number), expected, "{number}");
    }
    assert_eq!(orders.dead_letters("risk", None, 100).await.unwrap().len(), 10);
    mystocks_testkit::eventually("the others pass over them", crate::LONG, async || {
        let state = orders.state("audit").await.unwrap();
        state.lag == 0 && state.pending == 0
    })
    .await;
    assert!((0..60).all(|number| seen.of(number) == [1]), "they are for one group alone");
    assert_eq!((other.handled().done, other.handled().skipped), (60, 10));
    other.shutdown().await;
    worker.shutdown().await;
}

/// Makes so many dead letters, and returns the topic that they are of.
async fn with_dead_letters(log: &(impl Log + Clone), count: u64) -> DurableTopic<Order> {
    let topic = orders(log.clone());
    let consumer = Consumer {
        topic: "orders",
        group: "risk",
        name: "undertaker",
        lease: Duration::from_secs(60),
        is_sole: false,
    };
    let tend = Tend {
        join: Some(Start::First),
        room: 0,
        only: None,
        deliveries: 5,
        alone: 3,
        takes_alone: true,
        keeps: None,
        leave: false,
    };
    log.tend(&consumer, &tend).await.unwrap();
    let payloads: Vec<_> = (0..count).map(|number| number.to_string()).collect();
    for payloads in payloads.chunks(1_000) {
        let entries: Vec<_> =
            payloads.iter().map(|payload| Append { payload: payload.as_bytes(), once: None }).collect();
        log.append("orders", Room::Safe(1_000_000), &entries).await.unwrap();
        let given = log.read(&consumer, 1_000, Duration::ZERO).await.unwrap();
        let settlements: Vec<_> = given
            .iter()
            .map(|entry| Settle { id: entry.id, verdict: Verdict::Dead("no such stock") })
            .collect();
        log.settle(&consumer, &settlements).await.unwrap();
    }
    assert_eq!(topic.state("risk").await.unwrap().dead, count);
    topic
}

async fn broken_off_and_begun_again_each_comes_once(log: impl Log + Clone) {
    const COUNT: u64 = 10_000;
    const ALL: usize = 20_000;
    let topic = with_dead_letters(&log, COUNT).await;
    let seed = fastrand::u64(..);
    println!("replay: seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let is_even = |letter: &mystocks_bus::Entry| letter.payload.last().unwrap().is_multiple_of(2);
    let mut breaks = 0;
    loop {
        let patience = Duration::from_micros(random.u64(1..20_000));
        // The first times it is broken off for sure.
        let replaying = topic.replay("risk", (breaks < 5).then_some(20_000), is_even);
        match timeout(patience, replaying).await {
            Ok(replayed) => break assert_eq!(replayed.unwrap().kept, COUNT / 2),
            Err(_) => breaks += 1,
        }
        if breaks > 200 {
            topic.replay("risk", None, is_even).await.unwrap();
            break;
        }
    }
    assert!(breaks >= 5, "{breaks}");
    let part = Part::After { id: None, count: ALL, wait: Duration::ZERO };
    let entries = log.range(Shelf::Topic("orders"), part).await.unwrap();
    let number =
        |entry: &mystocks_bus::Entry| std::str::from_utf8(&entry.payload).unwrap().parse::<u64>().unwrap();
    let replayed: Vec<_> = entries.iter().filter(|entry| entry.only.is_some()).map(number).collect();
    assert_eq!(replayed, (0..COUNT).step_by(2).collect::<Vec<_>>());
    let kept = topic.dead_letters("risk", None, ALL).await.unwrap();
    assert_eq!(kept.iter().map(number).collect::<Vec<_>>(), (1..COUNT).step_by(2).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn the_rate_is_kept() {
    for (rate, count) in [(500, 1_000_u64), (7, 21), (100_000, 1_000)] {
        let topic = with_dead_letters(&MemoryLog::new(), count).await;
        let begun = Instant::now();
        let replayed = topic.replay("risk", Some(rate), |_| true).await.unwrap();
        assert_eq!(replayed.replayed, count);
        let expected = count as f64 / f64::from(rate);
        let took = begun.elapsed().as_secs_f64();
        // The first ones go at once, and timers count whole milliseconds.
        let first = 1.0 / f64::from(rate.min(20));
        assert!(
            took <= expected * 1.05 + 0.02 && took + first >= expected * 0.95,
            "{rate}: {took} of {expected}"
        );
    }
}

#[tokio::test]
async fn without_room_they_stay() {
    let log = MemoryLog::new();
    let topic = with_dead_letters(&log, 10).await.room(4);
    let handler = |_: Delivered<Order>| std::future::pending::<Result<(), &str>>();
    let stuck = topic.consume("slow", quick(), handler).await.unwrap();
    mystocks_testkit::eventually("it holds all", crate::LONG, async || {
        topic.state("slow").await.unwrap().pending == 0 && topic.state("slow").await.unwrap().lag == 0
    })
    .await;
    let error = topic.replay("risk", None, |_| true).await.unwrap_err();
    assert_eq!(error.kind(), mystocks_bus::ErrorKind::Full);
    assert_eq!(topic.state("risk").await.unwrap().dead, 10);
    drop(stuck);
}
