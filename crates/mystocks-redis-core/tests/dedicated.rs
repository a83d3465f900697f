//! Connections for one caller: waiting commands, exhaustion, and no lost element when a wait is cancelled.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use std::time::Duration;

use fixture::{LONG, ask, attached, connected, settings, witness};
use mystocks_redis_core::{ErrorKind, RedisManager};
use mystocks_testkit::{RedisServer, eventually};
use redis::aio::MultiplexedConnection;
use redis::{cmd, pipe};
use tokio::time::timeout;

async fn blocked(witness: &mut MultiplexedConnection) -> bool {
    let info: String = cmd("INFO").arg("clients").query_async(witness).await.unwrap();
    !info.contains("blocked_clients:0")
}

#[tokio::test]
async fn waits_longer_than_the_timeout_of_commands_and_holds_up_nobody() {
    let server = RedisServer::start().await;
    let manager = connected(&server.url()).await;
    let mut own = manager.dedicated().await.unwrap();
    let mut pop = cmd("BLPOP");
    pop.arg("queue").arg(1);
    let waiting = pop.query_async::<Option<(String, String)>>(&mut own);
    let asking = async {
        let mut direct = witness(&server).await;
        eventually("the pop waits", LONG, async || blocked(&mut direct).await).await;
        ask::<String>(&manager, &cmd("PING")).await.unwrap()
    };
    let (popped, pong) = tokio::join!(waiting, asking);
    assert_eq!((popped.unwrap(), pong.as_str()), (None, "PONG"));
}

#[tokio::test]
async fn a_cancelled_wait_closes_the_connection_and_loses_no_element() {
    let server = RedisServer::start().await;
    let mut direct = witness(&server).await;
    let manager = connected(&server.url()).await;
    let mut own = manager.dedicated().await.unwrap();
    let mut pop = cmd("BLPOP");
    pop.arg("queue").arg(0);
    {
        let waiting = pop.query_async::<Option<(String, String)>>(&mut own);
        tokio::pin!(waiting);
        eventually("the pop waits", LONG, async || {
            let _ = timeout(Duration::from_millis(1), &mut waiting).await;
            blocked(&mut direct).await
        })
        .await;
    }
    let ping = cmd("PING");
    let answer = timeout(LONG, ping.query_async::<()>(&mut own)).await;
    let refused = answer.expect("no waiting behind the pop").unwrap_err();
    assert!(refused.to_string().contains("take another one"), "{refused}");
    drop(own);
    eventually("nobody waits any more", LONG, async || !blocked(&mut direct).await).await;
    let () = cmd("RPUSH").arg("queue").arg("job").query_async(&mut direct).await.unwrap();
    let left: u32 = cmd("LLEN").arg("queue").query_async(&mut direct).await.unwrap();
    assert_eq!(left, 1);
    let mut next = manager.dedicated().await.unwrap();
    let (_, job): (String, String) = pop.query_async(&mut next).await.unwrap();
    assert_eq!(job, "job");
}

#[tokio::test]
async fn a_connection_given_back_is_used_again_and_a_discarded_one_is_not() {
    let server = RedisServer::start().await;
    let manager = connected(&server.url()).await;
    let mut who = cmd("CLIENT");
    who.arg("ID");
    let mut own = manager.dedicated().await.unwrap();
    let first: u64 = who.query_async(&mut own).await.unwrap();
    let mut optimistic = pipe();
    optimistic.atomic().cmd("SET").arg("k").arg(1);
    let () = cmd("WATCH").arg("k").query_async(&mut own).await.unwrap();
    let () = optimistic.query_async(&mut own).await.unwrap();
    drop(own);
    let mut own = manager.dedicated().await.unwrap();
    assert_eq!(who.query_async::<u64>(&mut own).await.unwrap(), first);
    let () = cmd("SELECT").arg(9).query_async(&mut own).await.unwrap();
    own.discard();
    let mut own = manager.dedicated().await.unwrap();
    assert_ne!(who.query_async::<u64>(&mut own).await.unwrap(), first);
}

#[tokio::test]
async fn exhaustion_names_the_setting_and_ends_when_one_comes_back() {
    let server = RedisServer::start().await;
    let mut few = settings(&server.url());
    few.max_connections = 2;
    let manager = RedisManager::start(&few).await.unwrap();
    attached(&manager).await;
    let held = (manager.dedicated().await.unwrap(), manager.dedicated().await.unwrap());
    let error = manager.dedicated().await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Exhausted, true));
    assert!(error.to_string().contains("REDIS_MAX_CONNECTIONS"), "{error}");
    let usage = manager.health_check().await.dedicated;
    assert_eq!((usage.in_use, usage.idle, usage.limit), (2, 0, 2));
    drop(held);
    manager.dedicated().await.unwrap();
    let usage = manager.health_check().await.dedicated;
    assert_eq!((usage.in_use, usage.idle, usage.limit), (0, 2, 2));
}
