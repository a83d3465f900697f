//! Tracked reads: every touch of what was read is told, and nothing else.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fixture::{LONG, ask, attached, connected, settings, witness};
use mystocks_redis_core::{Call, Error, ErrorKind, Lane, RedisManager, Script, ScriptRun, Touched, Tracking};
use mystocks_testkit::{FaultProxy, RedisServer};
use redis::aio::MultiplexedConnection;
use redis::cmd;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

static READ: Script = Script::new("return redis.call('GET', KEYS[1])");

async fn started(url: &str) -> (RedisManager, Tracking) {
    let (manager, mut tracking) = RedisManager::start_tracked(&settings(url)).await.unwrap();
    assert_eq!(touched(&mut tracking).await, Touched::Up);
    (manager, tracking)
}

async fn touched(tracking: &mut Tracking) -> Touched {
    timeout(LONG, tracking.next()).await.expect("something happens").expect("the stream goes on")
}

async fn tracked(manager: &RedisManager, key: &str) -> Option<String> {
    manager.query(cmd("GET").arg(key), Call::repeatable().tracked()).await.unwrap()
}

async fn set(connection: &mut MultiplexedConnection, key: &str, value: &str) {
    let () = cmd("SET").arg(key).arg(value).query_async(connection).await.unwrap();
}

fn keys(names: &[&'static str]) -> Touched {
    Touched::Keys(names.iter().map(|name| (*name).into()).collect())
}

#[tokio::test]
async fn only_what_was_read_tracked_and_written_by_others_is_told() {
    let server = RedisServer::start().await;
    let (manager, mut tracking) = started(&server.url()).await;
    let mut direct = witness(&server).await;
    assert_eq!(tracked(&manager, "a").await, None);
    set(&mut direct, "a", "1").await;
    assert_eq!(touched(&mut tracking).await, keys(&["a"]));
    // Told once, until it is read again.
    set(&mut direct, "a", "2").await;
    // Our own write.
    assert_eq!(tracked(&manager, "own").await, None);
    let () = manager.query(cmd("SET").arg("own").arg("1"), Call::once()).await.unwrap();
    // A plain read, also right after a tracked one.
    assert_eq!(tracked(&manager, "b").await, None);
    let plain: Option<String> = ask(&manager, cmd("GET").arg("plain")).await.unwrap();
    assert_eq!(plain, None);
    set(&mut direct, "plain", "1").await;
    set(&mut direct, "own", "2").await;
    let () = cmd("DEL").arg("a").query_async(&mut direct).await.unwrap();
    set(&mut direct, "b", "1").await;
    assert_eq!(touched(&mut tracking).await, keys(&["b"]));
    assert_eq!(tracked(&manager, "a").await, None);
    assert_eq!(tracked(&manager, "b").await.as_deref(), Some("1"));
    let () = cmd("PEXPIRE").arg("b").arg(1).query_async(&mut direct).await.unwrap();
    assert_eq!(touched(&mut tracking).await, keys(&["b"]));
}

#[tokio::test]
async fn every_sort_of_call_can_be_tracked_but_a_transaction() {
    let server = RedisServer::start().await;
    let (manager, mut tracking) = started(&server.url()).await;
    let mut direct = witness(&server).await;
    let call = Call::repeatable().tracked();
    let mut reads = redis::pipe();
    reads.cmd("GET").arg("p1").cmd("GET").arg("p2").ignore().cmd("GET").arg("p3");
    let values: Vec<Option<String>> = manager.pipeline(&reads, call).await.unwrap();
    assert_eq!(values, [None, None]);
    let value: Option<String> = manager.script(&READ, &["s1"], &[], call).await.unwrap();
    assert_eq!(value, None);
    let runs = [ScriptRun { keys: &["s2"], args: &[] }, ScriptRun { keys: &["s3"], args: &[] }];
    let values: Vec<Option<String>> = manager.scripts(&READ, &runs, call).await.unwrap();
    assert_eq!(values, [None, None]);
    let bulk = call.on(Lane::Bulk);
    let value: Option<String> = manager.query(cmd("GET").arg("bulk"), bulk).await.unwrap();
    assert_eq!(value, None);
    for key in ["p1", "p2", "p3", "s1", "s2", "s3", "bulk"] {
        set(&mut direct, key, "1").await;
        assert_eq!(touched(&mut tracking).await, keys(&[key]));
    }
    let refused = manager.pipeline::<()>(reads.atomic(), call).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Config);
    let failed: Result<i64, Error> = manager.query(cmd("INCR").arg("no").arg("sense"), call).await;
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Server);
    let meddled: Result<(), Error> =
        manager.query(cmd("CLIENT").arg("TRACKING").arg("OFF"), Call::once()).await;
    assert_eq!(meddled.unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test]
async fn a_restart_is_told_and_tracking_goes_on() {
    let mut server = RedisServer::start().await;
    let (manager, mut tracking) = started(&server.url()).await;
    for _ in 0..2 {
        assert_eq!(tracked(&manager, "a").await, None);
        server.kill().await;
        assert_eq!(touched(&mut tracking).await, Touched::Down);
        server.restart().await;
        assert_eq!(touched(&mut tracking).await, Touched::Up);
        attached(&manager).await;
        assert_eq!(tracked(&manager, "a").await, None);
        set(&mut witness(&server).await, "a", "1").await;
        assert_eq!(touched(&mut tracking).await, keys(&["a"]));
        let () = cmd("FLUSHALL").query_async(&mut witness(&server).await).await.unwrap();
        assert_eq!(touched(&mut tracking).await, Touched::All);
    }
}

#[tokio::test]
async fn a_connection_that_goes_silent_while_nobody_calls_is_noticed() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let (manager, mut tracking) = started(&proxy.url(1)).await;
    let mut direct = witness(&server).await;
    assert_eq!(tracked(&manager, "a").await, None);
    let since = Instant::now();
    proxy.black_hole();
    set(&mut direct, "a", "unseen").await;
    assert_eq!(touched(&mut tracking).await, Touched::Down);
    let taken = since.elapsed();
    assert!(taken.as_secs() < 3, "{taken:?}");
    assert_eq!(touched(&mut tracking).await, Touched::Up);
    attached(&manager).await;
    assert_eq!(tracked(&manager, "a").await.as_deref(), Some("unseen"));
    set(&mut direct, "a", "seen").await;
    assert_eq!(touched(&mut tracking).await, keys(&["a"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_and_pushes_stay_apart_under_load() {
    const KEYS: usize = 200;
    let server = RedisServer::start().await;
    let mut patient = settings(&server.url());
    patient.socket_timeout = LONG;
    let (manager, mut tracking) = RedisManager::start_tracked(&patient).await.unwrap();
    assert_eq!(touched(&mut tracking).await, Touched::Up);
    let mut direct = witness(&server).await;
    let name = |key: usize| format!("key-{key}");
    for key in 0..KEYS {
        set(&mut direct, &name(key), &format!("{}:0", name(key))).await;
    }
    let done = Arc::new(AtomicBool::new(false));
    let mut writing = JoinSet::new();
    let (mut writer, stop) = (direct.clone(), Arc::clone(&done));
    writing.spawn(async move {
        let mut round = 0;
        while !stop.load(Ordering::Relaxed) {
            round += 1;
            let mut pipeline = redis::pipe();
            for key in 0..KEYS {
                let key = format!("key-{key}");
                pipeline.cmd("SET").arg(&key).arg(format!("{key}:{round}")).ignore();
            }
            let () = pipeline.query_async(&mut writer).await.unwrap();
        }
    });
    let mut reading = JoinSet::new();
    for reader in 0..2000 {
        let manager = manager.clone();
        reading.spawn(async move {
            let mut newest = 0;
            for _ in 0..10 {
                let key = name(reader % KEYS);
                let value = if reader % 5 == 0 {
                    ask::<String>(&manager, cmd("GET").arg(&key)).await.unwrap()
                } else {
                    tracked(&manager, &key).await.unwrap()
                };
                let (of, round) = value.split_once(':').unwrap();
                assert_eq!(of, key);
                let round: u64 = round.parse().unwrap();
                assert!(round >= newest);
                newest = round;
            }
        });
    }
    reading.join_all().await;
    done.store(true, Ordering::Relaxed);
    writing.join_all().await;
    // What the load left watched is touched, so that from here on every key has to be watched anew.
    let _ = touched_by(&manager, &mut direct, &mut tracking, KEYS).await;
    let mut reading = JoinSet::new();
    for key in 0..10 * KEYS {
        let manager = manager.clone();
        reading.spawn(async move {
            // A plain read in between must not take the watch of another.
            if key % 10 == 0 {
                assert!(tracked(&manager, &name(key / 10)).await.is_some());
            } else {
                let _: Option<String> = ask(&manager, cmd("GET").arg("plain")).await.unwrap();
            }
        });
    }
    reading.join_all().await;
    assert_eq!(touched_by(&manager, &mut direct, &mut tracking, KEYS).await, KEYS);
}

/// Writes all keys, and returns how many of them are told.
async fn touched_by(
    manager: &RedisManager,
    direct: &mut MultiplexedConnection,
    tracking: &mut Tracking,
    count: usize,
) -> usize {
    let _ = tracked(manager, "end").await;
    for key in 0..count {
        let key = format!("key-{key}");
        set(direct, &key, &format!("{key}:0")).await;
    }
    set(direct, "end", "").await;
    let mut told = BTreeSet::new();
    loop {
        match touched(tracking).await {
            Touched::Keys(keys) if *keys == ["end"] => return told.len(),
            Touched::Keys(keys) => told.extend(keys),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn works_untracked_where_there_is_no_tracking() {
    let server = RedisServer::start().await;
    let manager = connected(&server.url()).await;
    assert_eq!(tracked(&manager, "a").await, None);

    let mut direct = witness(&server).await;
    let mut user = cmd("ACL");
    user.arg("SETUSER").arg("bob").arg("on").arg(">secret").arg("~*").arg("+@all").arg("-client|caching");
    let () = user.query_async(&mut direct).await.unwrap();
    let url = server.url().replace("redis://", "redis://bob:secret@");
    let (manager, mut tracking) = RedisManager::start_tracked(&settings(&url)).await.unwrap();
    assert_eq!(touched(&mut tracking).await, Touched::Down);
    attached(&manager).await;
    assert_eq!(tracked(&manager, "a").await, None);
}

#[tokio::test]
async fn a_reply_that_nobody_watches_is_not_taken_for_a_watched_one() {
    let server = RedisServer::start().await;
    let mut direct = witness(&server).await;
    let mut user = cmd("ACL");
    user.arg("SETUSER").arg("bob").arg("on").arg(">secret").arg("~*").arg("+@all");
    let () = user.query_async(&mut direct).await.unwrap();
    let url = server.url().replace("redis://", "redis://bob:secret@");
    let (manager, mut tracking) = started(&url).await;
    assert_eq!(tracked(&manager, "a").await, None);
    let mut taken = cmd("ACL");
    taken.arg("SETUSER").arg("bob").arg("-client|caching");
    let () = taken.query_async(&mut direct).await.unwrap();
    let refused: Result<Option<String>, Error> =
        manager.query(cmd("GET").arg("a"), Call::once().tracked()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(touched(&mut tracking).await, Touched::Down);
    attached(&manager).await;
    assert_eq!(tracked(&manager, "a").await, None);
}

#[tokio::test]
async fn starts_while_redis_is_down_and_ends_with_the_manager() {
    let mut server = RedisServer::start().await;
    server.kill().await;
    let (manager, mut tracking) = RedisManager::start_tracked(&settings(&server.url())).await.unwrap();
    assert_eq!(touched(&mut tracking).await, Touched::Down);
    server.restart().await;
    assert_eq!(touched(&mut tracking).await, Touched::Up);
    attached(&manager).await;
    assert_eq!(tracked(&manager, "a").await, None);
    set(&mut witness(&server).await, "a", "1").await;
    assert_eq!(touched(&mut tracking).await, keys(&["a"]));
    timeout(LONG, manager.shutdown()).await.expect("shutdown ends");
    assert_eq!(timeout(LONG, tracking.next()).await.unwrap(), None);
}
