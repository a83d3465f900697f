//! Processes on one Redis in bad times: lost data, strange clocks, full memory, broken links, hostile messages.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use mystocks_cache::{
    Backplane, ErrorKind, Held, Invalidation, Keyspace, Leases, RedisBackplane, RedisLeases, RedisStore,
    Seen, Signal, Take, Want, Write,
};
use mystocks_config::RedisSettings;
use mystocks_redis_core::{Call, RedisManager};
use mystocks_testkit::{FaultProxy, eventually, number_in};
use redis::{Cmd, FromRedisValue, cmd};
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use crate::fixture::{PrivateRedis, connect};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const CLOCK: &str = "mystocks:own:_clock";

/// A server and one process on it.
pub(crate) struct Shared {
    pub(crate) redis: PrivateRedis,
    pub(crate) keys: Keyspace,
    pub(crate) leases: RedisLeases,
    pub(crate) backplane: RedisBackplane,
}

impl Shared {
    pub(crate) async fn start() -> Self {
        let (redis, keys) = (PrivateRedis::start().await, Keyspace::default());
        let (leases, backplane) = redis.store.process(&keys).unwrap();
        Self { redis, keys, leases, backplane }
    }

    /// Makes another process.
    pub(crate) async fn another(&self) -> (RedisLeases, RedisBackplane) {
        RedisStore::new(connect(&self.redis.server).await).process(&self.keys).unwrap()
    }

    /// Waits until somebody stands in the queue for the lease of `key`.
    pub(crate) async fn until_queued(&self, key: &str) {
        eventually("somebody waits", PATIENCE, async || {
            ask::<u64>(self, cmd("SCARD").arg(format!("{{{key}}}:queue"))).await > 0
        })
        .await;
    }

    pub(crate) async fn subscribed(&self) -> usize {
        ask::<Vec<String>>(self, cmd("PUBSUB").arg("CHANNELS")).await.len()
    }

    pub(crate) async fn until_subscribed(&self, channels: usize) {
        eventually("the channels are subscribed to", PATIENCE, async || self.subscribed().await == channels)
            .await;
    }

    pub(crate) async fn calls(&self) -> String {
        ask(self, cmd("INFO").arg("commandstats")).await
    }

    /// Returns what tells how often a command was called since `before`.
    pub(crate) async fn calls_since(&self, before: &str) -> impl Fn(&str) -> u64 {
        let (before, after) = (before.to_owned(), self.calls().await);
        let count = |stats: &str, name: &str| number_in(stats, &format!("cmdstat_{name}:calls="));
        move |name| count(&after, name) - count(&before, name)
    }
}

pub(crate) async fn ask<T: FromRedisValue>(shared: &Shared, command: &Cmd) -> T {
    shared.redis.manager.query(command, Call::once()).await.unwrap()
}

pub(crate) async fn take(shared: &Shared, key: &str, token: &str) -> Take {
    let want = Want { key, token, seen: Seen::NOTHING, by_force: false };
    shared.leases.take(&[want], HOUR).await.unwrap().remove(0)
}

async fn recheck(backplane: &RedisBackplane, cache: &str) -> u64 {
    backplane.invalidate(Invalidation::Recheck(cache)).await.unwrap()
}

/// Waits as a caller does, who looks again whenever waiting returns.
pub(crate) async fn until_free(shared: &Shared, leases: &RedisLeases, key: &str) {
    let lease = format!("{{{key}}}:lease");
    let free = async {
        while ask::<u64>(shared, cmd("EXISTS").arg(&lease)).await == 1 {
            // A connection that is not back yet is asked again.
            let _ = leases.wait(key, HOUR).await;
        }
    };
    timeout(PATIENCE, free).await.expect("still waiting");
}

async fn until(signals: &mut Receiver<Signal>, expected: Signal) {
    let heard = async { while signals.recv().await.unwrap() != expected {} };
    timeout(PATIENCE, heard).await.unwrap_or_else(|_| panic!("not heard: {expected:?}"));
}

#[tokio::test]
async fn stamps_grow_when_the_data_is_lost_and_when_the_clock_is_ahead() {
    let shared = Shared::start().await;
    let first = recheck(&shared.backplane, "bars").await;
    let _: () = ask(&shared, &cmd("FLUSHALL")).await;
    let second = recheck(&shared.backplane, "bars").await;
    assert!(second > first);
    let ahead = second + 3_600_000_000;
    let _: () = ask(&shared, cmd("SET").arg(CLOCK).arg(ahead)).await;
    assert_eq!(recheck(&shared.backplane, "bars").await, ahead + 1);
    let Take::Taken { stamp } = take(&shared, "k", "t").await else { panic!("not taken") };
    assert_eq!(stamp, ahead + 2);
    let _: () = ask(&shared, &cmd("FLUSHALL")).await;
    assert_eq!(recheck(&shared.backplane, "bars").await, ahead + 3, "who saw it goes on from there");
}

#[tokio::test]
async fn a_clock_that_holds_nonsense_is_set_right() {
    let shared = Shared::start().await;
    for nonsense in ["", "never", "nan", "inf", "-1", "1e300", "4503599627370496", "9007199254740993"] {
        let before = recheck(&shared.backplane, "bars").await;
        let _: () = ask(&shared, cmd("SET").arg(CLOCK).arg(nonsense)).await;
        let after = recheck(&shared.backplane, "bars").await;
        assert!(after > before && after - before < 600_000_000, "{nonsense:?}: {after} after {before}");
    }
    let _: () = ask(&shared, cmd("DEL").arg(CLOCK)).await;
    let _: () = ask(&shared, cmd("LPUSH").arg(CLOCK).arg("a list")).await;
    let before = recheck(&shared.backplane, "bars").await;
    assert!(recheck(&shared.backplane, "bars").await > before);
}

#[tokio::test]
async fn a_full_server_lends_nothing_and_invalidates_all_the_same() {
    let shared = Shared::start().await;
    let (_, there) = shared.another().await;
    let mut signals = there.listen();
    until(&mut signals, Signal::Up).await;
    take(&shared, "k", "t").await;
    let _: () = ask(&shared, cmd("CONFIG").arg("SET").arg("maxmemory").arg(1)).await;
    let want = Want { key: "other", token: "t", seen: Seen::NOTHING, by_force: false };
    let refused = shared.leases.take(&[want], HOUR).await;
    assert!(refused.is_err(), "{refused:?}");
    let held = Held { key: "k", token: "t" };
    let value = Bytes::from("v");
    let refused = shared.leases.commit(&[Write { held, value, ttl: HOUR, seen: None, announce: true }]).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(shared.leases.renew(&[held], HOUR).await.unwrap(), [true]);
    let stamp = shared.backplane.invalidate(Invalidation::Mark("mark")).await.unwrap();
    assert_eq!(shared.backplane.marks(&["mark"]).await.unwrap(), [stamp]);
    until(&mut signals, Signal::Mark { mark: "mark".to_owned(), stamp }).await;
    shared.backplane.invalidate(Invalidation::Keys(&["k"])).await.unwrap();
    assert_eq!(shared.leases.renew(&[held], HOUR).await.unwrap(), [false]);
    recheck(&shared.backplane, "bars").await;
    until(&mut signals, Signal::Recheck { cache: "bars".to_owned() }).await;
}

#[tokio::test]
async fn hostile_messages_are_ignored_and_later_ones_arrive() {
    let shared = Shared::start().await;
    let (leases, there) = shared.another().await;
    let mut signals = there.listen();
    until(&mut signals, Signal::Up).await;
    take(&shared, "k", "t").await;
    leases.wait("k", Duration::from_millis(1)).await.unwrap();
    shared.until_subscribed(2).await;
    let channels: Vec<String> = ask(&shared, cmd("PUBSUB").arg("CHANNELS")).await;
    let good = r#"{"v":1,"origin":"somebody","stamp":7,"keys":["00000000000000ff"]}"#;
    for round in 0..100 {
        let mut pipe = redis::pipe();
        for n in 0..100_usize {
            let payload = match n % 5 {
                0 => (0..fastrand::usize(..200)).map(|_| fastrand::u8(..)).collect(),
                1 => good.as_bytes()[..fastrand::usize(..good.len())].to_vec(),
                2 => format!(r#"{{"v":1,"origin":"x","stamp":7,"keys":["{}"]}}"#, "f".repeat(n * 40)).into(),
                3 => b"[".repeat(round * 10),
                _ => format!(r#"{{"v":1,"origin":"x","stamp":99999999999999999999{n},"mark":"m"}}"#).into(),
            };
            for channel in &channels {
                pipe.cmd("PUBLISH").arg(channel).arg(payload.as_slice()).ignore();
            }
        }
        let _: () = shared.redis.manager.pipeline(&pipe, Call::once()).await.unwrap();
    }
    let stamp = shared.backplane.invalidate(Invalidation::Mark("mark")).await.unwrap();
    until(&mut signals, Signal::Mark { mark: "mark".to_owned(), stamp }).await;
    tokio::join!(until_free(&shared, &leases, "k"), async {
        shared.until_queued("k").await;
        shared.leases.release(&[Held { key: "k", token: "t" }]).await.unwrap();
    });
}

#[tokio::test]
async fn a_message_of_twenty_thousand_digests_arrives_whole() {
    let shared = Shared::start().await;
    let (_, there) = shared.another().await;
    let mut signals = there.listen();
    until(&mut signals, Signal::Up).await;
    let keys: Vec<String> = (0..20_000).map(|n| format!("k{n}")).collect();
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    let stamp = shared.backplane.invalidate(Invalidation::Keys(&names)).await.unwrap();
    let digests = names.iter().map(|key| mystocks_cache::digest(key)).collect();
    let heard = timeout(PATIENCE, signals.recv()).await.unwrap();
    assert!(heard == Some(Signal::Keys { digests, stamp }), "another signal or not all digests");
}

/// A process whose every connection goes through a proxy.
async fn behind_a_proxy(shared: &Shared) -> (FaultProxy, RedisLeases, RedisBackplane) {
    let proxy = FaultProxy::start(shared.redis.server.address()).await;
    let settings = RedisSettings::from_url(&proxy.url(1)).unwrap();
    let store = RedisStore::new(RedisManager::start(&settings).await.unwrap());
    let (leases, backplane) = store.process(&shared.keys).unwrap();
    (proxy, leases, backplane)
}

#[tokio::test]
async fn a_link_that_breaks_or_falls_silent_is_told_down_and_then_up() {
    let shared = Shared::start().await;
    let (proxy, _leases, backplane) = behind_a_proxy(&shared).await;
    let mut signals = backplane.listen();
    until(&mut signals, Signal::Up).await;
    proxy.cut();
    until(&mut signals, Signal::Down).await;
    until(&mut signals, Signal::Up).await;
    proxy.black_hole();
    recheck(&shared.backplane, "lost").await;
    until(&mut signals, Signal::Down).await;
    proxy.heal();
    until(&mut signals, Signal::Up).await;
    recheck(&shared.backplane, "heard").await;
    let heard = timeout(PATIENCE, signals.recv()).await.unwrap();
    assert_eq!(heard, Some(Signal::Recheck { cache: "heard".to_owned() }));
}

#[tokio::test]
async fn a_wake_up_that_comes_together_with_the_answer_is_not_lost() {
    let shared = Shared::start().await;
    let (proxy, leases, _backplane) = behind_a_proxy(&shared).await;
    for round in 0..40 {
        let key = &format!("k{round}");
        take(&shared, key, "t").await;
        // In the first round the link comes up; in the others both answers are let go in one piece.
        proxy.hold_replies(round > 0);
        let is_free = AtomicBool::new(false);
        let waiting = async {
            while !is_free.load(Ordering::Relaxed) {
                leases.wait(key, HOUR).await.unwrap();
            }
        };
        let (waited, ()) = tokio::join!(timeout(PATIENCE, waiting), async {
            shared.until_queued(key).await;
            is_free.store(true, Ordering::Relaxed);
            shared.leases.release(&[Held { key, token: "t" }]).await.unwrap();
            proxy.hold_replies(false);
        });
        waited.expect("still waiting");
    }
}

#[tokio::test]
async fn who_waits_on_a_broken_link_looks_again_by_themselves() {
    let shared = Shared::start().await;
    let (proxy, leases, _backplane) = behind_a_proxy(&shared).await;
    take(&shared, "k", "t").await;
    // The link breaks while one waits: what frees the lease from here on could not be heard.
    let is_broken = AtomicBool::new(false);
    let waiting = async {
        // Before the link stood for the first time one returns early, too.
        while !is_broken.load(Ordering::Relaxed) {
            leases.wait("k", HOUR).await.unwrap();
        }
    };
    let (waited, ()) = tokio::join!(timeout(PATIENCE, waiting), async {
        shared.until_queued("k").await;
        is_broken.store(true, Ordering::Relaxed);
        proxy.refuse(true);
        proxy.cut();
    });
    waited.expect("still waiting");
    let waited = timeout(PATIENCE, leases.wait("k", HOUR)).await.expect("still waiting");
    assert!(waited.is_ok() || waited.is_err_and(|error| error.kind() == ErrorKind::Unavailable));
    proxy.heal();
    let _: u64 = ask(&shared, cmd("DEL").arg("{k}:queue")).await;
    tokio::join!(until_free(&shared, &leases, "k"), async {
        shared.until_queued("k").await;
        shared.leases.release(&[Held { key: "k", token: "t" }]).await.unwrap();
    });
}
