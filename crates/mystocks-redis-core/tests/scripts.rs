//! Scripts run by digest, also when the server has forgotten them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use fixture::{attached, connected, witness};
use mystocks_redis_core::{Call, ErrorKind, Script};
use mystocks_testkit::RedisServer;
use redis::aio::MultiplexedConnection;
use redis::cmd;

static ADD: Script = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
static FAIL: Script = Script::new("return redis.call('LPUSH', KEYS[1], ARGV[1])");

/// How often the server ran a command.
async fn calls(witness: &mut MultiplexedConnection, name: &str) -> u64 {
    let stats: String = cmd("INFO").arg("commandstats").query_async(witness).await.unwrap();
    let prefix = format!("cmdstat_{name}:calls=");
    stats
        .lines()
        .find_map(|line| line.strip_prefix(&prefix)?.split(',').next()?.parse().ok())
        .unwrap_or_default()
}

#[tokio::test]
async fn the_text_is_sent_only_when_the_server_does_not_know_it() {
    let mut server = RedisServer::start().await;
    let manager = connected(&server.url()).await;
    let add = async || manager.script::<i64>(&ADD, &["sum"], &[b"2"], Call::once()).await.unwrap();
    let mut direct = witness(&server).await;
    for expected in [2, 4, 6] {
        assert_eq!(add().await, expected);
    }
    assert_eq!((calls(&mut direct, "evalsha").await, calls(&mut direct, "eval").await), (3, 1));
    let () = cmd("SCRIPT").arg("FLUSH").query_async(&mut direct).await.unwrap();
    assert_eq!((add().await, add().await), (8, 10));
    assert_eq!((calls(&mut direct, "evalsha").await, calls(&mut direct, "eval").await), (5, 2));
    server.restart().await;
    attached(&manager).await;
    assert_eq!((add().await, add().await), (2, 4));
    let known: Vec<bool> =
        cmd("SCRIPT").arg("EXISTS").arg(ADD.digest()).query_async(&mut witness(&server).await).await.unwrap();
    assert_eq!(known, [true]);
}

#[tokio::test]
async fn an_error_in_a_script_names_script_and_key_and_no_argument() {
    let server = RedisServer::start().await;
    let manager = connected(&server.url()).await;
    let () = manager.query(cmd("SET").arg("text").arg("v"), Call::once()).await.unwrap();
    let failed = manager.script::<()>(&FAIL, &["text"], &[b"top-secret"], Call::once()).await;
    let error = failed.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
    let subject = format!("script {} on \"text\"", FAIL.digest());
    assert_eq!(error.subject(), subject);
    assert!(!format!("{error} {error:?}").contains("top-secret"));
}
