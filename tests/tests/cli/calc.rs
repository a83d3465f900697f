//! `mystocks calc`.

use std::fs;

use mystocks_testkit::{RedisServer, eventually};
use serde_json::{Value, json};

use crate::raw::Raw;
use crate::run::{Desk, sample};

/// Returns the simple moving average of the closes of a sample file, day by day, computed here.
fn average(symbol: &str, period: usize) -> Vec<(String, Option<f64>)> {
    let text = fs::read_to_string(sample().join(format!("{symbol}.csv"))).unwrap();
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let [day, close] = ["date", "close"].map(|name| head.iter().position(|found| *found == name).unwrap());
    let bars: Vec<(String, f64)> = lines
        .map(|line| line.split(',').collect::<Vec<_>>())
        .map(|cells| (cells[day].to_owned(), cells[close].parse().unwrap()))
        .collect();
    let mean =
        |at: usize| bars[at + 1 - period..=at].iter().map(|(_, close)| close).sum::<f64>() / period as f64;
    (0..bars.len()).map(|at| (bars[at].0.clone(), (at + 1 >= period).then(|| mean(at)))).collect()
}

fn assert_is_average(report: &Value, expected: &[(String, Option<f64>)]) {
    let days: Vec<&str> = expected.iter().map(|(day, _)| &**day).collect();
    assert_eq!(report["dates"], json!(days), "{report}");
    let values = report["outputs"][0]["values"].as_array().unwrap();
    assert_eq!((values.len(), &report["outputs"][0]["output_name"]), (days.len(), &json!("sma")));
    for (value, (day, expected)) in values.iter().zip(expected) {
        match expected {
            None => assert_eq!(*value, Value::Null, "{day}"),
            Some(expected) => assert!((value.as_f64().unwrap() - expected).abs() < 1e-6, "{day}: {value}"),
        }
    }
}

#[tokio::test]
async fn the_second_run_finds_what_the_first_one_computed() {
    let server = RedisServer::start().await;
    let desk = Desk::of(&server.url());
    let bars = sample();
    let arguments = ["calc", "AAPL", "SMA", "timeperiod=20", "--bars", bars.to_str().unwrap(), "--json"];
    let first = desk.run(&arguments).await.well();
    let expected = average("AAPL", 20);
    assert_is_average(&first, &expected);
    assert_eq!(
        (&first["way"], &first["tier"], &first["days"]),
        (&json!("source"), &json!("L3"), &json!(1250))
    );
    assert_eq!(
        (&first["label"], &first["parameters"]),
        (&json!("SMA(timeperiod=20)"), &json!({ "timeperiod": 20 }))
    );
    assert_eq!(first["version"].as_str().unwrap().len(), 32);

    // Another process, which reads the entry and computes nothing.
    let second = desk.run(&arguments).await.well();
    assert_eq!((&second["way"], &second["tier"]), (&json!("result_l2"), &json!("L2")));
    assert_eq!((&second["version"], &second["outputs"]), (&first["version"], &first["outputs"]));

    let narrowed = [&arguments[..], &["--from", "2013-01-02", "--to", "2013-01-31", "--last", "3"]].concat();
    let expected: Vec<_> = expected.into_iter().filter(|(day, _)| day.starts_with("2013-01-")).collect();
    let some = desk.run(&narrowed).await.well();
    assert_is_average(&some, &expected[expected.len() - 3..]);
    assert_eq!(some["days"], expected.len());
}

#[tokio::test]
async fn text_has_a_line_for_every_day_and_a_dash_where_there_is_nothing_yet() {
    let server = RedisServer::start().await;
    let bars = sample();
    let arguments = ["calc", "IBM", "SMA", "timeperiod=5", "--bars", bars.to_str().unwrap()];
    let run = Desk::of(&server.url()).run(&arguments).await;
    let lines: Vec<&str> = run.out.lines().collect();
    assert!(lines[0].starts_with("IBM SMA(timeperiod=5): "), "{}", lines[0]);
    assert!(lines[1].starts_with("read from source (tier L3) in "), "{}", lines[1]);
    let expected = average("IBM", 5);
    assert_eq!((lines[2], lines[3], lines.len()), ("", "date        sma", 4 + expected.len()));
    for (line, (day, value)) in lines[4..].iter().zip(&expected) {
        let (shown_day, shown) = line.split_once("  ").unwrap();
        assert_eq!(shown_day, day);
        match value {
            None => assert_eq!(shown, "-"),
            Some(value) => assert!((shown.parse::<f64>().unwrap() - value).abs() < 1e-6, "{line}"),
        }
    }
}

#[tokio::test]
async fn without_redis_the_answer_is_the_same() {
    let mut server = RedisServer::start().await;
    let desk = Desk::of(&server.url());
    server.stop().await;
    let bars = sample();
    let arguments = ["calc", "AAPL", "SMA", "timeperiod=20", "--bars", bars.to_str().unwrap(), "--json"];
    let report = desk.run(&arguments).await.well();
    assert_is_average(&report, &average("AAPL", 20));
    assert_eq!(report["way"], "source");
    let off = desk.with("REDIS_ENABLE_CACHE", "no").run(&arguments).await.well();
    assert_eq!(off["outputs"], report["outputs"]);
}

#[tokio::test]
async fn what_is_asked_wrongly_is_said_with_what_would_be_right() {
    let server = RedisServer::start().await;
    let desk = Desk::of(&server.url());
    let bars = sample();
    let of = async |words: &[&str]| {
        desk.run(&[&["calc"], words, &["--bars", bars.to_str().unwrap()]].concat()).await
    };
    of(&["AAPL", "SMAX"]).await.assert_refused(&["SMAX", "SMA"]);
    of(&["AAPX", "SMA"]).await.assert_refused(&["AAPX", "AAPL"]);
    of(&["AAPL", "SMA", "timeperiod=1"]).await.assert_refused(&["timeperiod", "2"]);
    of(&["AAPL", "SMA", "period=5"]).await.assert_refused(&["period", "timeperiod"]);
    of(&["AAPL", "SMA", "--from", "2013-02-01", "--to", "2013-01-01"]).await.assert_refused(&["2013-02-01"]);
    let run = of(&["AAPL", "SMA", "timeperiod=five"]).await;
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.err.contains("timeperiod is no number"), "{run:?}");
    desk.run(&["calc", "AAPL", "SMA"]).await.assert_refused(&["--bars", "--database", "DATABASE_URL"]);
    // Nobody who asked wrongly stays connected.
    let mut raw = Raw::connect(&server.url()).await;
    eventually("only this connection is left", std::time::Duration::from_secs(30), async || {
        raw.ask::<String>(&["CLIENT", "LIST"]).await.lines().count() == 1
    })
    .await;
}
