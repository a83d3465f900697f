//! Redis and the bars come and go.

use std::time::Duration;

use mystocks_testkit::{RedisServer, eventually};
use serde_json::{Value, json};

use crate::service::{CALCULATE, Service, alone, averages, sample};

const SOON: Duration = Duration::from_secs(60);

async fn ready(service: &Service) -> (u16, Value) {
    let answer = service.get("/health/ready").await;
    (answer.status, answer.json()["data"].clone())
}

async fn becomes(service: &Service, status: &str) {
    eventually(status, SOON, async || ready(service).await.1["status"] == *status).await;
}

fn about(symbol: &str, period: i64) -> Value {
    let mut body = averages();
    body["symbol"] = json!(symbol);
    body["indicators"] = json!([{"abbreviation": "SMA", "parameters": {"timeperiod": period}}]);
    body
}

#[tokio::test]
async fn without_redis_it_starts_answers_and_says_so_and_recovers_when_redis_comes() {
    let mut redis = RedisServer::start().await;
    let service = Service::start(Some(&redis.url()), &[]).await;
    becomes(&service, "ready").await;
    assert_eq!(
        ready(&service).await,
        (200, json!({"status": "ready", "reasons": [], "bars": "up", "redis": "up"}))
    );
    let before = service.calculate(&about("AAPL", 5)).await;

    redis.kill().await;
    becomes(&service, "degraded").await;
    let (status, said) = ready(&service).await;
    assert_eq!((status, &said["redis"], &said["bars"]), (200, &json!("down"), &json!("up")));
    assert!(said["reasons"][0].as_str().unwrap().contains("redis does not answer"), "{said}");
    // What was read before is read from memory, and what was not is computed.
    let again = service.calculate(&about("AAPL", 5)).await;
    assert_eq!((&again["indicators"], &again["cached"]), (&before["indicators"], &json!(true)));
    assert_eq!(service.calculate(&about("MSFT", 7)).await["cached"], false);

    redis.restart().await;
    becomes(&service, "ready").await;
    service.calculate(&about("IBM", 9)).await;
    // It writes again what others read.
    let other = Service::start(Some(&redis.url()), &[]).await;
    eventually("the store has it", SOON, async || {
        service.calculate(&about("GOOG", 11)).await;
        other.calculate(&about("GOOG", 11)).await["cached"] == true
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_was_never_there_is_no_hindrance() {
    let service = alone(&[]).await;
    assert_eq!(ready(&service).await.1["status"], "degraded");
    assert_eq!(service.get("/health/live").await.json()["data"]["status"], "alive");
    assert_eq!(service.calculate(&averages()).await["statistics"]["failed_calculations"], 0);
    let off = Service::of(|command| {
        command
            .arg("--bars")
            .arg(sample())
            .env("REDIS_ENABLE_CACHE", "false")
            .env("REDIS_ENABLE_PUBSUB", "false");
    })
    .await;
    assert_eq!(
        ready(&off).await,
        (200, json!({"status": "ready", "reasons": [], "bars": "up", "redis": "off"}))
    );
    off.calculate(&averages()).await;
    assert_eq!(off.calculate(&averages()).await["cached"], true);
}

#[tokio::test]
async fn without_bars_it_is_not_ready() {
    let folder = tempfile::TempDir::new().unwrap();
    let (bars, away) = (folder.path().join("bars"), folder.path().join("away"));
    std::fs::create_dir(&bars).unwrap();
    std::fs::copy(sample().join("AAPL.csv"), bars.join("AAPL.csv")).unwrap();
    let service = Service::of(|command| {
        command.arg("--bars").arg(&bars);
    })
    .await;
    becomes(&service, "degraded").await;
    std::fs::rename(&bars, &away).unwrap();
    becomes(&service, "unavailable").await;
    let answer = service.get("/health/ready").await;
    let body = answer.json();
    assert_eq!(
        (answer.status, &body["success"], &body["data"]["bars"]),
        (503, &json!(false), &json!("down"))
    );
    let said = body.to_string();
    assert!(!said.contains(folder.path().to_str().unwrap()), "{said}");
    assert_eq!(service.get("/health/live").await.status, 200);
    std::fs::rename(&away, &bars).unwrap();
    becomes(&service, "degraded").await;
    assert_eq!(service.post(CALCULATE, &averages()).await.status, 200);
}
