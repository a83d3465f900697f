//! `rediss://` trusts what the machine trusts, and says so when it does not.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use std::env;
use std::process::Command;

use fixture::{ask, attached, settings};
use mystocks_redis_core::{Call, ErrorKind, Lane, RedisManager};
use mystocks_testkit::RedisServer;
use redis::cmd;

const ROLE: &str = "MYSTOCKS_TEST_REDISS_URL";

#[tokio::test]
async fn an_unknown_authority_is_a_clear_error_and_no_panic() {
    let server = RedisServer::builder().tls().start().await;
    let manager = RedisManager::start(&settings(&server.url())).await.unwrap();
    let error = ask::<()>(&manager, &cmd("PING")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("certificate"), "{error}");
    let reason = manager.health_check().await.reason.unwrap();
    assert!(reason.contains("certificate"), "{reason}");
}

/// Trust is the process's, so a second process has it: this test, run again with the authority as the machine's.
#[tokio::test]
async fn a_trusted_authority_serves_every_sort_of_connection() {
    if let Some(url) = env::var_os(ROLE) {
        return serves_all(url.to_str().unwrap()).await;
    }
    let server = RedisServer::builder().tls().password("hunter2").start().await;
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "a_trusted_authority_serves_every_sort_of_connection"])
        .env(ROLE, server.url())
        .env("SSL_CERT_FILE", server.authority().unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{said}{}", String::from_utf8_lossy(&child.stderr));
    assert!(said.contains("1 passed"), "{said}");
}

async fn serves_all(url: &str) {
    let manager = RedisManager::start(&settings(url)).await.unwrap();
    attached(&manager).await;
    let large = vec![7_u8; 200_000];
    let mut set = cmd("SET");
    set.arg("k").arg(&large);
    let () = manager.query(&set, Call::once().on(Lane::Bulk)).await.unwrap();
    assert_eq!(ask::<Vec<u8>>(&manager, cmd("GET").arg("k")).await.unwrap(), large);
    let mut own = manager.dedicated().await.unwrap();
    let length: usize = cmd("STRLEN").arg("k").query_async(&mut own).await.unwrap();
    assert_eq!(length, large.len());
    manager.shutdown().await;
}
