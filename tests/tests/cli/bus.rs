//! `mystocks bus tail` and `publish`.

use std::time::Duration;

use mystocks_testkit::RedisServer;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use crate::raw::Raw;
use crate::run::Desk;

/// A tail that has begun to listen.
async fn tail(desk: &Desk, arguments: &[&str]) -> Child {
    let mut child = desk.command(&[&["bus", "tail"], arguments].concat()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = tokio::time::timeout(Duration::from_secs(60), said.next_line()).await.unwrap().unwrap();
    assert!(line.as_ref().is_some_and(|line| line.starts_with("mystocks: listening to ")), "{line:?}");
    child
}

async fn out(child: Child) -> (Option<i32>, String) {
    let ended =
        tokio::time::timeout(Duration::from_secs(60), child.wait_with_output()).await.unwrap().unwrap();
    (ended.status.code(), String::from_utf8(ended.stdout).unwrap())
}

#[tokio::test]
async fn what_is_published_is_seen_by_those_who_listen_to_it() {
    let server = RedisServer::start().await;
    let desk = Desk::of(&server.url());
    let all = tail(&desk, &["--count", "3"]).await;
    let some = tail(&desk, &["price:update", "portfolio:rebalanced", "--count", "2", "--json"]).await;
    let pattern = tail(&desk, &["portfolio:*", "--count", "1"]).await;
    // Python publishes like this; what is no object is passed over.
    let mut raw = Raw::connect(&server.url()).await;
    let heard: u64 = raw.ask(&["PUBLISH", "mystocks:price:update", "no JSON"]).await;
    assert_eq!(heard, 2);
    let _: u64 =
        raw.ask(&["PUBLISH", "mystocks:price:update", r#"{"stock_code": "600519.SH", "price": NaN}"#]).await;
    let publish = async |topic, event| {
        let run = desk.run(&["bus", "publish", topic, event, "--json"]).await.well();
        (run["topic"].clone(), run["listeners"].clone())
    };
    assert_eq!(publish("events:system", r#"{"a": "é"}"#).await, (json!("events:system"), json!(1)));
    assert_eq!(publish("portfolio:rebalanced", r#"{"b": [1, 2.0]}"#).await.1, 3);
    assert_eq!(publish("portfolio:rebalanced", "{}").await.1, 0, "all have ended");

    let price = r#"price:update {"stock_code": "600519.SH", "price": NaN}"#;
    let rebalanced = r#"portfolio:rebalanced {"b": [1, 2.0]}"#;
    let expected = format!("{price}\nevents:system {{\"a\": \"\\u00e9\"}}\n{rebalanced}\n");
    assert_eq!(out(all).await, (Some(0), expected));
    assert_eq!(out(pattern).await, (Some(0), format!("{rebalanced}\n")));
    let (code, lines) = out(some).await;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(code, Some(0));
    assert_eq!(lines[1], json!({ "topic": "portfolio:rebalanced", "event": { "b": [1, 2.0] } }));
    assert_eq!(lines.len(), 2);
}

#[tokio::test]
async fn an_interrupted_tail_ends_well_and_so_does_one_that_nobody_reads() {
    let server = RedisServer::start().await;
    let desk = Desk::of(&server.url());
    let interrupted = tail(&desk, &[]).await;
    let pid = interrupted.id().unwrap().to_string();
    let sent = std::process::Command::new("sh").args(["-c", r#"kill -s INT "$0""#, &pid]).status().unwrap();
    assert!(sent.success());
    assert_eq!(out(interrupted).await, (Some(0), String::new()));

    let mut unread = tail(&desk, &[]).await;
    drop(unread.stdout.take());
    let _: Value = desk.run(&["bus", "publish", "x", "{}", "--json"]).await.well();
    let ended = tokio::time::timeout(Duration::from_secs(60), unread.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0), "no panic, no complaint");
}

#[tokio::test]
async fn what_cannot_be_published_or_heard_is_said() {
    let reader = "user mute on >pass ~* resetchannels +@all";
    let server = RedisServer::builder().config_line(reader).start().await;
    let desk = Desk::of(&server.url());
    let publish = async |event| desk.run(&["bus", "publish", "x", event]).await;
    publish(r#"{"price": }"#).await.assert_refused(&["parse JSON at byte 10"]);
    publish("[1]").await.assert_refused(&["no JSON object"]);
    desk.run(&["bus", "publish", "a{b", "{}"]).await.assert_refused(&["a{b"]);
    desk.run(&["bus", "tail", "a:*", "b"]).await.assert_refused(&["one pattern alone"]);
    let mute = Desk::of(&format!("redis://mute:pass@127.0.0.1:{}/1", server.port()));
    mute.run(&["bus", "publish", "x", "{}"]).await.assert_refused(&["NOPERM"]);
    mute.run(&["bus", "tail"]).await.assert_refused(&["let this user subscribe", "&mystocks:*"]);
}
