//! Scripts run by digest, also when the server has forgotten them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fixture::{LONG, attached, connected, settings, witness};
use mystocks_redis_core::{Call, ErrorKind, RedisManager, Script, ScriptRun};
use mystocks_testkit::{RedisServer, number_in};
use redis::aio::MultiplexedConnection;
use redis::cmd;
use tokio::task::JoinSet;

static ADD: Script = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
static FAIL: Script = Script::new("return redis.call('LPUSH', KEYS[1], ARGV[1])");

/// How often the server ran a command.
async fn calls(witness: &mut MultiplexedConnection, name: &str) -> u64 {
    let stats: String = cmd("INFO").arg("commandstats").query_async(witness).await.unwrap();
    number_in(&stats, &format!("cmdstat_{name}:calls="))
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

#[tokio::test]
async fn a_batch_is_one_pipeline_and_runs_each_exactly_once_also_on_a_server_that_forgot() {
    let mut server = RedisServer::start().await;
    let manager = connected(&server.url()).await;
    let runs = [
        ScriptRun { keys: &["a"], args: &[b"1"] },
        ScriptRun { keys: &["b"], args: &[b"10"] },
        ScriptRun { keys: &["a"], args: &[b"100"] },
    ];
    let add = async || manager.scripts::<i64>(&ADD, &runs, Call::once()).await.unwrap();
    let mut direct = witness(&server).await;
    // Unknown: three refusals, then one in full and two by digest.
    assert_eq!(add().await, [1, 10, 101]);
    assert_eq!((calls(&mut direct, "evalsha").await, calls(&mut direct, "eval").await), (5, 1));
    assert_eq!(add().await, [102, 20, 202]);
    assert_eq!((calls(&mut direct, "evalsha").await, calls(&mut direct, "eval").await), (8, 1));
    let () = cmd("SCRIPT").arg("FLUSH").query_async(&mut direct).await.unwrap();
    assert_eq!(add().await, [203, 30, 303]);
    server.restart().await;
    attached(&manager).await;
    assert_eq!(add().await, [1, 10, 101]);
    let none = manager.scripts::<i64>(&ADD, &[], Call::once()).await.unwrap();
    assert!(none.is_empty());
}

#[tokio::test]
async fn a_batch_that_the_server_forgets_half_way_repeats_only_what_was_not_run() {
    let server = RedisServer::start().await;
    let mut patient = settings(&server.url());
    patient.socket_timeout = LONG;
    let manager = RedisManager::start(&patient).await.unwrap();
    attached(&manager).await;
    let enough = Arc::new(AtomicBool::new(false));
    let mut direct = witness(&server).await;
    let stop = Arc::clone(&enough);
    let mut forgetting = JoinSet::new();
    forgetting.spawn(async move {
        while !stop.load(Ordering::Relaxed) {
            let () = cmd("SCRIPT").arg("FLUSH").query_async(&mut direct).await.unwrap();
        }
    });
    let runs = vec![ScriptRun { keys: &["n"], args: &[b"1"] }; 2000];
    let mut sum = 0;
    for _ in 0..20 {
        let mut sums = manager.scripts::<i64>(&ADD, &runs, Call::once()).await.unwrap();
        sums.sort_unstable();
        let expected: Vec<i64> = (sum + 1..=sum + 2000).collect();
        assert_eq!(sums, expected);
        sum += 2000;
    }
    enough.store(true, Ordering::Relaxed);
    forgetting.join_all().await;
}

#[tokio::test]
async fn a_failed_run_of_a_batch_is_its_error_and_the_others_are_executed() {
    let server = RedisServer::start().await;
    let manager = connected(&server.url()).await;
    let () = manager.query(cmd("SET").arg("text").arg("v"), Call::once()).await.unwrap();
    let runs = [
        ScriptRun { keys: &["one"], args: &[b"1"] },
        ScriptRun { keys: &["text"], args: &[b"1"] },
        ScriptRun { keys: &["two"], args: &[b"1"] },
    ];
    let failed = manager.scripts::<i64>(&ADD, &runs, Call::once()).await;
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Server);
    let sums: Vec<i64> = manager.query(cmd("MGET").arg("one").arg("two"), Call::once()).await.unwrap();
    assert_eq!(sums, [1, 1]);
    let wrong = manager.scripts::<Vec<u8>>(&ADD, &runs[..1], Call::once()).await;
    assert_eq!(wrong.unwrap_err().kind(), ErrorKind::Reply);
}
