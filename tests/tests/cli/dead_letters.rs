//! `mystocks bus dlq`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mystocks_bus::{DurableTopic, Event, GiveUp, Handling, Keyspace, Streams, Topic};
use mystocks_config::RedisSettings;
use mystocks_redis_core::RedisManager;
use mystocks_testkit::{RedisServer, eventually};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::run::Desk;

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Order {
    number: u64,
}

impl Event for Order {
    const TYPE: &'static str = "order.placed";

    fn topics(&self) -> Vec<Topic<Self>> {
        vec![Topic::new("orders")]
    }

    fn key(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some(self.number.to_string().into())
    }
}

#[tokio::test]
async fn dead_letters_are_listed_and_handled_after_all() {
    let server = RedisServer::start().await;
    let redis = RedisManager::start(&RedisSettings::from_url(&server.url()).unwrap()).await.unwrap();
    let orders =
        DurableTopic::<Order>::new(Streams::new(redis.clone(), &Keyspace::default()), "orders", "shop");
    let is_mended = Arc::new(AtomicBool::new(false));
    let (sender, mut handled) = mpsc::unbounded_channel();
    let mended = Arc::clone(&is_mended);
    let worker = orders.consume("risk", Handling::default(), move |order| {
        let (number, mended, sender) = (order.number, mended.load(Ordering::SeqCst), sender.clone());
        async move {
            if !mended && number % 2 == 1 {
                return Err(GiveUp(format!("no limit for {number}")));
            }
            sender.send(number).map_err(|_| GiveUp("nobody is there".to_owned()))
        }
    });
    let worker = worker.await.unwrap();
    orders.publish_all(&(1..=5).map(|number| Order { number }).collect::<Vec<_>>()).await.unwrap();
    eventually("all are handled or dead", PATIENCE, async || {
        let state = orders.state("risk").await.unwrap();
        state.dead == 3 && state.lag == 0 && state.pending == 0
    })
    .await;

    let desk = Desk::of(&server.url());
    let list = ["bus", "dlq", "list", "orders", "risk"];
    let report = desk.run(&[&list[..], &["--json"]].concat()).await.well();
    let letters = report["letters"].as_array().unwrap();
    assert_eq!((&report["dead"], letters.len()), (&json!(3), 3));
    let mut found: Vec<(u64, &Value)> = letters
        .iter()
        .map(|letter| (letter["event"]["data"]["number"].as_u64().unwrap(), &letter["reason"]))
        .collect();
    found.sort_by_key(|(number, _)| *number);
    assert_eq!(
        found,
        [(1, &json!("no limit for 1")), (3, &json!("no limit for 3")), (5, &json!("no limit for 5"))]
    );
    assert!(
        letters[0]["died_at"].as_f64() > Some(1.7e9) && letters[0]["event"]["type"] == "order.placed",
        "{report}"
    );
    let text = desk.run(&[&list[..], &["--limit", "1"]].concat()).await.out;
    assert!(text.starts_with("orders, group risk: 3 dead letters\n") && text.lines().count() == 3, "{text}");

    is_mended.store(true, Ordering::SeqCst);
    let replayed =
        desk.run(&["bus", "dlq", "replay", "orders", "risk", "--rate", "100", "--json"]).await.well();
    assert_eq!((&replayed["replayed"], &replayed["gone"]), (&json!(3), &json!(0)));
    let mut numbers = Vec::new();
    for _ in 0..5 {
        numbers.push(tokio::time::timeout(PATIENCE, handled.recv()).await.unwrap().unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    let run = desk.run(&list).await;
    assert_eq!(run.out, "orders, group risk: 0 dead letters\n");
    let none = desk.run(&["bus", "dlq", "replay", "orders", "risk"]).await;
    assert_eq!(
        (none.code, &*none.out),
        (Some(0), "0 dead letters of orders will be handled again by risk\n")
    );
    worker.shutdown().await;
    redis.shutdown().await;
}

#[tokio::test]
async fn letters_of_lanes_are_left_to_those_who_know_their_keys() {
    let server = RedisServer::start().await;
    let redis = RedisManager::start(&RedisSettings::from_url(&server.url()).unwrap()).await.unwrap();
    let log = Streams::new(redis.clone(), &Keyspace::default());
    let orders = DurableTopic::<Order>::new(log, "orders", "shop").lanes(2);
    // So many that each lane has one.
    orders.publish_all(&(0..20).map(|number| Order { number }).collect::<Vec<_>>()).await.unwrap();
    let handling = Handling::default();
    let worker = orders.consume("risk", handling, |_| async { Err::<(), _>(GiveUp("never".to_owned())) });
    let worker = worker.await.unwrap();
    eventually("all are dead", PATIENCE, async || orders.state("risk").await.unwrap().dead == 20).await;
    worker.shutdown().await;
    let desk = Desk::of(&server.url());
    let report = desk.run(&["bus", "dlq", "list", "orders", "risk", "--json"]).await.well();
    assert_eq!(report["dead"], 20);
    desk.run(&["bus", "dlq", "replay", "orders", "risk"])
        .await
        .assert_refused(&["it has lanes", "DurableTopic::replay"]);
    assert_eq!(orders.state("risk").await.unwrap().dead, 20, "nothing was moved");
    redis.shutdown().await;
}
