//! Owners of lanes that die, or are cut off.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mystocks_bus::{Append, Consumer, Handling, Log, Room, Settle, Start, Tend, Verdict};
use mystocks_testkit::{FaultProxy, RedisServer, eventually};
use tokio::time::sleep;

use crate::lanes::{Book, GROUP, accounts, fills, now_and_then, publish, quick, settled, work};
use crate::{LONG, streams};

on_both! {
    what_a_dead_owner_had_comes_before_what_is_new
    what_two_owners_died_with_is_handled_alone
}

async fn what_a_dead_owner_had_comes_before_what_is_new(log: impl Log + Clone) {
    let lease = Duration::from_millis(400);
    let dead = Consumer { topic: "fills#0", group: GROUP, name: "dead", lease, is_sole: true };
    let join = Tend {
        join: Some(Start::First),
        room: 0,
        only: None,
        deliveries: 5,
        alone: 3,
        takes_alone: true,
        keeps: None,
        leave: false,
    };
    assert!(log.tend(&dead, &join).await.unwrap().is_alive);
    let payload = |number: u64| {
        let account = if number.is_multiple_of(2) { "even" } else { "odd" };
        format!(
            r#"{{"specversion": "1.0", "id": "1", "source": "s", "type": "fill", "time": "t", "data": {{"account": "{account}", "number": {number}}}}}"#
        )
    };
    // All in one request: their ids differ in what does not sort as text.
    let payloads: Vec<String> = (0..30).map(payload).collect();
    let entries: Vec<_> =
        payloads.iter().map(|payload| Append { payload: payload.as_bytes(), once: None }).collect();
    log.append("fills#0", Room::Safe(1_000), &entries).await.unwrap();
    let had = log.read(&dead, 25, Duration::ZERO).await.unwrap();
    // The first of the one waits and is not due yet, the first of the other is done.
    let again = Verdict::Again(Duration::from_millis(1_200));
    let settlements =
        [Settle { id: had[0].id, verdict: again }, Settle { id: had[1].id, verdict: Verdict::Done }];
    log.settle(&dead, &settlements).await.unwrap();
    let (fills, book) = (fills(log, 1), Book::default());
    let handling = Handling { at_once: 4, ..quick() };
    let worker = work(&fills, &book, 1, handling, |_, _| async { Ok(()) }).await;
    publish(&fills, &["even".to_owned(), "odd".to_owned()], 30..32).await;
    eventually("the one that waits for nothing is done", LONG, async || book.done("odd").len() == 16).await;
    settled(&fills).await;
    let expected = |from: u64| (from..30).step_by(2).chain([30, 31]).collect::<Vec<_>>();
    assert_eq!((book.begun("even"), book.begun("odd")), (expected(0), expected(3)));
    let waited = book.lines().iter().position(|line| line.account == "even");
    assert!(waited >= Some(20), "it came before it was due: {waited:?}");
    worker.shutdown().await;
}

async fn what_two_owners_died_with_is_handled_alone(log: impl Log + Clone) {
    let (fills, book, accounts) = (fills(log.clone(), 2), Book::default(), accounts(20));
    publish(&fills, &accounts, 0..1).await;
    let lease = Duration::from_millis(200);
    let tend = Tend {
        join: None,
        room: 100,
        only: None,
        deliveries: 9,
        alone: 9,
        takes_alone: true,
        keeps: None,
        leave: false,
    };
    for name in ["first", "second"] {
        for lane in ["fills#0", "fills#1"] {
            let owner = Consumer { topic: lane, group: GROUP, name, lease, is_sole: true };
            let joined = log.tend(&owner, &Tend { join: Some(Start::First), ..tend }).await.unwrap();
            assert!(joined.is_alive);
            let given = log.read(&owner, 3, Duration::ZERO).await.unwrap();
            assert_eq!((joined.entries.len(), given.len()), if name == "first" { (0, 3) } else { (3, 3) });
        }
        sleep(lease * 2).await;
    }
    let (running, alone) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counts = (Arc::clone(&running), Arc::clone(&alone));
    let handle = move |_, deliveries| {
        let (running, alone) = counts.clone();
        async move {
            let mut most = running.fetch_add(1, Ordering::SeqCst);
            // Long enough for those that are to be alone to come while others run.
            let pause = Duration::from_millis(if deliveries == 3 { 1 } else { 100 });
            for _ in 0..5 {
                sleep(pause).await;
                most = most.max(running.load(Ordering::SeqCst) - 1);
            }
            running.fetch_sub(1, Ordering::SeqCst);
            if deliveries == 3 && most == 0 {
                alone.fetch_add(1, Ordering::SeqCst);
            }
            Ok(())
        }
    };
    let worker = work(&fills, &book, 1, quick(), handle).await;
    settled(&fills).await;
    assert_eq!((alone.load(Ordering::SeqCst), worker.handled().done), (6, 20), "three of each lane");
    worker.shutdown().await;
}

/// Connections that break while something is read, taken or acknowledged lose nothing and put nothing out of order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connections_invert_nothing() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let direct = fills(streams(&format!("redis://{}/0", server.address())).await, 4);
    let through = fills(streams(&proxy.url(0)).await, 4);
    let (book, accounts) = (Book::default(), accounts(20));
    let cut_off = work(&through, &book, 1, quick(), now_and_then).await;
    let other = work(&direct, &book, 2, quick(), now_and_then).await;
    for round in 0..20 {
        publish(&direct, &accounts, round * 3..round * 3 + 3).await;
        if round % 4 == 0 {
            proxy.hold_replies(true);
            sleep(Duration::from_millis(20)).await;
        }
        proxy.cut();
        proxy.hold_replies(false);
        sleep(Duration::from_millis(50)).await;
    }
    settled(&direct).await;
    let all: Vec<u64> = (0..60).collect();
    for account in &accounts {
        assert_eq!(book.firsts(account), all, "{account}");
        assert_eq!(book.done(account).into_iter().collect::<BTreeSet<_>>().len(), 60, "{account}");
    }
    assert_eq!(direct.state(GROUP).await.unwrap().dead, 0);
    cut_off.shutdown().await;
    other.shutdown().await;
}
