//! The server dies, stops, starts late: the manager fails fast and comes back by itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use std::time::Duration;

use fixture::{LONG, ask, attached, connected, settings};
use mystocks_redis_core::{Call, ErrorKind, Lane, RedisManager};
use mystocks_testkit::{FaultProxy, RedisServer, eventually};
use redis::cmd;
use tokio::time::timeout;

/// If every call waited for anything, so many would not end in time.
async fn fails_fast(manager: &RedisManager) {
    let calls = async {
        for _ in 0..2000 {
            for lane in [Lane::Small, Lane::Bulk] {
                let call = Call::repeatable().on(lane);
                let refused = manager.query::<()>(&cmd("PING"), call).await.unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused}");
            }
            let refused = manager.dedicated().await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused}");
        }
    };
    timeout(LONG, calls).await.expect("calls fail at once while redis is down");
}

async fn down(manager: &RedisManager) {
    eventually("the loss is noticed", LONG, async || ask::<()>(manager, &cmd("PING")).await.is_err()).await;
}

#[tokio::test]
async fn starts_while_redis_is_down_and_attaches_when_it_comes() {
    let mut server = RedisServer::start().await;
    server.kill().await;
    let manager = RedisManager::start(&settings(&server.url())).await.unwrap();
    assert_eq!(server.pid(), None);
    assert!(!manager.health().borrow().is_up());
    fails_fast(&manager).await;
    server.restart().await;
    attached(&manager).await;
}

#[tokio::test]
async fn starts_while_the_host_accepts_and_says_nothing() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    proxy.hang_new(true);
    let mut patient = settings(&proxy.url(1));
    patient.connect_timeout = 10 * LONG;
    let starting = timeout(LONG, RedisManager::start(&patient));
    let manager = starting.await.expect("starting does not wait").unwrap();
    fails_fast(&manager).await;
    proxy.heal();
    attached(&manager).await;
}

#[tokio::test]
async fn recovers_from_kill_and_restart() {
    let mut server = RedisServer::start().await;
    let manager = connected(&server.url()).await;
    let () = manager.query(cmd("SET").arg("k").arg("v"), Call::once().on(Lane::Bulk)).await.unwrap();
    for _ in 0..3 {
        server.kill().await;
        down(&manager).await;
        fails_fast(&manager).await;
        server.restart().await;
        attached(&manager).await;
        let bulk = Call::repeatable().on(Lane::Bulk);
        eventually("the bulk lane serves", LONG, async || {
            manager.query::<String>(&cmd("PING"), bulk).await.is_ok()
        })
        .await;
        let mut own = manager.dedicated().await.unwrap();
        let pong: String = cmd("PING").query_async(&mut own).await.unwrap();
        assert_eq!(pong, "PONG");
    }
}

#[tokio::test]
async fn a_server_stopped_for_three_seconds_times_out_and_serves_again_in_step() {
    let server = RedisServer::start().await;
    let manager = connected(&server.url()).await;
    server.pause();
    let silent = ask::<()>(&manager, &cmd("PING")).await.unwrap_err();
    assert_eq!((silent.kind(), silent.is_retryable()), (ErrorKind::Timeout, true));
    // The outage itself, long enough for the connection to be given up.
    tokio::time::sleep(Duration::from_secs(3)).await;
    fails_fast(&manager).await;
    server.resume();
    attached(&manager).await;
    for number in 0..200 {
        let echoed: u32 = ask(&manager, cmd("ECHO").arg(number)).await.unwrap();
        assert_eq!(echoed, number);
    }
}
