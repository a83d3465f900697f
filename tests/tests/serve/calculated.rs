//! What is calculated is what the registry computes, in the shape of the platform.

use mystocks_indicators::{BarSource, CsvBars, Symbol};
use mystocks_ta::{Given, registry};
use mystocks_testkit::RedisServer;
use serde_json::{Value, json};

use crate::service::{CALCULATE, Service, averages, sample};

const FIELDS: [&str; 9] = [
    "symbol",
    "symbol_name",
    "start_date",
    "end_date",
    "ohlcv",
    "indicators",
    "calculation_time_ms",
    "cached",
    "statistics",
];
const FROM: &str = "2008-03-20";
const TO: &str = "2008-07-01";

/// Returns where each of `names` stands in `text`, first come first.
fn places(text: &str, names: &[&str]) -> Vec<usize> {
    names
        .iter()
        .map(|name| text.find(&format!("\"{name}\":")).unwrap_or_else(|| panic!("{name} in {text}")))
        .collect()
}

fn numbers(values: &[f64]) -> Value {
    values.iter().map(|value| if value.is_nan() { Value::Null } else { json!(value) }).collect()
}

fn asked() -> Value {
    json!({
        "symbol": "AAPL", "start_date": FROM, "end_date": TO,
        "indicators": [
            {"abbreviation": "SMA", "parameters": {"timeperiod": 20}},
            {"abbreviation": "MACD", "parameters": {"signalperiod": 5}},
            {"abbreviation": "RSI"},
            {"abbreviation": "OBV", "parameters": {}},
        ],
    })
}

/// Asserts that `data` is what the registry computes over the bars of the file.
async fn assert_golden(data: &Value) {
    let bars = CsvBars::open(sample()).unwrap().load(&Symbol::new("AAPL").unwrap()).await.unwrap().bars;
    let day = |text: &str| text.parse::<jiff::civil::Date>().unwrap();
    let from = bars.dates().partition_point(|date| *date < day(FROM));
    let to = bars.dates().partition_point(|date| *date <= day(TO));
    let days = from..to;
    assert_eq!((days.len(), days.start > 0), (72, true));
    let dates: Vec<String> = bars.dates()[days.clone()].iter().map(ToString::to_string).collect();
    assert_eq!(data["ohlcv"]["dates"], json!(dates));
    for (name, column) in [
        ("open", bars.open()),
        ("high", bars.high()),
        ("low", bars.low()),
        ("close", bars.close()),
        ("volume", bars.volume()),
    ] {
        let expected: Value = serde_json::from_str(&numbers(&column[days.clone()]).to_string()).unwrap();
        assert_eq!(data["ohlcv"][name], expected, "{name}");
    }
    assert_eq!(data["ohlcv"]["turnover"], json!([]));
    let sma = [("timeperiod", Given::Int(20))];
    let macd = [("signalperiod", Given::Int(5))];
    let expected = [
        ("SMA", &sma[..], json!({"timeperiod": 20}), "SMA(20)", "overlay", json!(null)),
        (
            "MACD",
            &macd[..],
            json!({"fastperiod": 12, "slowperiod": 26, "signalperiod": 5}),
            "MACD(12,26,5)",
            "oscillator",
            json!([0.0]),
        ),
        ("RSI", &[][..], json!({"timeperiod": 14}), "RSI(14)", "oscillator", json!([30.0, 70.0])),
        ("OBV", &[][..], json!({}), "OBV", "oscillator", json!(null)),
    ];
    assert_eq!(data["indicators"].as_array().unwrap().len(), expected.len());
    for (at, (name, given, parameters, shown, panel, lines)) in expected.into_iter().enumerate() {
        let one = &data["indicators"][at];
        let indicator = registry().get(name).unwrap();
        let output = indicator.compute(&bars, &indicator.canonical(given).unwrap()).unwrap();
        let outputs: Vec<Value> = output
            .series
            .iter()
            .map(|series| {
                json!({"output_name": series.name, "values": numbers(&series.values[days.clone()]), "display_name": shown})
            })
            .collect();
        let expected = json!({
            "abbreviation": name, "parameters": parameters, "outputs": outputs, "panel_type": panel,
            "reference_lines": lines, "error": null, "success": true,
        });
        // Parsed as the answer was: to the same text belongs the same number.
        let expected: Value = serde_json::from_str(&expected.to_string()).unwrap();
        assert_eq!(*one, expected, "{name}");
    }
    let nulls = data["indicators"][0]["outputs"][0]["values"].as_array().unwrap();
    assert!(nulls[0].is_null() && nulls[71].is_number(), "the head has no values yet");
    assert_eq!(
        data["statistics"],
        json!({"total_indicators": 4, "successful_calculations": 4, "failed_calculations": 0, "data_points": 72, "date_range_days": 103})
    );
    assert_eq!((&data["symbol"], &data["symbol_name"]), (&json!("AAPL"), &json!("AAPL")));
    assert_eq!((&data["start_date"], &data["end_date"]), (&json!(FROM), &json!(TO)));
    assert!(data["calculation_time_ms"].as_f64().unwrap() >= 0.0);
}

#[tokio::test]
async fn values_and_shape_are_those_of_the_registry_and_the_platform() {
    let redis = RedisServer::start().await;
    let service = Service::start(Some(&redis.url()), &[]).await;
    let answer = service.post(CALCULATE, &asked()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    // The fields are in their order, and there are no others.
    let text = answer.text();
    assert!(places(text, &["success", "code", "message", "data"]).is_sorted());
    assert!(places(text, &FIELDS).is_sorted());
    let body = answer.json();
    assert_eq!(body.as_object().unwrap().len(), 5);
    assert!(body["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    assert_eq!(
        (&body["success"], &body["code"], &body["message"]),
        (&json!(true), &json!(200), &json!("calculated 4 of 4 indicators"))
    );
    assert_eq!(body["data"].as_object().unwrap().len(), FIELDS.len());
    assert_eq!(body["data"]["cached"], false);
    assert_golden(&body["data"]).await;
    // Again it comes from what is kept, and is the same; as is what is computed anew.
    let again = service.calculate(&asked()).await;
    assert_eq!(again["cached"], true);
    assert_golden(&again).await;
    let mut fresh = asked();
    fresh["use_cache"] = json!(false);
    let (before, looked) =
        (service.metric("mystocks_indicators_reads_total", &[]).await, service.calculate(&fresh).await);
    assert_eq!(looked["cached"], false);
    assert_golden(&looked).await;
    assert_eq!(
        service.metric("mystocks_indicators_reads_total", &[]).await,
        before,
        "nothing that is kept was read"
    );
    // Another process reads what this one wrote.
    let other = Service::start(Some(&redis.url()), &[]).await;
    let shared = other.calculate(&asked()).await;
    assert_eq!(shared["cached"], true);
    assert_golden(&shared).await;
}

#[tokio::test]
async fn what_one_indicator_lacks_is_its_own_error() {
    let service = crate::service::alone(&[]).await;
    let mut body = averages();
    body["symbol"] = json!("SHORT");
    let bars = tempfile::TempDir::new().unwrap();
    let mut text = "date,open,high,low,close,volume\n".to_owned();
    for day in 2..10 {
        text.push_str(&format!("2009-01-0{day},1,2,1,2,10\n"));
    }
    std::fs::write(bars.path().join("SHORT.csv"), text).unwrap();
    let of_short = Service::of(|command| {
        command.arg("--bars").arg(bars.path());
    })
    .await;
    body["indicators"] =
        json!([{"abbreviation": "SMA", "parameters": {"timeperiod": 5}}, {"abbreviation": "MACD"}]);
    for use_cache in [true, false] {
        body["use_cache"] = json!(use_cache);
        let data = of_short.calculate(&body).await;
        assert_eq!(
            (&data["indicators"][0]["success"], &data["indicators"][1]["success"]),
            (&json!(true), &json!(false))
        );
        let error = data["indicators"][1]["error"].as_str().unwrap();
        assert!(error.contains("too few bars") && error.contains("34") && error.contains('8'), "{error}");
        assert_eq!(data["indicators"][1]["outputs"], json!([]));
        assert_eq!((&data["statistics"]["failed_calculations"], &data["cached"]), (&json!(1), &json!(false)));
    }
    body["symbol"] = json!("AAPL");
    body["start_date"] = json!("1990-01-01");
    body["end_date"] = json!("1990-02-01");
    let message = service.post(CALCULATE, &body).await.refused(404);
    assert_eq!(message, "AAPL has no bars from 1990-01-01 to 1990-02-01");
}

#[tokio::test]
async fn each_of_a_batch_succeeds_or_fails_alone() {
    let service = crate::service::alone(&[]).await;
    let (good, mut unknown, mut wrong) = (averages(), averages(), averages());
    unknown["symbol"] = json!("AAPM");
    wrong["indicators"][0]["parameters"] = json!({"timeperiod": 1});
    wrong["end_date"] = json!(7);
    let path = format!("{CALCULATE}/batch");
    let answer = service.post(&path, &json!({"calculations": [unknown, good.clone(), wrong, []]})).await;
    let body = answer.json();
    assert_eq!((answer.status, &body["message"]), (200, &json!("calculated 1 of 4 requests")), "{body}");
    let (statistics, results) = (&body["data"]["batch_statistics"], &body["data"]["results"]);
    for (name, expected) in [
        ("total_calculations", 4),
        ("successful_calculations", 1),
        ("failed_calculations", 3),
        ("total_indicators", 3),
    ] {
        assert_eq!(statistics[name], expected, "{name}");
    }
    assert!(results[0]["error"].as_str().unwrap().contains("the nearest are AAPL"), "{results}");
    assert_eq!((&results[0]["symbol"], &results[0]["data"]), (&json!("AAPM"), &json!(null)));
    let mut alone = service.calculate(&good).await;
    let mut together = results[1]["data"].clone();
    for one in [&mut alone, &mut together] {
        one["calculation_time_ms"] = json!(0);
        one["cached"] = json!(null);
    }
    assert_eq!(alone, together);
    let fields: Vec<&Value> =
        results[2]["errors"].as_array().unwrap().iter().map(|error| &error["field"]).collect();
    assert_eq!(fields, ["end_date", "indicators[0].parameters.timeperiod"]);
    assert_eq!((&results[2]["success"], &results[2]["end_date"]), (&json!(false), &json!(null)));
    assert_eq!(results[3]["errors"][0]["field"], "body");
}
