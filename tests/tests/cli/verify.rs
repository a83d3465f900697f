//! `mystocks verify` where all is well.

use std::time::Duration;

use mystocks_testkit::RedisServer;
use serde_json::{Value, json};

use crate::raw::Raw;
use crate::run::{Desk, Run};

pub(crate) const CHECKS: [&str; 6] = ["connection", "clock", "cache", "bus", "lock", "database"];
/// It promises ten seconds; a machine under load may be late with starting it.
pub(crate) const BOUND: Duration = Duration::from_secs(14);

/// Returns the status of each check, and asserts that the whole says the same.
pub(crate) fn statuses(run: &Run) -> Vec<(String, String)> {
    let report = run.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all: Vec<(String, String)> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| (text(&check["name"]), text(&check["status"])))
        .collect();
    assert_eq!(all.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), CHECKS);
    let is_well = all.iter().all(|(_, status)| status == "passed" || status == "not configured");
    assert_eq!((&report["passed"], run.code), (&json!(is_well), Some(i32::from(!is_well))), "{run:?}");
    assert!(run.took < BOUND, "{run:?}");
    all
}

/// Asserts that exactly these checks failed, and returns what is said of them.
pub(crate) fn failed(run: &Run, names: &[&str]) -> Vec<String> {
    let statuses = statuses(run);
    let failed: Vec<&str> =
        statuses.iter().filter(|(_, status)| status == "failed").map(|(name, _)| &**name).collect();
    assert_eq!(failed, names, "{run:?}");
    names.iter().map(|name| detail(run, name)).collect()
}

pub(crate) fn detail(run: &Run, name: &str) -> String {
    let report = run.json();
    let mut checks = report["checks"].as_array().unwrap().iter();
    checks.find(|check| check["name"] == name).unwrap()["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_healthy_server_passes_and_is_left_as_it_was() {
    let server = RedisServer::builder().password("sesame42").start().await;
    let mut raw = Raw::connect(&server.url()).await;
    for key in ["mystocks:quote:600519", "mystocks:lock:verify:x", "{mystocks:stream:verify}:entries"] {
        let _: () = raw.ask(&["SET", key, "1688.5"]).await;
    }
    let before = raw.everything().await;
    let desk = Desk::of(&server.url());
    let run = desk.run(&["verify", "--json"]).await;
    let mut expected: Vec<(String, String)> =
        CHECKS.map(|name| (name.to_owned(), "passed".to_owned())).to_vec();
    expected[5].1 = "not configured".to_owned();
    assert_eq!(statuses(&run), expected, "{run:?}");
    let report = run.json();
    for (check, steps) in [
        (0, &["ping", "second connection"][..]),
        (1, &["time"]),
        (2, &["read", "remove", "write"]),
        (3, &["append", "handled", "message", "subscribe"]),
        (4, &["acquire", "release"]),
        (5, &[]),
    ] {
        let latencies = report["checks"][check]["latencies_ms"].as_object().unwrap();
        assert_eq!(latencies.keys().collect::<Vec<_>>(), steps, "{report}");
        assert!(latencies.values().all(|took| took.as_f64() > Some(0.0)), "{report}");
    }
    assert_eq!(raw.everything().await, before, "nothing is left behind");

    let run = desk.run(&["verify"]).await;
    assert_eq!((run.code, &*run.err), (Some(0), ""), "{run:?}");
    assert!(run.out.contains("redis://:***@127.0.0.1:") && !run.out.contains("sesame42"), "{run:?}");
    assert!(run.out.contains("\n5 of 5 checks passed in "), "{run:?}");
    assert!(run.out.contains("database    not configured  give --database or DATABASE_URL\n"), "{run:?}");
    assert_eq!(raw.everything().await, before);
}

#[tokio::test]
async fn other_prefixes_and_another_database_are_checked_as_they_are_set() {
    let server = RedisServer::start().await;
    // Nothing but these keys and channels is allowed: what is spelled otherwise is refused.
    let mut raw = Raw::connect(&server.url()).await;
    let user = [
        "ACL",
        "SETUSER",
        "app",
        "on",
        ">pass",
        "~mkt:*",
        "~{mkt:*",
        "~locks:*",
        "~{locks:*",
        "&chan:*",
        "~{chan:*",
        "+@all",
    ];
    let _: () = raw.ask(&user).await;
    let url = format!("redis://app:pass@127.0.0.1:{}/7", server.port());
    let desk = Desk::of(&url).with("REDIS_CACHE_PREFIX", "mkt:").with("REDIS_LOCK_PREFIX", "locks:");
    let desk = desk.with("REDIS_PUBSUB_CHANNEL_PREFIX", "chan:");
    let run = desk.run(&["verify", "--json"]).await;
    assert_eq!(failed(&run, &[]), Vec::<String>::new());
    let keyspaces: String = raw.ask(&["INFO", "keyspace"]).await;
    assert_eq!(keyspaces.trim(), "# Keyspace", "nothing in any database");
}

#[tokio::test]
async fn what_is_switched_off_is_said_and_not_counted() {
    let server = RedisServer::start().await;
    let desk = Desk::of(&server.url()).with("REDIS_ENABLE_CACHE", "false").with("ENABLE_LOCK", "false");
    let run = desk.run(&["verify", "--json"]).await;
    let off = statuses(&run).into_iter().filter(|(_, status)| status == "not configured");
    assert_eq!(off.map(|(name, _)| name).collect::<Vec<_>>(), ["cache", "lock", "database"]);
    assert_eq!(detail(&run, "cache"), "REDIS_ENABLE_CACHE is off");
    assert!(desk.run(&["verify"]).await.out.contains("3 of 3 checks passed"));
}
