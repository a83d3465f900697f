//! `mystocks lock`.

use std::time::Duration;

use mystocks_config::{LockSettings, RedisSettings};
use mystocks_lock::{Keyspace, Locker, LossReason, RedisLocks};
use mystocks_redis_core::RedisManager;
use mystocks_testkit::RedisServer;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::raw::Raw;
use crate::run::Desk;

#[tokio::test]
async fn what_a_service_holds_is_seen_and_can_be_taken_away() {
    let server = RedisServer::start().await;
    let redis = RedisManager::start(&RedisSettings::from_url(&server.url()).unwrap()).await.unwrap();
    let locks = RedisLocks::new(redis.clone(), &Keyspace::default()).unwrap();
    let locker = Locker::new(locks, &LockSettings::default(), &Keyspace::default()).with_owner("nightly job");
    let guard = locker.try_lock("task:batch:nightly").await.unwrap().unwrap();
    let mut raw = Raw::connect(&server.url()).await;
    let _: () = raw.ask(&["SET", "mystocks:lock:resource:update:portfolio:7", "python", "EX", "60"]).await;

    let desk = Desk::of(&server.url());
    let list = desk.run(&["lock", "list", "--json"]).await.well();
    let names: Vec<&Value> = list["locks"].as_array().unwrap().iter().map(|lock| &lock["lock"]).collect();
    assert_eq!(names, ["resource:update:portfolio:7", "task:batch:nightly"]);
    let some = desk.run(&["lock", "list", "task:", "--json"]).await.well();
    assert_eq!(some["locks"].as_array().unwrap().len(), 1, "{some}");
    let info = desk.run(&["lock", "info", "task:batch:nightly", "--json"]).await.well();
    assert_eq!(
        (&info["owner"]["pid"], &info["owner"]["name"]),
        (&json!(std::process::id()), &json!("nightly job"))
    );
    assert_eq!((&info["fence"], &info["waiters"]), (&json!(guard.fence().unwrap().get()), &json!(0)));
    let python = desk.run(&["lock", "info", "resource:update:portfolio:7", "--json"]).await.well();
    assert_eq!(
        (&python["held"], &python["owner"], &python["fence"]),
        (&json!(true), &Value::Null, &Value::Null)
    );
    let text = desk.run(&["lock", "list"]).await.out;
    assert!(text.starts_with("lock ") && text.contains("nightly job (process "), "{text}");

    // Nothing happens by mistake.
    let release = ["lock", "release", "task:batch:nightly"];
    desk.run(&release).await.assert_refused(&["held by nightly job", "--force"]);
    desk.run(&[&release[..], &["--force"]].concat()).await.assert_refused(&["--yes"]);
    assert!(guard.is_valid());
    let taken = desk.run(&[&release[..], &["--force", "--yes", "--json"]].concat()).await.well();
    assert_eq!((&taken["released"], &taken["owner"]["pid"]), (&json!(true), &json!(std::process::id())));
    let reason = timeout(Duration::from_secs(30), guard.lost()).await.expect("its holder is told");
    assert_ne!(reason, LossReason::Shutdown);
    assert!(!locker.is_locked("task:batch:nightly").await.unwrap());

    for words in [
        &["lock", "info", "task:batch:nightly"][..],
        &[&release[..], &["--force", "--yes"]].concat(),
        &release,
    ] {
        let run = desk.run(words).await;
        assert_eq!((run.code, run.out.trim()), (Some(1), "nobody holds task:batch:nightly"), "{run:?}");
    }
    assert_eq!(desk.run(&["lock", "list", "task:"]).await.out, "no lock is held\n");
    desk.run(&["lock", "info", "a{b"]).await.assert_refused(&["a{b"]);
    locker.shutdown().await;
    redis.shutdown().await;
}
