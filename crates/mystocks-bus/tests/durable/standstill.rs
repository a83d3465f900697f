//! A handler that does not end holds up itself and nothing else.

use std::sync::Arc;
use std::time::Duration;

use mystocks_bus::{Consumer, Delivered, Handling, Log, MemoryLog, Start, Tend};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::{Calls, DurableTopic, LONG, Order, orders, quick, settled};

on_both! {
    who_is_shut_down_gives_back_at_once_what_it_has_not_begun
}

/// Handles all but number 0, which waits for the gate.
async fn gated(
    orders: &DurableTopic<Order>,
    handling: Handling,
    calls: &Calls,
    gate: &Arc<Semaphore>,
) -> mystocks_bus::Worker {
    let (calls, gate) = (calls.clone(), Arc::clone(gate));
    let handler = move |order: Delivered<Order>| {
        calls.note(order.number, order.deliveries);
        let gate = Arc::clone(&gate);
        async move {
            if order.number == 0 {
                drop(gate.acquire().await);
            }
            Ok::<_, &str>(())
        }
    };
    orders.consume("risk", handling, handler).await.unwrap()
}

async fn who_is_shut_down_gives_back_at_once_what_it_has_not_begun(log: impl Log + Clone) {
    let (orders, calls, gate) = (orders(log), Calls::default(), Arc::new(Semaphore::new(0)));
    orders.publish_all(&(0..20).map(|number| Order { number }).collect::<Vec<_>>()).await.unwrap();
    let handling = Handling { at_once: 1, lease: Duration::from_secs(60), ..quick() };
    let first = gated(&orders, handling, &calls, &gate).await;
    mystocks_testkit::eventually("it has begun", LONG, async || calls.len() == 1).await;
    let closing = tokio_util::task::AbortOnDropHandle::new(
        tokio_util::task::TaskTracker::new().spawn(first.shutdown()),
    );
    let second = gated(&orders, handling, &calls, &gate).await;
    mystocks_testkit::eventually("the others are handled", LONG, async || second.handled().done == 19).await;
    assert!(!closing.is_finished() && calls.of(0) == [1], "the first handler runs on");
    for number in 1..20 {
        assert_eq!(calls.of(number), [1], "what was not begun was not delivered");
    }
    gate.add_permits(1);
    closing.await.unwrap();
    settled(&orders).await;
    second.shutdown().await;
}

/// What is to be handled alone does not wait for what hangs, and holds up the others for a moment only.
#[tokio::test(start_paused = true)]
async fn what_hangs_does_not_keep_a_suspect_waiting() {
    let log = MemoryLog::new();
    let (orders, calls, gate) = (orders(log.clone()), Calls::default(), Arc::new(Semaphore::new(0)));
    let tend = Tend {
        join: Some(Start::First),
        room: 9,
        only: None,
        deliveries: 9,
        alone: 9,
        takes_alone: true,
        keeps: None,
        leave: false,
    };
    orders.publish(&Order { number: 1 }).await.unwrap();
    for name in ["one", "two"] {
        let lease = Duration::from_millis(100);
        let victim = Consumer { topic: "orders", group: "risk", name, lease, is_sole: false };
        log.tend(&victim, &tend).await.unwrap();
        log.read(&victim, 1, Duration::ZERO).await.unwrap();
        sleep(Duration::from_millis(200)).await;
    }
    orders.publish(&Order { number: 0 }).await.unwrap();
    let worker = gated(&orders, Handling { deliveries: 9, ..quick() }, &calls, &gate).await;
    for number in 2..50 {
        orders.publish(&Order { number }).await.unwrap();
    }
    sleep(Duration::from_secs(5)).await;
    assert_eq!((calls.of(1), calls.of(0)), (vec![3], vec![1]));
    assert_eq!(worker.handled().done, 49);
    gate.add_permits(1);
    worker.shutdown().await;
}
