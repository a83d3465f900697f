//! Thousands of locks that one process holds, and what it costs to renew them.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use mystocks_config::LockSettings;
use mystocks_lock::{Keyspace, LockGuard, Locker, RedisLocks, Resource};
use mystocks_redis_core::redis::{FromRedisValue, cmd};
use mystocks_redis_core::{Call, RedisManager};
use mystocks_testkit::{RedisServer, number_in};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use crate::{connect, is_long};

/// How many locks one command renews.
const BATCH: f64 = 100.0;
const TASKS: usize = 2;
/// Of one core, in hundredths.
const MOST_CPU: f64 = 3.0;
/// What `times` counts in: Linux has shown programs hundredths of a second since ever, whatever it counts in itself.
const TICKS: f64 = 100.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_are_held_by_one_task_and_few_commands() {
    let (count, ttl, lasts) = if is_long() { (10_000, 30, 120) } else { (2_000, 3, 8) };
    let (ttl, lasts) = (Duration::from_secs(ttl), Duration::from_secs(lasts));
    println!("{count} locks, time to live {ttl:?}, held for {lasts:?}");
    let (server, keyspace) = (RedisServer::start().await, Keyspace::default());
    let (watch, manager) = (connect(&server.url()).await, connect(&server.url()).await);
    let before = Handle::current().metrics().num_alive_tasks();
    let locks = RedisLocks::new(manager, &keyspace).unwrap();
    let locker = Locker::new(locks, &LockSettings::default(), &keyspace);
    let began = Instant::now();
    let taking = futures::stream::iter(0..count).map(|n| {
        let resource = Resource::new(format!("held-{n}")).ttl(ttl);
        let locker = &locker;
        async move { locker.try_lock(resource).await }
    });
    let guards: Vec<Option<LockGuard>> = taking.buffer_unordered(64).try_collect().await.unwrap();
    let guards: Vec<LockGuard> = guards.into_iter().map(Option::unwrap).collect();
    println!("taken in {:?}", began.elapsed());
    ask::<()>(&watch, &["CONFIG", "RESETSTAT"]).await;
    let (began, used) = (Instant::now(), cpu());
    let mut tasks = 0;
    while began.elapsed() < lasts {
        sleep(Duration::from_millis(500)).await;
        let alive = Handle::current().metrics().num_alive_tasks();
        tasks = tasks.max(alive.saturating_sub(before));
    }
    let (took, used) = (began.elapsed(), cpu() - used);
    let calls = number_in(&ask::<String>(&watch, &["INFO", "commandstats"]).await, "cmdstat_evalsha:calls=");
    let expired = number_in(&ask::<String>(&watch, &["INFO", "stats"]).await, "expired_keys:");
    // What has been lost once stays lost.
    let lost = guards.iter().filter(|guard| !guard.is_valid()).count();
    let names = guards.iter().map(|guard| keyspace.lock(guard.resource()).unwrap());
    let mut exist = cmd("EXISTS");
    names.for_each(|key| _ = exist.arg(key.as_str()));
    let there: usize = watch.query(&exist, Call::repeatable()).await.unwrap();
    let sweeps = took.as_secs_f64() / (ttl.as_secs_f64() / 3.0);
    let (of_sweep, of_core) = (calls as f64 / sweeps, 100.0 * used / took.as_secs_f64());
    println!("background tasks at most {tasks}; {calls} renewals in {sweeps:.1} sweeps, {of_sweep:.1} each");
    println!(
        "{lost} lost, {expired} keys expired, {there} there; {used:.2} s of CPU, {of_core:.2} % of one core"
    );
    assert!(tasks <= TASKS, "{tasks} tasks");
    assert_eq!((lost, expired, there), (0, 0, guards.len()));
    // Who was taken later than the others by a part of a third of the time to live is renewed apart at first.
    let apart = if is_long() { 1.0 } else { 2.0 };
    assert!(of_sweep <= apart * guards.len() as f64 / BATCH, "{of_sweep} renewals each sweep");
    assert!(calls > 0, "they are renewed");
    assert!(!is_long() || of_core <= MOST_CPU, "{of_core} % of one core");
    locker.shutdown().await;
}

/// How many seconds of CPU this process has used.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The second field is a name in parentheses, which may hold anything; the 14th and 15th are the times.
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let times = fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap());
    times.sum::<f64>() / TICKS
}

async fn ask<T: FromRedisValue>(watch: &RedisManager, words: &[&str]) -> T {
    watch.query(cmd(words[0]).arg(&words[1..]), Call::once()).await.unwrap()
}
