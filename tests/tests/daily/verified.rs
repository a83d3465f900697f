//! `mystocks verify`, `calc` and `cache warm` with the bars in PostgreSQL.

use std::process::Stdio;

use mystocks_testkit::{FaultProxy, PLATFORM_TABLES, PostgresServer};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::market::Market;

/// Runs `mystocks ARGUMENTS…` with the market's Redis and the database at `url`; returns whether it ended with 0 and what it printed.
async fn run(market: &Market, url: &str, arguments: &[&str]) -> (bool, Value) {
    let mut command = Command::new(mystocks_tests::program::mystocks());
    command.args(arguments).env("DATABASE_URL", url).env("REDIS_URL", market.redis.url());
    command.current_dir(std::env::temp_dir()).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("sesame"), "{text}");
    (output.status.success(), serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// Checks the database at `url` and returns the check.
async fn verify(market: &Market, url: &str) -> Value {
    let (is_well, report) = run(market, url, &["verify", "--json"]).await;
    let checks = report["checks"].as_array().unwrap();
    let others = checks.iter().filter(|check| check["name"] != "database");
    assert!(
        others.clone().count() == 5 && others.clone().all(|check| check["status"] == "passed"),
        "{report}"
    );
    let database = checks.last().unwrap().clone();
    assert_eq!((is_well, &report["passed"]), (database["status"] == "passed", &json!(is_well)), "{report}");
    database
}

async fn assert_fails(market: &Market, url: &str, wanted: &[&str]) {
    let database = verify(market, url).await;
    let said = database["detail"].as_str().unwrap();
    assert_eq!(database["status"], "failed", "{said}");
    for text in wanted {
        assert!(said.contains(text), "{text:?} in {said:?}");
    }
}

#[tokio::test]
async fn the_database_is_checked_by_what_is_asked_of_it() {
    let market = Market::new(3, 30).await;
    let url = market.postgres.url();
    let (_, calc) = run(&market, &url, &["calc", "sh.600000", "SMA", "timeperiod=5", "--json"]).await;
    let database = verify(&market, &url).await;
    assert_eq!(database["status"], "passed", "{database}");
    let said = database["detail"].as_str().unwrap();
    assert!(said.contains(" has the tables and columns; sh.60000"), "{said}");
    let known = said.contains("sh.600000").then(|| calc["version"].as_str().unwrap());
    assert!(known.is_none_or(|version| said.contains(version)), "{said}");
    let steps: Vec<&String> = database["latencies_ms"].as_object().unwrap().keys().collect();
    assert_eq!(steps, ["connect", "tables", "version"]);

    market.client.batch_execute("DELETE FROM daily_kline").await.unwrap();
    let empty = verify(&market, &url).await;
    assert!(empty["detail"].as_str().unwrap().ends_with("daily_kline is empty"), "{empty}");

    let change = "ALTER TABLE indicator_data DROP COLUMN complex_value; DROP TABLE indicator_tasks";
    market.client.batch_execute(change).await.unwrap();
    let wanted = ["lacks the column indicator_data.complex_value, the table indicator_tasks", "search_path"];
    assert_fails(&market, &url, &wanted).await;
}

#[tokio::test]
async fn a_database_that_refuses_hangs_or_is_not_there_is_told_apart() {
    let market = Market::new(1, 1).await;
    let locked = PostgresServer::builder().password("other").sql(PLATFORM_TABLES).start().await;
    let wrong = locked.url().replace("other", "sesame42");
    assert_fails(
        &market,
        &wrong,
        &["PostgreSQL at 127.0.0.1:", "refuses the login of postgres", "DATABASE_URL"],
    )
    .await;
    let absent = format!("{}_absent", market.postgres.url());
    assert_fails(&market, &absent, &["has no database postgres_absent"]).await;
    assert_fails(
        &market,
        "postgresql://u:sesame@127.0.0.1:1/x",
        &["nothing answers at PostgreSQL at 127.0.0.1:1"],
    )
    .await;
    assert_fails(&market, "sesame", &["DATABASE_URL cannot be used"]).await;
    let proxy = FaultProxy::start(market.postgres.address()).await;
    proxy.hang_new(true);
    let hung = market.postgres.url_at(proxy.addr());
    assert_fails(&market, &hung, &["gave no answer within 4 s"]).await;
}

#[tokio::test]
async fn the_bars_of_a_database_are_warmed_and_read() {
    let market = Market::new(20, 80).await;
    let url = market.postgres.url();
    let (is_well, report) = run(&market, &url, &["cache", "warm", "--json"]).await;
    let counts = ["symbols", "computed", "found"].map(|name| report[name].as_u64().unwrap());
    assert_eq!((is_well, counts), (true, [20, 180, 0]), "{report}");
    let (_, read) = run(&market, &url, &["calc", "sh.600007", "SMA", "timeperiod=20", "--json"]).await;
    assert_eq!((&read["way"], &read["days"]), (&json!("result_l2"), &json!(80)), "{read}");
}
