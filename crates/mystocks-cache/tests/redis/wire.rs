//! What stands in Redis, and what is published, byte for byte.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use mystocks_cache::{Backplane, Held, Invalidation, Leases, Seen, Take, Want, Write, digest};
use mystocks_redis_core::Call;
use mystocks_testkit::eventually;
use redis::cmd;
use tokio::time::timeout;

use crate::processes::{HOUR, PATIENCE, Shared, ask, take, until_free};

/// Everything that is published on the server.
struct Ears {
    messages: std::pin::Pin<Box<dyn futures::Stream<Item = redis::Msg> + Send>>,
}

impl Ears {
    async fn on(shared: &Shared) -> Self {
        let client = redis::Client::open(shared.redis.server.url()).unwrap();
        let mut pubsub = client.get_async_pubsub().await.unwrap();
        pubsub.psubscribe("*").await.unwrap();
        Self { messages: Box::pin(pubsub.into_on_message()) }
    }

    /// Returns all messages up to now.
    async fn heard(&mut self, shared: &Shared) -> Vec<(String, String)> {
        let _: u64 = ask(shared, cmd("PUBLISH").arg("the end").arg("")).await;
        let mut all = Vec::new();
        loop {
            let message = timeout(PATIENCE, self.messages.next()).await.unwrap().unwrap();
            if message.get_channel_name() == "the end" {
                return all;
            }
            let payload = String::from_utf8(message.get_payload_bytes().to_vec()).unwrap();
            all.push((message.get_channel_name().to_owned(), payload));
        }
    }
}

fn write<'a>(key: &'a str, announce: bool) -> Write<'a> {
    Write { held: Held { key, token: "t" }, value: Bytes::from("v"), ttl: HOUR, seen: None, announce }
}

#[tokio::test]
async fn what_stands_in_redis_is_what_the_document_says() {
    let shared = Shared::start().await;
    let taken = take(&shared, "k", "t").await;
    let Take::Taken { stamp } = taken else { panic!("{taken:?}") };
    let lease: String = ask(&shared, cmd("GET").arg("{k}:lease")).await;
    assert_eq!(lease, "t");
    let clock: String = ask(&shared, cmd("GET").arg("mystocks:own:_clock")).await;
    assert_eq!(clock, stamp.to_string());
    let stamp = shared.backplane.invalidate(Invalidation::Mark("mystocks:own:_tag:a")).await.unwrap();
    let mark: String = ask(&shared, cmd("GET").arg("mystocks:own:_tag:a")).await;
    assert_eq!(mark, stamp.to_string());
    assert!(shared.leases.commit(&[write("k", false)]).await.unwrap()[0]);
    let value: String = ask(&shared, cmd("GET").arg("k")).await;
    assert_eq!(value, "v");
    let left: u64 = ask(&shared, cmd("EXISTS").arg("{k}:lease").arg("{k}:queue")).await;
    assert_eq!(left, 0);
}

#[tokio::test]
async fn what_is_published_is_what_the_document_says() {
    let shared = Shared::start().await;
    let mut ears = Ears::on(&shared).await;
    let keys = ["mystocks:own:bars:600519", "mystocks:own:bars:000001"];
    let first = shared.backplane.invalidate(Invalidation::Keys(&keys)).await.unwrap();
    let second = shared.backplane.invalidate(Invalidation::Mark("mystocks:own:_tag:a")).await.unwrap();
    let third = shared.backplane.invalidate(Invalidation::Recheck("a \"quoted\" 价")).await.unwrap();
    let heard = ears.heard(&shared).await;
    assert!(heard.iter().all(|(channel, _)| channel == "mystocks:cache:invalidated"), "{heard:?}");
    let texts: Vec<&str> = heard.iter().map(|(_, text)| text.as_str()).collect();
    let origin = texts[0].split('"').nth(5).unwrap();
    assert!(origin.len() == 16 && origin.bytes().all(|byte| byte.is_ascii_hexdigit()), "{origin}");
    let [a, b] = keys.map(|key| format!("{:016x}", digest(key)));
    assert_eq!(
        texts,
        [
            format!(r#"{{"v":1,"origin":"{origin}","stamp":{first},"keys":["{a}","{b}"]}}"#),
            format!(r#"{{"v":1,"origin":"{origin}","stamp":{second},"mark":"mystocks:own:_tag:a"}}"#),
            format!(r#"{{"v":1,"origin":"{origin}","stamp":{third},"recheck":"a \"quoted\" 价"}}"#),
        ]
    );
    let document = include_str!("../../../../docs/wire-format.md");
    let example =
        texts[0].replace(origin, "9f86d081884c7d65").replace(&first.to_string(), "1763849662123456");
    assert!(document.contains(&example), "docs/wire-format.md lacks {example}");
}

#[tokio::test]
async fn a_fill_publishes_nothing_unless_somebody_waits_or_it_is_announced() {
    let shared = Shared::start().await;
    let mut ears = Ears::on(&shared).await;
    for key in ["a", "b"] {
        take(&shared, key, "t").await;
        let held = Held { key, token: "t" };
        assert_eq!(shared.leases.renew(&[held], HOUR).await.unwrap(), [true]);
        assert_eq!(shared.leases.commit(&[write(key, false)]).await.unwrap(), [true]);
        take(&shared, "released", "t").await;
        shared.leases.release(&[Held { key: "released", token: "t" }]).await.unwrap();
    }
    assert_eq!(ears.heard(&shared).await, []);

    take(&shared, "waited for", "t").await;
    tokio::join!(until_free(&shared, &shared.leases, "waited for"), async {
        shared.until_queued("waited for").await;
        assert_eq!(shared.leases.commit(&[write("waited for", false)]).await.unwrap(), [true]);
    });
    let heard = ears.heard(&shared).await;
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(heard[0].0.starts_with("mystocks:cache:freed:"), "{heard:?}");
    assert_eq!(heard[0].1, format!("{:016x}", digest("waited for")));

    take(&shared, "announced", "t").await;
    assert_eq!(shared.leases.commit(&[write("announced", true)]).await.unwrap(), [true]);
    let heard = ears.heard(&shared).await;
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(heard[0].0, "mystocks:cache:invalidated");
}

#[tokio::test]
async fn one_invalidation_of_a_thousand_keys_is_one_message_and_one_request() {
    let shared = Shared::start().await;
    let mut ears = Ears::on(&shared).await;
    let keys: Vec<String> = (0..1_000).map(|n| format!("k{n}")).collect();
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    shared.backplane.invalidate(Invalidation::Keys(&names)).await.unwrap();
    let before = shared.calls().await;
    shared.backplane.invalidate(Invalidation::Keys(&names)).await.unwrap();
    let calls = shared.calls_since(&before).await;
    assert_eq!((calls("publish"), calls("evalsha"), calls("eval")), (1, 1, 0));
    assert_eq!(ears.heard(&shared).await.len(), 2);
}

#[tokio::test]
async fn a_mark_takes_as_many_commands_whatever_it_covers() {
    let shared = Shared::start().await;
    let mut expected = None;
    for entries in [0, 10_000_u32] {
        let mut pipe = redis::pipe();
        for n in 0..entries {
            pipe.cmd("SET").arg(format!("mystocks:own:bars:{n}")).arg("v").arg("PX").arg(60_000).ignore();
        }
        let _: () = shared.redis.manager.pipeline(&pipe, Call::once()).await.unwrap();
        shared.backplane.invalidate(Invalidation::Mark("mystocks:own:_clear:bars")).await.unwrap();
        let before = shared.calls().await;
        shared.backplane.invalidate(Invalidation::Mark("mystocks:own:_clear:bars")).await.unwrap();
        let since = shared.calls_since(&before).await;
        let names = ["evalsha", "eval", "time", "get", "unlink", "del", "scan", "set", "publish"];
        let calls = names.map(|name| (name, since(name)));
        let total: u64 = calls.iter().map(|(_, count)| count).sum();
        assert_eq!(total, 7, "{calls:?}");
        assert_eq!(*expected.get_or_insert(calls), calls);
    }
}

#[tokio::test]
async fn every_key_has_a_time_to_live() {
    let shared = Shared::start().await;
    for key in ["held", "written", "released", "invalidated"] {
        take(&shared, key, "t").await;
    }
    let waiting = until_free(&shared, &shared.leases, "held");
    let looking = async {
        shared.until_queued("held").await;
        shared.leases.commit(&[write("written", true)]).await.unwrap();
        shared.leases.release(&[Held { key: "released", token: "t" }]).await.unwrap();
        shared.backplane.invalidate(Invalidation::Keys(&["invalidated"])).await.unwrap();
        shared.backplane.invalidate(Invalidation::Mark("mark")).await.unwrap();
        shared.backplane.invalidate(Invalidation::Recheck("bars")).await.unwrap();
        let forced = Want { key: "forced", token: "t", seen: Seen::NOTHING, by_force: true };
        shared.leases.take(&[forced], HOUR).await.unwrap();
        let mut keys: Vec<String> = ask(&shared, cmd("KEYS").arg("*")).await;
        keys.sort_unstable();
        assert_eq!(
            keys,
            ["mark", "mystocks:own:_clock", "written", "{forced}:lease", "{held}:lease", "{held}:queue"]
        );
        for key in &keys {
            let left: i64 = ask(&shared, cmd("PTTL").arg(key)).await;
            let month = 31 * 24 * 3_600_000;
            let expected = match key.as_str() {
                "mark" | "mystocks:own:_clock" => month - 60_000..=month,
                "{held}:queue" => 3_600_000..=3_605_000,
                _ => 3_540_000..=3_600_000,
            };
            assert!(expected.contains(&left), "{key} lives {left} ms");
        }
        shared.leases.release(&[Held { key: "held", token: "t" }]).await.unwrap();
    };
    tokio::join!(waiting, looking);
}

#[tokio::test]
async fn a_lease_that_never_ends_blocks_nobody() {
    let shared = Shared::start().await;
    let _: () = ask(&shared, cmd("SET").arg("{k}:lease").arg("somebody's")).await;
    shared.leases.wait("k", HOUR).await.unwrap();
    let taken = take(&shared, "k", "t").await;
    assert!(matches!(taken, Take::Taken { .. }), "{taken:?}");
    let left: i64 = ask(&shared, cmd("PTTL").arg("{k}:lease")).await;
    assert!(left > 0, "{left}");
}

#[tokio::test]
async fn a_process_that_ends_leaves_no_subscription() {
    let shared = Shared::start().await;
    let mut signals = shared.backplane.listen();
    take(&shared, "k", "t").await;
    shared.leases.wait("k", Duration::from_millis(1)).await.unwrap();
    shared.until_subscribed(2).await;
    shared.backplane.shutdown().await;
    while timeout(PATIENCE, signals.recv()).await.unwrap().is_some() {}
    shared.until_subscribed(0).await;
    timeout(PATIENCE, shared.leases.wait("k", HOUR)).await.unwrap().unwrap();

    let (leases, backplane) = shared.redis.store.process(&shared.keys).unwrap();
    let _signals = backplane.listen();
    leases.wait("k", Duration::from_millis(1)).await.unwrap();
    shared.until_subscribed(2).await;
    drop((leases, backplane));
    eventually("the last handle takes the tasks along", PATIENCE, async || shared.subscribed().await == 0)
        .await;
}
