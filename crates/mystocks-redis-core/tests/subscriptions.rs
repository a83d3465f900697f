//! Subscriptions: confirmed, in order, back after every loss, and honest about what was missed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use std::time::Duration;

use fixture::{LONG, connected, others, settings, witness};
use mystocks_redis_core::{Event, RedisManager, Subscription};
use mystocks_testkit::{FaultProxy, RedisServer, eventually};
use redis::aio::MultiplexedConnection;
use redis::cmd;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout};

async fn event(subscription: &mut Subscription) -> Event {
    timeout(LONG, subscription.next()).await.expect("an event").expect("the stream goes on")
}

fn message(channel: &str, payload: &str) -> Event {
    Event::Message { channel: channel.into(), payload: payload.to_owned().into() }
}

/// Publishes, and returns how many connections were given it.
async fn publish(witness: &mut MultiplexedConnection, channel: &str, payload: &str) -> u64 {
    cmd("PUBLISH").arg(channel).arg(payload).query_async(witness).await.unwrap()
}

async fn subscribers(witness: &mut MultiplexedConnection, channel: &str) -> u64 {
    let (_, count): (String, u64) =
        cmd("PUBSUB").arg("NUMSUB").arg(channel).query_async(witness).await.unwrap();
    count
}

/// Reads on to `Up`; only `Down` may come before.
async fn back_up(subscription: &mut Subscription) {
    while event(subscription).await != Event::Up {}
}

#[tokio::test]
async fn what_is_published_after_up_arrives() {
    let server = RedisServer::start().await;
    let manager = connected(&server.url()).await;
    let mut direct = witness(&server).await;
    let mut held = Vec::new();
    for round in 0..200 {
        let (one, two) = (format!("one-{round}"), format!("two-{round}"));
        let mut subscription = manager.subscribe(&[&one, &two, &one], 10);
        assert_eq!(event(&mut subscription).await, Event::Up);
        assert_eq!(publish(&mut direct, &two, "first").await, 1);
        assert_eq!(publish(&mut direct, &one, "second").await, 1);
        assert_eq!(event(&mut subscription).await, message(&two, "first"));
        assert_eq!(publish(&mut direct, &two, "third").await, 1);
        assert_eq!(event(&mut subscription).await, message(&one, "second"));
        assert_eq!(event(&mut subscription).await, message(&two, "third"));
        held.push(subscription);
    }
    assert_eq!(others(&mut direct).await.len(), 2, "commands have one connection, all subscriptions another");
}

#[tokio::test]
async fn who_listens_is_called_until_it_ends() {
    let mut server = RedisServer::start().await;
    let manager = connected(&server.url()).await;
    let (heard, mut events) = tokio::sync::mpsc::unbounded_channel();
    let sender = heard.clone();
    let listening = manager.listen(&["a"], move |event| drop(sender.send(event)));
    let other = manager.listen(&["a"], |_| {});
    let mut next = async || timeout(LONG, events.recv()).await.unwrap().unwrap();
    assert_eq!(next().await, Event::Up);
    let mut direct = witness(&server).await;
    assert_eq!(publish(&mut direct, "a", "one").await, 1);
    assert_eq!(next().await, message("a", "one"));
    server.kill().await;
    assert!(matches!(next().await, Event::Down { .. }));
    server.restart().await;
    assert_eq!(next().await, Event::Up);
    let mut direct = witness(&server).await;
    drop(listening);
    assert_eq!(publish(&mut direct, "a", "two").await, 1);
    drop(other);
    eventually("nobody is subscribed", LONG, async || subscribers(&mut direct.clone(), "a").await == 0).await;
    let second = heard.clone();
    let late = manager.listen(&["b"], move |event| drop(second.send(event)));
    assert_eq!(next().await, Event::Up, "what was dropped heard nothing more");
    let third = heard.clone();
    manager.shutdown().await;
    assert_eq!(next().await, Event::Closed);
    let after = manager.listen(&["b"], move |event| drop(third.send(event)));
    assert_eq!(next().await, Event::Closed, "at once");
    drop((late, after));
}

#[tokio::test]
async fn a_restart_is_told_and_survived() {
    let mut server = RedisServer::start().await;
    let manager = connected(&server.url()).await;
    let mut first = manager.subscribe(&["a", "b"], 10);
    let mut second = manager.subscribe(&["b"], 10);
    for subscription in [&mut first, &mut second] {
        assert_eq!(event(subscription).await, Event::Up);
    }
    for _ in 0..2 {
        server.kill().await;
        for subscription in [&mut first, &mut second] {
            assert!(matches!(event(subscription).await, Event::Down { .. }));
        }
        server.restart().await;
        for subscription in [&mut first, &mut second] {
            assert_eq!(event(subscription).await, Event::Up);
        }
        let mut direct = witness(&server).await;
        assert_eq!(publish(&mut direct, "b", "again").await, 1);
        for subscription in [&mut first, &mut second] {
            assert_eq!(event(subscription).await, message("b", "again"));
        }
    }
}

#[tokio::test]
async fn a_connection_that_only_goes_silent_is_noticed_and_replaced() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let manager = connected(&proxy.url(1)).await;
    let mut direct = witness(&server).await;
    let mut subscription = manager.subscribe(&["a"], 10);
    assert_eq!(event(&mut subscription).await, Event::Up);
    for (hold_replies, busy) in [(false, false), (true, false), (false, true)] {
        let since = Instant::now();
        if hold_replies {
            proxy.hold_replies(true);
        } else {
            proxy.black_hole();
        }
        let down = async { assert!(matches!(event(&mut subscription).await, Event::Down { .. })) };
        let coming_and_going = async {
            if !busy {
                return std::future::pending::<()>().await;
            }
            loop {
                // The channel is subscribed to already, so nothing is to be sent.
                drop(manager.subscribe(&["a"], 10));
                sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = down => {}
            () = coming_and_going => {}
        }
        let taken = since.elapsed();
        assert!(taken.as_secs() < 3, "{taken:?}");
        proxy.hold_replies(false);
        assert_eq!(event(&mut subscription).await, Event::Up);
        assert!(publish(&mut direct, "a", "here").await > 0);
        assert_eq!(event(&mut subscription).await, message("a", "here"));
    }
}

#[tokio::test]
async fn a_cut_connection_is_replaced_and_a_quiet_one_is_kept() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let manager = connected(&proxy.url(1)).await;
    let mut direct = witness(&server).await;
    let mut subscription = manager.subscribe(&["a"], 10);
    assert_eq!(event(&mut subscription).await, Event::Up);
    for round in 0..5 {
        proxy.cut();
        assert!(matches!(event(&mut subscription).await, Event::Down { .. }));
        back_up(&mut subscription).await;
        let payload = round.to_string();
        publish(&mut direct, "a", &payload).await;
        assert_eq!(event(&mut subscription).await, message("a", &payload));
    }
    // Several heartbeats of nothing.
    let quiet = timeout(Duration::from_millis(1500), subscription.next()).await;
    assert!(quiet.is_err(), "{quiet:?}");
}

#[tokio::test]
async fn who_does_not_keep_up_is_told_where_and_holds_up_nobody() {
    let server = RedisServer::start().await;
    let manager = connected(&server.url()).await;
    let mut direct = witness(&server).await;
    let mut slow = manager.subscribe(&["a"], 10);
    let mut quick = manager.subscribe(&["a"], 10_000);
    assert_eq!(event(&mut slow).await, Event::Up);
    assert_eq!(event(&mut quick).await, Event::Up);
    let mut pipeline = redis::pipe();
    for number in 0..5000 {
        pipeline.cmd("PUBLISH").arg("a").arg(number).ignore();
    }
    let () = pipeline.query_async(&mut direct).await.unwrap();
    for number in 0..5000 {
        assert_eq!(event(&mut quick).await, message("a", &number.to_string()));
    }
    for number in 0..10 {
        assert_eq!(event(&mut slow).await, message("a", &number.to_string()));
    }
    assert!(matches!(event(&mut slow).await, Event::Down { .. }));
    assert_eq!(event(&mut slow).await, Event::Up);
    publish(&mut direct, "a", "after").await;
    assert_eq!(event(&mut slow).await, message("a", "after"));
    assert_eq!(event(&mut quick).await, message("a", "after"));
}

#[tokio::test]
async fn the_last_to_leave_a_channel_unsubscribes() {
    let server = RedisServer::start().await;
    let manager = connected(&server.url()).await;
    let mut direct = witness(&server).await;
    let mut first = manager.subscribe(&["a"], 10);
    let mut second = manager.subscribe(&["a", "b"], 10);
    assert_eq!(event(&mut first).await, Event::Up);
    assert_eq!(event(&mut second).await, Event::Up);
    drop(second);
    eventually("b is left", LONG, async || subscribers(&mut direct, "b").await == 0).await;
    assert_eq!(publish(&mut direct, "a", "still").await, 1);
    assert_eq!(event(&mut first).await, message("a", "still"));
    drop(first);
    eventually("a is left", LONG, async || subscribers(&mut direct, "a").await == 0).await;
}

#[tokio::test]
async fn many_come_and_go_and_every_up_is_true() {
    const CHANNELS: [&str; 5] = ["a", "b", "c", "d", "e"];
    let server = RedisServer::start().await;
    let manager = connected(&server.url()).await;
    let mut direct = witness(&server).await;
    let mut held: Vec<(&str, Subscription)> = Vec::new();
    for turn in 0_usize..1000 {
        let channel = CHANNELS[(turn * turn + turn / 7) % CHANNELS.len()];
        let mut subscription = manager.subscribe(&[channel], 100);
        if turn % 3 == 0 {
            assert_eq!(event(&mut subscription).await, Event::Up);
            let payload = turn.to_string();
            assert_eq!(publish(&mut direct, channel, &payload).await, 1, "turn {turn}");
            assert_eq!(event(&mut subscription).await, message(channel, &payload));
        }
        held.push((channel, subscription));
        if turn % 5 != 0 {
            held.remove(turn % held.len());
        }
        if turn % 97 == 0 && turn < 900 {
            held.clear();
        }
    }
    let mut left = held.split_off(held.len() / 2);
    drop(held);
    assert!(left.len() >= 5, "{}", left.len());
    for channel in CHANNELS {
        publish(&mut direct, channel, "end").await;
    }
    for (channel, subscription) in &mut left {
        while event(subscription).await != message(channel, "end") {}
    }
    drop(left);
    for channel in CHANNELS {
        eventually("nobody is left", LONG, async || subscribers(&mut direct, channel).await == 0).await;
    }
}

#[tokio::test]
async fn begins_while_redis_is_down_or_hangs() {
    let mut server = RedisServer::start().await;
    server.kill().await;
    let manager = RedisManager::start(&settings(&server.url())).await.unwrap();
    let mut subscription = manager.subscribe(&["a"], 10);
    assert!(matches!(event(&mut subscription).await, Event::Down { .. }));
    let mut later = manager.subscribe(&["a"], 10);
    assert!(matches!(event(&mut later).await, Event::Down { .. }));
    server.restart().await;
    assert_eq!(event(&mut subscription).await, Event::Up);
    assert_eq!(event(&mut later).await, Event::Up);

    let proxy = FaultProxy::start(server.address()).await;
    proxy.hang_new(true);
    let mut patient = settings(&proxy.url(1));
    patient.connect_timeout = LONG;
    let manager = RedisManager::start(&patient).await.unwrap();
    let mut subscription = manager.subscribe(&["a"], 10);
    assert!(matches!(event(&mut subscription).await, Event::Down { .. }));
    proxy.hang_new(false);
    assert_eq!(event(&mut subscription).await, Event::Up);
}

#[tokio::test]
async fn a_channel_the_user_may_not_have_is_down_and_takes_no_other_with_it() {
    let server = RedisServer::start().await;
    let mut direct = witness(&server).await;
    let mut user = cmd("ACL");
    user.arg("SETUSER").arg("bob").arg("on").arg(">secret").arg("~*").arg("+@all").arg("resetchannels");
    let () = user.arg("&mine").query_async(&mut direct).await.unwrap();
    let url = server.url().replace("redis://", "redis://bob:secret@");
    let manager = connected(&url).await;
    let mut theirs = manager.subscribe(&["mine", "theirs"], 10);
    let mut mine = manager.subscribe(&["mine"], 10);
    assert!(matches!(event(&mut theirs).await, Event::Down { .. }));
    assert_eq!(event(&mut mine).await, Event::Up);
    publish(&mut direct, "mine", "hello").await;
    assert_eq!(event(&mut mine).await, message("mine", "hello"));
    let () = cmd("ACL").arg("SETUSER").arg("bob").arg("&theirs").query_async(&mut direct).await.unwrap();
    assert_eq!(event(&mut theirs).await, Event::Up);
    publish(&mut direct, "theirs", "hello").await;
    assert_eq!(event(&mut theirs).await, message("theirs", "hello"));
}

#[tokio::test]
async fn shutdown_ends_every_stream_and_task() {
    let server = RedisServer::start().await;
    let mut direct = witness(&server).await;
    let before = Handle::current().metrics().num_alive_tasks();
    let manager = connected(&server.url()).await;
    let mut subscription = manager.subscribe(&["a"], 10);
    assert_eq!(event(&mut subscription).await, Event::Up);
    publish(&mut direct, "a", "last").await;
    // On the same connection: what was sent before has come.
    let mut other = manager.subscribe(&["b"], 10);
    assert_eq!(event(&mut other).await, Event::Up);
    timeout(LONG, manager.shutdown()).await.expect("shutdown ends");
    assert_eq!(event(&mut subscription).await, message("a", "last"));
    assert_eq!(timeout(LONG, subscription.next()).await.unwrap(), None);
    let mut late = manager.subscribe(&["a"], 10);
    assert_eq!(timeout(LONG, late.next()).await.unwrap(), None);
    eventually("no task and no connection is left", LONG, async || {
        Handle::current().metrics().num_alive_tasks() == before && others(&mut direct).await.is_empty()
    })
    .await;

    let manager = connected(&server.url()).await;
    let mut subscription = manager.subscribe(&["a"], 10);
    assert_eq!(event(&mut subscription).await, Event::Up);
    drop(manager);
    assert_eq!(timeout(LONG, subscription.next()).await.unwrap(), None);
}
