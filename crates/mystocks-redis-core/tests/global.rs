//! The one manager of a process: installed once, and an error that says how before.

mod fixture;

use fixture::{ask, connected};
use mystocks_redis_core::{ErrorKind, RedisManager};
use mystocks_testkit::RedisServer;
use redis::cmd;

#[tokio::test]
async fn is_missing_then_installed_then_taken() {
    let missing = RedisManager::global().unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Config);
    assert!(missing.to_string().contains("install_global()"), "{missing}");
    let server = RedisServer::start().await;
    let manager = connected(&server.url()).await;
    manager.clone().install_global().unwrap();
    let global = RedisManager::global().unwrap();
    assert_eq!(ask::<String>(&global, &cmd("PING")).await.unwrap(), "PONG");
    let second = manager.install_global().unwrap_err();
    assert_eq!(second.kind(), ErrorKind::Config);
    assert!(second.to_string().contains("installed already"), "{second}");
}
