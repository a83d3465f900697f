//! Connections that break or go silent while the server is well.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use std::time::Duration;

use fixture::{LONG, ask, attached, connected, settings, witness};
use mystocks_redis_core::{Call, ErrorKind, RedisManager};
use mystocks_testkit::{FaultProxy, RedisServer, eventually};
use redis::aio::MultiplexedConnection;
use redis::cmd;
use tokio::task::JoinSet;
use tokio::time::timeout;

async fn counter(witness: &mut MultiplexedConnection) -> i64 {
    let count: Option<i64> = cmd("GET").arg("n").query_async(witness).await.unwrap();
    count.unwrap_or_default()
}

#[tokio::test]
async fn a_black_hole_is_noticed_by_timeouts_and_left() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let manager = connected(&proxy.url(1)).await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(manager.dedicated().await.unwrap());
    }
    drop(idle);
    proxy.black_hole();
    let silent = ask::<()>(&manager, &cmd("PING")).await.unwrap_err();
    assert_eq!(silent.kind(), ErrorKind::Timeout);
    attached(&manager).await;
    // The idle dedicated connections are in the same hole, and nobody has to find out one by one.
    let mut own = manager.dedicated().await.unwrap();
    let pong: String = cmd("PING").query_async(&mut own).await.unwrap();
    assert_eq!(pong, "PONG");
}

#[tokio::test]
async fn a_black_hole_is_noticed_though_every_caller_gives_up_early() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let mut patient = settings(&proxy.url(1));
    patient.socket_timeout = 10 * LONG;
    let manager = RedisManager::start(&patient).await.unwrap();
    attached(&manager).await;
    proxy.black_hole();
    let short = Duration::from_millis(20);
    let limited = Call::repeatable().timeout(short);
    let elapsed = manager.query::<()>(&cmd("PING"), limited).await;
    assert_eq!(elapsed.unwrap_err().kind(), ErrorKind::Timeout);
    eventually("callers that drop the future are served", LONG, async || {
        let ping = cmd("PING");
        let asked = manager.query::<()>(&ping, Call::once());
        timeout(Duration::from_secs(1), asked).await.is_ok_and(|answer| answer.is_ok())
    })
    .await;
}

#[tokio::test]
async fn a_slow_answer_costs_its_caller_the_call_and_nobody_the_connection() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let manager = connected(&proxy.url(1)).await;
    let before: u64 = ask(&manager, cmd("CLIENT").arg("ID")).await.unwrap();
    proxy.delay(Duration::from_millis(300));
    let slow = ask::<()>(&manager, &cmd("PING")).await.unwrap_err();
    assert_eq!(slow.kind(), ErrorKind::Timeout);
    proxy.delay(Duration::ZERO);
    attached(&manager).await;
    let after: u64 = ask(&manager, cmd("CLIENT").arg("ID")).await.unwrap();
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_command_that_must_not_happen_twice_is_sent_once() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let mut direct = witness(&server).await;
    let manager = connected(&proxy.url(1)).await;
    for round in 1..=5 {
        attached(&manager).await;
        proxy.hold_replies(true);
        let mut calls = JoinSet::new();
        let caller = manager.clone();
        calls.spawn(async move {
            let mut increment = cmd("INCR");
            increment.arg("n");
            caller.query::<i64>(&increment, Call::once()).await
        });
        eventually("the server has counted", LONG, async || counter(&mut direct).await == round).await;
        proxy.cut();
        proxy.hold_replies(false);
        let outcome = calls.join_next().await.unwrap().unwrap();
        let kind = outcome.unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::Unavailable | ErrorKind::Timeout), "{kind:?}");
        assert_eq!(counter(&mut direct).await, round);
    }
}

#[tokio::test]
async fn a_command_that_may_be_repeated_survives_a_cut() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let mut patient = settings(&proxy.url(1));
    patient.socket_timeout = LONG;
    let manager = RedisManager::start(&patient).await.unwrap();
    attached(&manager).await;
    let () = ask(&manager, cmd("SET").arg("k").arg("v")).await.unwrap();
    for _ in 0..5 {
        proxy.black_hole();
        let mut calls = JoinSet::new();
        let caller = manager.clone();
        let (sent, under_way) = tokio::sync::oneshot::channel();
        calls.spawn(async move {
            let mut get = cmd("GET");
            get.arg("k");
            let asked = ask::<String>(&caller, &get);
            tokio::pin!(asked);
            // One look sends it into the hole.
            let early = timeout(Duration::ZERO, &mut asked).await;
            sent.send(early.is_err()).unwrap();
            asked.await
        });
        assert!(under_way.await.unwrap());
        proxy.cut();
        let answer = calls.join_next().await.unwrap().unwrap();
        assert_eq!(answer.unwrap(), "v");
    }
}

#[tokio::test]
async fn what_waits_on_a_lost_connection_fails_with_it_and_not_later() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let mut patient = settings(&proxy.url(1));
    patient.socket_timeout = 10 * LONG;
    let manager = RedisManager::start(&patient).await.unwrap();
    attached(&manager).await;
    proxy.black_hole();
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let caller = manager.clone();
        calls.spawn(async move { caller.query::<()>(&cmd("PING"), Call::once()).await });
    }
    let impatient = Call::once().timeout(Duration::from_millis(50));
    assert!(manager.query::<()>(&cmd("PING"), impatient).await.is_err());
    let answers = timeout(LONG, calls.join_all()).await.expect("nobody waits for the timeout");
    for answer in answers {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Unavailable);
    }
}
