//! `mystocks config show` and the completions.

use std::fs;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::run::Desk;

#[tokio::test]
async fn every_setting_is_shown_with_its_place_and_no_secret() {
    let desk = Desk::of("redis://app:${REDIS_PASSWORD}@cache.internal/3");
    let desk =
        desk.with("REDIS_ENABLE_PUBSUB", "no").with("DATABASE_URL", "postgresql://u:sesame9@db/market");
    fs::write(desk.folder.path().join("mystocks.toml"), "REDIS_CACHE_TTL = \"15m\"\nREDIS_DB = 4\n").unwrap();
    let dotenv = "# of the platform\nREDIS_PASSWORD='sesame7'\nENABLE_LOCK=false\nREDIS_DB=5\n\
                  CELERY_BROKER_URL=redis://:${REDIS_PASSWORD}@${REDIS_HOST}:${REDIS_PORT}/2\n";
    fs::write(desk.folder.path().join(".env"), dotenv).unwrap();
    let run = desk.run(&["config", "show", "--json"]).await;
    let report = run.well();
    let shown = |name: &str| {
        let mut all = report["settings"].as_array().unwrap().iter();
        let found = all.find(|setting| setting["key"] == name).unwrap();
        (found["value"].clone(), found["source"].as_str().unwrap().to_owned())
    };
    let places = [
        ("REDIS_HOST", json!("localhost"), "the default"),
        ("REDIS_CACHE_TTL", json!("15m"), "line 1 of "),
        ("REDIS_DB", json!("5"), "line 4 of "),
        ("REDIS_PASSWORD", json!("***"), "line 2 of "),
        ("REDIS_ENABLE_LOCK", json!("false"), "line 3 of "),
        ("REDIS_ENABLE_PUBSUB", json!("no"), "the environment"),
        ("REDIS_URL", json!("redis://app:***@cache.internal/3"), "the environment"),
        ("CELERY_BROKER_URL", json!("redis://:***@localhost:6379/2"), "line 5 of "),
        ("CELERY_RESULT_BACKEND", Value::Null, "the default"),
    ];
    for (name, value, source) in places {
        let (found, place) = shown(name);
        assert_eq!(found, value, "{name}");
        assert!(place.starts_with(source), "{name}: {place:?}");
    }
    assert!(shown("REDIS_CACHE_TTL").1.ends_with("mystocks.toml") && shown("REDIS_DB").1.ends_with(".env"));
    assert!(shown("REDIS_ENABLE_LOCK").1.ends_with(", as ENABLE_LOCK"));
    assert_eq!(report["redis"], "redis://app:***@cache.internal:6379/3");

    let text = desk.run(&["config", "show"]).await;
    assert_eq!(text.code, Some(0), "{text:?}");
    assert_eq!(text.out.lines().count(), 3 + mystocks_config::KEYS.len(), "{text:?}");
    for said in [&run.out, &text.out] {
        assert!(!said.contains("sesame"), "{said}");
    }
}

#[tokio::test]
async fn a_mistake_is_shown_with_its_place_and_not_its_value() {
    let desk = Desk::of("redis://localhost/1").with("REDIS_PROT", "6380");
    fs::write(desk.folder.path().join(".env"), "\nREDIS_CACHE_TTL=sesame\n").unwrap();
    for words in [&["config", "show"][..], &["verify"], &["lock", "list"]] {
        let run = desk.run(words).await;
        run.assert_refused(&["REDIS_PROT", "REDIS_PORT", "REDIS_CACHE_TTL in line 2 of", ".env"]);
        assert!(!run.err.contains("sesame"), "{run:?}");
    }
    let overlapping = Desk::of("redis://localhost/1").with("REDIS_LOCK_PREFIX", "mystocks:session:");
    overlapping.run(&["config", "show"]).await.assert_refused(&["read the prefixes", "mystocks:session:"]);
}

#[tokio::test]
async fn completions_know_every_command_and_a_closed_pipe_is_no_error() {
    let desk = Desk::of("redis://localhost/1");
    for shell in ["bash", "zsh", "fish"] {
        let run = desk.run(&["completions", shell]).await;
        assert_eq!((run.code, &*run.err), (Some(0), ""));
        for command in ["verify", "calc", "cache", "lock", "bus", "config", "daily", "invalidate", "dlq"] {
            assert!(run.out.contains(command), "{command} for {shell}");
        }
    }
    // The script is longer than a pipe holds.
    let mut child = desk.command(&["completions", "bash"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().await.unwrap();
    assert_eq!((ended.status.code(), String::from_utf8(ended.stderr).unwrap()), (Some(0), String::new()));
}
