//! `mystocks demo`, as a newcomer runs it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mystocks_testkit::{RedisServer, eventually};
use serde_json::{Value, json};

use crate::bars;
use crate::binary::{Run, demo};
use crate::raw::Raw;

const DAILY: usize = 9;

/// Asserts what every sound run of `symbols` series says of itself.
fn assert_sound(run: &Run, symbols: usize, l2: &str) -> Value {
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    let report = run.json();
    let results = json!(symbols * DAILY);
    assert_eq!(report["l2"], l2);
    assert_eq!(report["symbols"], symbols);
    assert_eq!(report["indicators"].as_array().map(Vec::len), Some(DAILY));
    assert_eq!(report["results"], results);
    assert_eq!(report["failures"], json!([]));
    for (tier, name) in ["L3", "L2", "L1"].into_iter().enumerate() {
        let tier = &report["tiers"][tier];
        assert_eq!((&tier["tier"], &tier["equal"]), (&json!(name), &results), "{report}");
        assert_eq!(tier["hits"], tier["reads"], "{report}");
        assert!(tier["reads"].as_u64() >= results.as_u64(), "{report}");
    }
    report
}

fn assert_second_process(run: &Run, report: &Value) {
    let second = &report["second_process"];
    assert_eq!(second["l2_hits"], report["results"], "{report}");
    assert_eq!(second["equal"], report["results"], "{report}");
    assert_eq!(second["recomputed"], 0, "{report}");
    let pid = second["pid"].as_u64().unwrap();
    assert!(pid > 0 && pid != u64::from(run.pid) && pid != u64::from(std::process::id()), "{report}");
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/sample")
}

#[tokio::test]
async fn on_redis_a_second_process_finds_every_result_and_nothing_stays_behind() {
    let server = RedisServer::start().await;
    let run = demo(&sample(), &["--redis", &server.url(), "--json"]).await;
    let report = assert_sound(&run, 5, "redis");
    assert_second_process(&run, &report);
    assert_eq!(report["cleaning"]["bars"], 5_196);

    let mut raw = Raw::connect(&server.url()).await;
    let keyspaces: String = raw.ask(&["INFO", "keyspace"]).await;
    assert_eq!(keyspaces.trim(), "# Keyspace", "nothing in any database");
    eventually("only this connection is left", Duration::from_secs(30), async || {
        raw.ask::<String>(&["CLIENT", "LIST"]).await.lines().count() == 1
    })
    .await;
}

#[tokio::test]
async fn on_redis_the_keys_of_others_stay_as_they_are() {
    let server = RedisServer::start().await;
    let mut raw = Raw::connect(&server.url()).await;
    for (key, value) in [
        ("mystocks:quote:600519", "1688.5"),
        ("mystocks:indicator:AAA:SMA:ecdf2aa9", "[NaN, 1.0]"),
        ("mystocks:own:indicators:AAA:0:SMA", "another's"),
        ("mystocks:lock:indicator:calc:AAA:SMA:ecdf2aa9", "3e1f"),
        ("{mystocks:lock:task:batch:1}:fence", "7"),
        ("mystocks:session:8f2c", "somebody"),
        ("{mystocks:session:8f2c}:lease", "x"),
        ("mystocks:demo-", "not of this run"),
        ("other:program", "y"),
    ] {
        let _: () = raw.ask(&["SET", key, value]).await;
    }
    let _: i64 = raw.ask(&["RPUSH", "celery", "task"]).await;
    let _: i64 = raw.ask(&["HSET", "mystocks:a-hash", "field", "1"]).await;
    let before = raw.everything().await;
    assert_eq!(before.len(), 11);

    let folder = bars::folder(&["AAA", "BBB"]);
    let run = demo(folder.path(), &["--redis", &server.url(), "--json"]).await;
    let report = assert_sound(&run, 2, "redis");
    assert_second_process(&run, &report);
    assert_eq!(raw.everything().await, before);
}

#[tokio::test]
async fn two_runs_at_once_on_one_redis_do_not_meet() {
    let server = RedisServer::start().await;
    // One symbol in both, with other bars: what one stores would be wrong for the other.
    let (one, other) = (bars::folder(&["AAA"]), bars::folder(&["BBB", "AAA"]));
    let url = server.url();
    let arguments = ["--redis", &url, "--json"];
    let (first, second) = tokio::join!(demo(one.path(), &arguments), demo(other.path(), &arguments));
    for (run, symbols) in [(first, 1), (second, 2)] {
        let report = assert_sound(&run, symbols, "redis");
        assert_second_process(&run, &report);
    }
    let left: u64 = Raw::connect(&url).await.ask(&["DBSIZE"]).await;
    assert_eq!(left, 0);
}

#[tokio::test]
async fn in_memory_every_tier_answers_what_it_should() {
    let folder = bars::folder(&["AAA", "BBB", "CCC"]);
    let run = demo(folder.path(), &["--json"]).await;
    let report = assert_sound(&run, 3, "memory");
    assert_eq!(report["second_process"], Value::Null);
    assert_eq!(report["cleaning"]["bars"], 3 * bars::DAYS);
}

#[tokio::test]
async fn a_password_works_and_the_text_report_says_the_same_as_the_json() {
    let server = RedisServer::builder().password("sesame42").start().await;
    let folder = bars::folder(&["AAA"]);
    let run = demo(folder.path(), &["--redis", &server.url()]).await;
    assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
    assert!(
        run.out.contains("found 9 of 9 results in L2, 9 equal bit for bit, and computed 0"),
        "{}",
        run.out
    );
    assert!(
        run.out.trim_end().ends_with("Every read came from its tier, with the values that were computed.")
    );
    assert!(!run.out.contains("sesame42") && !run.err.contains("sesame42"));
}
