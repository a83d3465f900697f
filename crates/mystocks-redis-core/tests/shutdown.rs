//! Shutting down ends every task and every connection.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use std::time::Duration;

use fixture::{LONG, ask, attached, others, settings, witness};
use mystocks_redis_core::{Call, ErrorKind, Lane, RedisManager};
use mystocks_testkit::{FaultProxy, RedisServer, eventually};
use redis::cmd;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::timeout;

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// A manager with connections of every sort open.
async fn busy(url: &str) -> RedisManager {
    let mut patient = settings(url);
    patient.socket_timeout = 10 * LONG;
    let manager = RedisManager::start(&patient).await.unwrap();
    attached(&manager).await;
    for _ in 0..8 {
        let bulk = Call::repeatable().on(Lane::Bulk);
        let _: String = manager.query(&cmd("PING"), bulk).await.unwrap();
    }
    let mut own = manager.dedicated().await.unwrap();
    let _: String = cmd("PING").query_async(&mut own).await.unwrap();
    manager
}

#[tokio::test]
async fn every_task_ends_every_connection_closes_and_calls_under_way_fail() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let mut direct = witness(&server).await;
    let before = tasks();
    let manager = busy(&proxy.url(1)).await;
    assert_eq!(others(&mut direct).await.len(), 10);
    proxy.hold_replies(true);
    let mut calls = JoinSet::new();
    for lane in [Lane::Small, Lane::Bulk] {
        let caller = manager.clone();
        calls.spawn(async move {
            let mut increment = cmd("INCR");
            increment.arg("n");
            caller.query::<i64>(&increment, Call::once().on(lane)).await
        });
    }
    eventually("both calls are under way", LONG, async || {
        let count: Option<i64> = cmd("GET").arg("n").query_async(&mut direct).await.unwrap();
        count == Some(2)
    })
    .await;
    timeout(LONG, manager.shutdown()).await.expect("shutdown ends");
    for outcome in calls.join_all().await {
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Closed);
    }
    eventually("no task is left", LONG, async || tasks() == before).await;
    proxy.heal();
    eventually("no connection is left", LONG, async || others(&mut direct).await.is_empty()).await;
    for lane in [Lane::Small, Lane::Bulk] {
        let late = manager.query::<()>(&cmd("PING"), Call::repeatable().on(lane)).await;
        assert_eq!(late.unwrap_err().kind(), ErrorKind::Closed);
    }
    assert_eq!(manager.dedicated().await.unwrap_err().kind(), ErrorKind::Closed);
    assert!(!manager.health().borrow().is_up());
    timeout(LONG, manager.shutdown()).await.expect("a second time too");
}

#[tokio::test]
async fn ends_while_redis_is_down() {
    let mut server = RedisServer::start().await;
    let before = tasks();
    let manager = busy(&server.url()).await;
    server.kill().await;
    let lost = ask::<()>(&manager, &cmd("PING")).await;
    assert!(lost.is_err());
    timeout(LONG, manager.shutdown()).await.expect("shutdown ends");
    eventually("no task is left", LONG, async || tasks() == before).await;
}

#[tokio::test]
async fn the_last_clone_takes_everything_with_it() {
    let server = RedisServer::start().await;
    let mut direct = witness(&server).await;
    let before = tasks();
    let manager = busy(&server.url()).await;
    let clone = manager.clone();
    drop(manager);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(ask::<String>(&clone, &cmd("PING")).await.unwrap(), "PONG");
    drop(clone);
    eventually("no connection and no task is left", LONG, async || {
        others(&mut direct).await.is_empty() && tasks() == before
    })
    .await;
}
