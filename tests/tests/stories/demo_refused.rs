//! What `mystocks demo` says when it cannot do its work.

use std::fs;

use mystocks_testkit::RedisServer;
use serde_json::Value;
use tempfile::TempDir;

use crate::bars;
use crate::binary::{Run, demo};
use crate::raw::Raw;

/// Asserts that a run failed with one line that holds all of `wanted`, said once, and nothing on standard output.
fn assert_refused(run: &Run, wanted: &[&str]) {
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(run.out, "");
    let line = run.err.trim_end();
    assert_eq!(line.lines().count(), 1, "{}", run.err);
    assert!(line.starts_with("mystocks: failed to "), "{line}");
    assert!(line.len() < 1_000, "{line}");
    for text in wanted {
        assert_eq!(line.matches(text).count(), 1, "{text:?} in {line:?}");
    }
}

#[tokio::test]
async fn a_folder_that_is_not_there_or_holds_no_bars_is_named() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing");
    assert_refused(
        &demo(&missing, &["--json"]).await,
        &[missing.to_str().unwrap(), "open the folder", "No such file"],
    );

    fs::write(folder.path().join("notes.txt"), "no bars").unwrap();
    let empty = folder.path().to_str().unwrap();
    assert_refused(&demo(folder.path(), &["--json"]).await, &[empty, "CSV"]);

    let file = folder.path().join("notes.txt");
    assert_refused(&demo(&file, &["--json"]).await, &[file.to_str().unwrap()]);
}

#[tokio::test]
async fn one_broken_file_is_listed_and_harms_no_other() {
    let server = RedisServer::start().await;
    let folder = bars::folder(&["AAA", "BBB", "CCC"]);
    let broken = bars::csv(9, None).replacen("2024-01-03,", "2024-01-03,nought", 1);
    bars::write(folder.path(), "BBB", &broken);
    let file = folder.path().join("BBB.csv");
    for arguments in [&["--json"][..], &["--json", "--redis", &server.url()]] {
        let run = demo(folder.path(), arguments).await;
        assert_eq!(run.code, Some(1), "{run:?}");
        let report = run.json();
        assert_eq!((&report["symbols"], &report["results"]), (&3.into(), &18.into()), "{report}");
        for tier in 0..3 {
            let tier = &report["tiers"][tier];
            assert_eq!((&tier["hits"], &tier["equal"]), (&tier["reads"], &18.into()), "{report}");
        }
        let failures: Vec<&str> =
            report["failures"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(failures.len(), 9, "{failures:?}");
        for failure in failures {
            assert!(failure.starts_with("BBB "), "{failure}");
            for text in [file.to_str().unwrap(), "line 4", "open"] {
                assert!(failure.contains(text), "{text:?} in {failure:?}");
            }
            assert!(!failure.contains("nought"), "a message repeats no value: {failure}");
        }
        if arguments.len() > 1 {
            let second = &report["second_process"];
            assert_eq!((&second["l2_hits"], &second["equal"]), (&18.into(), &18.into()), "{report}");
            assert_eq!(second["recomputed"], 0, "{report}");
        }
    }
}

#[tokio::test]
async fn a_folder_of_nothing_but_broken_files_names_the_first() {
    let folder = TempDir::new().unwrap();
    for symbol in ["AAA", "BBB"] {
        bars::write(folder.path(), symbol, "date,open,high,low,close\n2024-01-02,1,1,1,1\n");
    }
    let file = folder.path().join("AAA.csv");
    assert_refused(
        &demo(folder.path(), &["--json"]).await,
        &[file.to_str().unwrap(), "line 1", "no column volume"],
    );
}

#[tokio::test]
async fn too_few_bars_are_a_failure_of_those_indicators_only() {
    let folder = bars::folder(&["AAA", "BBB"]);
    let short: String = bars::csv(2, None).lines().take(41).flat_map(|line| [line, "\n"]).collect();
    bars::write(folder.path(), "BBB", &short);
    let run = demo(folder.path(), &["--json"]).await;
    let report = run.json();
    assert_eq!((run.code, &report["results"]), (Some(1), &17.into()), "{report}");
    let failures = report["failures"].as_array().unwrap();
    let only = failures[0].as_str().unwrap();
    assert_eq!(failures.len(), 1);
    assert!(only.starts_with("BBB SMA(timeperiod=60)") && only.contains("needs 60, there are 40"), "{only}");
}

#[tokio::test]
async fn a_redis_that_cannot_be_used_is_one_line_without_the_password() {
    let folder = bars::folder(&["AAA"]);
    let refused = async |url: &str, wanted: &[&str]| {
        let run = demo(folder.path(), &["--json", "--redis", url]).await;
        assert_refused(&run, wanted);
        assert!(!run.err.contains("sesame"), "{}", run.err);
    };
    let mut server = RedisServer::builder().password("other").start().await;
    let port = server.port();
    let shown = format!("redis://:***@127.0.0.1:{port}/1");
    refused(&format!("redis://:sesame42@127.0.0.1:{port}/1"), &[&shown, "access denied"]).await;
    let shown = format!("redis://127.0.0.1:{port}/1");
    refused(&shown, &[&shown, "uthentication required"]).await;
    refused(&format!("redis://:other@127.0.0.1:{port}/99"), &["/99"]).await;

    server.stop().await;
    let shown = format!("redis://app:***@127.0.0.1:{port}/1");
    refused(&format!("redis://app:sesame42@127.0.0.1:{port}/1"), &[&shown, "refused"]).await;

    let socket = server.unix_path();
    refused(&format!("redis+unix://:sesame42@{}", socket.display()), &[socket.to_str().unwrap(), "***"])
        .await;
}

#[tokio::test]
async fn an_address_that_is_none_of_redis_says_what_one_looks_like() {
    let folder = bars::folder(&["AAA"]);
    for url in [
        "http://:sesame42@127.0.0.1:6379/1",
        "127.0.0.1:6379",
        "",
        "redis://",
        "redis://:sesame42@127.0.0.1:port/1",
        "redis://:sesame42@127.0.0.1:6379/one",
    ] {
        let run = demo(folder.path(), &["--json", "--redis", url]).await;
        assert_refused(&run, &["--redis"]);
        assert!(!run.err.contains("sesame"), "{}", run.err);
        assert!(run.err.contains("expected"), "{}", run.err);
    }
}

#[tokio::test]
async fn a_redis_that_refuses_to_store_is_no_success() {
    let reader = "user reader on >reading ~* +@read +select +ping +time +client";
    let server = RedisServer::builder().config_line(reader).start().await;
    let folder = bars::folder(&["AAA"]);
    let url = format!("redis://reader:reading@127.0.0.1:{}/1", server.port());
    let run = demo(folder.path(), &["--json", "--redis", &url]).await;
    let report = run.json();
    assert_eq!((run.code, &report["results"]), (Some(1), &9.into()), "{report}");
    assert_eq!(
        (&report["tiers"][1]["hits"], &report["tiers"][1]["equal"]),
        (&0.into(), &9.into()),
        "{report}"
    );
    let second = &report["second_process"];
    assert_eq!((&second["recomputed"], &second["equal"]), (&9.into(), &9.into()), "{report}");
    // After five refusals in a row it is left alone.
    assert!(report["store_errors"].as_u64() >= Some(5), "{report}");
}

#[tokio::test]
async fn what_cannot_be_removed_is_said_and_expires() {
    let user = "user noscan on >walking ~* +@all -scan";
    let server = RedisServer::builder().config_line(user).start().await;
    let folder = bars::folder(&["AAA"]);
    let url = format!("redis://noscan:walking@127.0.0.1:{}/1", server.port());
    let run = demo(folder.path(), &["--json", "--redis", &url]).await;
    assert_eq!((run.code, &run.json()["second_process"]["l2_hits"]), (Some(1), &9.into()), "{run:?}");
    assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    assert!(run.err.starts_with("mystocks: failed to remove what the demo stored"), "{}", run.err);
    let left = Raw::connect(&server.url()).await.everything().await;
    assert_eq!(left.len(), 9);
    assert!(left.values().all(|(_, life)| (1..=3_600_000).contains(life)), "{left:?}");
}
