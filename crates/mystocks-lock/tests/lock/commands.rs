//! How many commands a cycle sends, by the server's own counting.

use mystocks_lock::{Locker, Released, Resource};
use mystocks_redis_core::{Call, RedisManager};
use mystocks_testkit::{eventually, number_in};

use crate::world::{World, connect, secs};

const CYCLES: u64 = 100;

/// What the server was sent.
#[derive(Debug)]
struct Sent {
    /// No script can call it.
    evalsha: u64,
    /// Of the scripts only the one that acquires with a fence calls it, twice: for the lock and for the fence.
    set: u64,
    /// How often the server read anything: once for each command that waits for the answer to the one before. A look after the
    /// connections that comes along with a command is not counted again, so there can be fewer.
    requests: u64,
}

#[tokio::test]
async fn a_plain_cycle_is_two_commands() {
    let sent = sent_for(|| Resource::new("report").without_fence().without_renewal()).await;
    assert_eq!((sent.evalsha, sent.set), (CYCLES, CYCLES), "{sent:?}");
    assert!(sent.requests <= 2 * CYCLES, "{sent:?}");
}

#[tokio::test]
async fn a_fenced_cycle_is_two_commands() {
    let sent = sent_for(|| "report".into()).await;
    assert_eq!((sent.evalsha, sent.set), (2 * CYCLES, 2 * CYCLES), "{sent:?}");
    assert!(sent.requests <= 2 * CYCLES, "{sent:?}");
}

async fn sent_for(resource: impl Fn() -> Resource) -> Sent {
    let world = World::start().await;
    let (locker, watch) = (world.locker().await, connect(&world.server.url()).await);
    // The first cycle sends the scripts in full.
    cycle(&locker, resource()).await;
    eventually("it listens", secs(10), async || {
        let channels: Vec<String> = ask(&watch, &["PUBSUB", "CHANNELS"]).await;
        channels.len() == 1
    })
    .await;
    ask::<()>(&watch, &["CONFIG", "RESETSTAT"]).await;
    for _ in 0..CYCLES {
        cycle(&locker, resource()).await;
    }
    let stats: String = ask(&watch, &["INFO", "stats"]).await;
    let commands: String = ask(&watch, &["INFO", "commandstats"]).await;
    let calls = |name: &str| number_in(&commands, &format!("cmdstat_{name}:calls="));
    // One is the question itself, and connections are looked after.
    let requests = number_in(&stats, "total_reads_processed:") - 1 - calls("ping");
    Sent { evalsha: calls("evalsha"), set: calls("set"), requests }
}

async fn cycle(locker: &Locker, resource: Resource) {
    let guard = locker.try_lock(resource).await.unwrap().unwrap();
    assert_eq!(guard.release().await.unwrap(), Released::Released);
}

async fn ask<T: redis::FromRedisValue>(watch: &RedisManager, words: &[&str]) -> T {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    watch.query(&command, Call::once()).await.unwrap()
}
