//! What the health checks publish, and the server's time.

mod fixture;

use std::time::Duration;

use fixture::{LONG, connected, settings, witness};
use mystocks_redis_core::{Health, RedisManager, State};
use mystocks_testkit::RedisServer;
use redis::cmd;
use tokio::time::timeout;

#[tokio::test]
async fn the_watch_tells_of_losses_and_returns_at_once_and_not_only_every_30_seconds() {
    let mut server = RedisServer::start().await;
    let mut chosen = settings(&server.url());
    chosen.health_check_interval = 100 * LONG;
    let manager = RedisManager::start(&chosen).await.unwrap();
    let mut health = manager.health();
    assert_eq!(health.borrow().state, State::Up);
    server.kill().await;
    let lost = timeout(LONG, health.wait_for(|health| !health.is_up()));
    let lost = lost.await.expect("the loss is published").unwrap().clone();
    assert_eq!(lost.round_trip, None);
    let reason = lost.reason.unwrap();
    assert!(reason.starts_with("check the connection: redis is unavailable"), "{reason}");
    server.restart().await;
    let back = timeout(LONG, health.wait_for(Health::is_up));
    let back = back.await.expect("the return is published").unwrap().clone();
    assert!(back.round_trip.is_some() && back.reason.is_none());
}

#[tokio::test]
async fn the_background_check_repeats_and_notices_a_silent_server_that_nobody_asks() {
    let server = RedisServer::start().await;
    let mut chosen = settings(&server.url());
    assert_eq!(chosen.health_check_interval, Duration::from_secs(30));
    chosen.health_check_interval = Duration::from_millis(50);
    let manager = RedisManager::start(&chosen).await.unwrap();
    let mut health = manager.health();
    let mut checks = vec![health.borrow_and_update().checked_at];
    for _ in 0..3 {
        timeout(LONG, health.changed()).await.expect("checks go on").unwrap();
        checks.push(health.borrow_and_update().checked_at);
    }
    assert!(checks.is_sorted());
    server.pause();
    let silent = timeout(LONG, health.wait_for(|health| !health.is_up()));
    silent.await.expect("the silence is published").unwrap();
    server.resume();
    let back = timeout(LONG, health.wait_for(Health::is_up));
    back.await.expect("the return is published").unwrap();
}

#[tokio::test]
async fn a_check_on_demand_is_published_too_and_the_time_is_the_servers() {
    let server = RedisServer::start().await;
    let manager = connected(&server.url()).await;
    let mut health = manager.health();
    health.mark_unchanged();
    let found = manager.health_check().await;
    assert!(found.is_up());
    assert!(health.has_changed().unwrap());
    let mut direct = witness(&server).await;
    for _ in 0..20 {
        let before = manager.server_now_ms();
        let (seconds, micros): (u64, u64) = cmd("TIME").query_async(&mut direct).await.unwrap();
        let server_ms = seconds * 1000 + micros / 1000;
        assert!(server_ms.abs_diff(manager.server_now_ms()) < 2000);
        assert!(manager.server_now_ms() >= before);
    }
}
