//! From which delivery on what workers died with is handled alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mystocks_bus::{Consumer, Delivered, ErrorKind, Handling, Log, MemoryLog, Start, Tend};
use mystocks_testkit::eventually;
use tokio::sync::Barrier;
use tokio::time::{sleep, timeout};

use crate::{LONG, Order, orders};

on_both! {
    what_workers_died_with_is_handled_alone_from_the_delivery_that_is_said
}

const COUNT: usize = 8;
const LEASE: Duration = Duration::from_millis(400);

/// Has a consumer of `group` be given all events, and be heard of no more.
async fn die(log: &impl Log, group: &str, name: &str) {
    let consumer = Consumer { topic: "orders", group, name, lease: LEASE, is_sole: false };
    let tend = Tend {
        join: Some(Start::First),
        room: COUNT,
        only: None,
        deliveries: 10,
        alone: u64::MAX,
        takes_alone: false,
        keeps: None,
        leave: false,
    };
    let mut given = 0;
    eventually("it has all", LONG, async || {
        given += log.tend(&consumer, &tend).await.unwrap().entries.len();
        given += log.read(&consumer, COUNT, Duration::from_millis(1)).await.unwrap().len();
        given == COUNT
    })
    .await;
}

async fn what_workers_died_with_is_handled_alone_from_the_delivery_that_is_said(log: impl Log + Clone) {
    let orders = orders(log.clone());
    for number in 0..COUNT as u64 {
        orders.publish(&Order { number }).await.unwrap();
    }
    // The delivery that the worker gives is the one after the deaths.
    for (deaths, alone_from, is_alone) in
        [(1, 3, false), (2, 3, true), (2, 4, false), (3, 4, true), (4, u64::MAX, false)]
    {
        let group = format!("{deaths}-{alone_from}");
        for death in 0..deaths {
            die(&log, &group, &format!("victim{death}")).await;
        }
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (all, most_ran) = (Arc::new(Barrier::new(COUNT)), Arc::clone(&most));
        let handler = move |order: Delivered<Order>| {
            let (running, most, all) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&all));
            async move {
                assert_eq!(order.deliveries, deaths + 1);
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                // Either nobody is beside it, or all are.
                let ended = if is_alone {
                    sleep(Duration::from_millis(10)).await;
                    true
                } else {
                    timeout(LONG, all.wait()).await.is_ok()
                };
                running.fetch_sub(1, Ordering::SeqCst);
                if ended { Ok(()) } else { Err("the others did not come") }
            }
        };
        let handling = Handling { at_once: COUNT, deliveries: 10, alone_from, ..Handling::default() };
        let worker = orders.consume(&group, handling, handler).await.unwrap();
        eventually("all are handled", LONG * 2, async || worker.handled().done == COUNT as u64).await;
        let expected = if is_alone { 1 } else { COUNT };
        assert_eq!(most_ran.load(Ordering::SeqCst), expected, "{deaths} deaths, alone from {alone_from}");
        let handled = worker.handled();
        assert_eq!((handled.again, handled.dead, handled.lost), (0, 0, 0), "{handled:?}");
        worker.shutdown().await;
    }
}

/// What one worker died with says nothing yet: less than 3 is refused, and not taken for 3.
#[tokio::test]
async fn to_handle_alone_before_the_third_delivery_is_refused() {
    let orders = orders(MemoryLog::new());
    for alone_from in [0, 1, 2] {
        let handling = Handling { alone_from, ..Handling::default() };
        let refused = orders.consume("risk", handling, |_| std::future::ready(Ok::<_, &str>(()))).await;
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.to_string().contains(&format!("`alone_from` is {alone_from}")), "{error}");
        assert!(error.to_string().contains("at least 3"), "{error}");
    }
}
