//! What we publish, as Python gets it.

use mystocks_bus::{ConfigReloaded, Event, IndicatorCalculated, PriceUpdate, TaskStatus, TaskUpdated, Topic};
use mystocks_keys::Json;
use serde::{Deserialize, Serialize};

use super::events::{calculations, completed, heartbeat, market, progress, stock};
use super::{Both, Heard};
use crate::json;

#[tokio::test]
async fn plain_events_of_ours_have_their_types_in_python() {
    let mut both = Both::start().await;
    let params = r#"{"timeperiod": 20, "nbdev": 2.0, "matype": null}"#;
    let event = IndicatorCalculated {
        stock_code: "600519.SH".to_owned(),
        indicator_code: "BBANDS".to_owned(),
        params: json(params),
        success: false,
        timestamp: 1_767_605_400.0,
    };
    let values = format!(
        r#"{{"stock_code": "600519.SH", "indicator_code": "BBANDS", "params": {params}, "success": false, "timestamp": 1767605400.0}}"#
    );
    let types = concat!(
        r#"{"stock_code": "str", "indicator_code": "str", "params": {"timeperiod": "int", "nbdev": "float", "#,
        r#""matype": "NoneType"}, "success": "bool", "timestamp": "float"}"#
    );
    both.heard_by_python(&event, &["indicator:calculated"], &values, types).await;

    let event = PriceUpdate {
        stock_code: "贵州茅台 📈\u{7f}".to_owned(),
        price: 1688.0,
        change: -0.0,
        change_pct: f64::NAN,
        timestamp: 1_767_605_400.125,
    };
    let values = r#"{"stock_code": "贵州茅台 📈\u007f", "price": 1688.0, "change": -0.0, "change_pct": NaN, "timestamp": 1767605400.125}"#;
    let types = r#"{"stock_code": "str", "price": "float", "change": "float", "change_pct": "float", "timestamp": "float"}"#;
    both.heard_by_python(&event, &["price:update"], values, types).await;

    let mut event = TaskUpdated {
        task_id: "t-1".to_owned(),
        status: TaskStatus::Cancelled,
        progress: 100.0,
        result: Json::Null,
        timestamp: 1.5,
    };
    for (result, kind) in [("null", r#""NoneType""#), (r#"{"rows": 3}"#, r#"{"rows": "int"}"#)] {
        event.result = json(result);
        let values = format!(
            r#"{{"task_id": "t-1", "status": "cancelled", "progress": 100.0, "result": {result}, "timestamp": 1.5}}"#
        );
        let types = format!(
            r#"{{"task_id": "str", "status": "str", "progress": "float", "result": {kind}, "timestamp": "float"}}"#
        );
        both.heard_by_python(&event, &["task:updated"], &values, &types).await;
    }

    let event = ConfigReloaded { config_type: "risk".to_owned(), timestamp: 1e-5 };
    let values = r#"{"config_type": "risk", "timestamp": 1e-05}"#;
    both.heard_by_python(
        &event,
        &["config:reloaded"],
        values,
        r#"{"config_type": "str", "timestamp": "float"}"#,
    )
    .await;
    both.end().await;
}

/// What every typed event begins with, and what the types of that are.
fn begin(event_type: &str) -> String {
    format!(r#""event_type": "{event_type}", "timestamp": "2026-01-05T09:30:00.125000", "version": "1.0""#)
}

const BEGIN: &str = r#""event_type": "str", "timestamp": "str", "version": "str""#;

#[tokio::test]
async fn task_and_system_events_of_ours_have_their_types_in_python() {
    let mut both = Both::start().await;
    let values = concat!(
        r#""task_id": "t-1", "task_type": "batch", "status": "running", "progress": 12.5, "message": "第1只", "#,
        r#""metadata": {"step": [1, 2]}, "processed": 1, "total": 8, "failed": 0"#
    );
    let types = concat!(
        r#""task_id": "str", "task_type": "str", "status": "str", "progress": "float", "message": "str", "#,
        r#""metadata": {"step": ["int", "int"]}, "processed": "int", "total": "int", "failed": "int""#
    );
    let (values, types) =
        (format!("{{{}, {values}}}", begin("task.progress")), format!("{{{BEGIN}, {types}}}"));
    both.heard_by_python(&progress(), &["events:tasks", "events:task:t-1"], &values, &types).await;

    let values = format!(
        r#"{{{}, "task_id": "t-1", "task_type": "batch", "status": "completed", "duration_seconds": 3.0, "result": {{"success": 7, "failed": 1}}}}"#,
        begin("task.completed")
    );
    let types = format!(
        r#"{{{BEGIN}, "task_id": "str", "task_type": "str", "status": "str", "duration_seconds": "float", "result": {{"success": "int", "failed": "int"}}}}"#
    );
    both.heard_by_python(&completed(), &["events:tasks", "events:task:t-1"], &values, &types).await;

    let values = format!(
        r#"{{{}, "service": "scheduler", "status": "healthy", "metrics": {{"queue": 0, "lag": Infinity}}}}"#,
        begin("system.heartbeat")
    );
    let types = format!(
        r#"{{{BEGIN}, "service": "str", "status": "str", "metrics": {{"queue": "int", "lag": "float"}}}}"#
    );
    both.heard_by_python(&heartbeat(), &["events:system"], &values, &types).await;
    both.end().await;
}

#[tokio::test]
async fn indicator_events_of_ours_have_their_types_in_python() {
    let mut both = Both::start().await;
    let values = format!(
        r#"{{{}, "stock_code": "600519.SH", "indicators": ["SMA", "MACD"], "success_count": 2, "failed_count": 0, "calculation_time_ms": 0.25, "from_cache_count": 1}}"#,
        begin("stock.indicators.completed")
    );
    let types = format!(
        r#"{{{BEGIN}, "stock_code": "str", "indicators": ["str", "str"], "success_count": "int", "failed_count": "int", "calculation_time_ms": "float", "from_cache_count": "int"}}"#
    );
    both.heard_by_python(&stock(), &["events:indicators"], &values, &types).await;

    let rests = [
        (
            r#"false, "calculation_time_ms": null, "from_cache": false, "error_message": null"#,
            ["NoneType", "NoneType"],
        ),
        (
            r#"true, "calculation_time_ms": 2.0, "from_cache": true, "error_message": null"#,
            ["float", "NoneType"],
        ),
        (
            r#"false, "calculation_time_ms": null, "from_cache": false, "error_message": "数据不足""#,
            ["NoneType", "str"],
        ),
    ];
    for ((name, event), (rest, [time, message])) in calculations().into_iter().zip(rests) {
        let values = format!(
            r#"{{{}, "stock_code": "600519.SH", "indicator_code": "SMA", "parameters": {{"timeperiod": 20}}, "success": {rest}}}"#,
            begin(&format!("indicator.calculation.{name}"))
        );
        let types = format!(
            r#"{{{BEGIN}, "stock_code": "str", "indicator_code": "str", "parameters": {{"timeperiod": "int"}}, "success": "bool", "calculation_time_ms": "{time}", "from_cache": "bool", "error_message": "{message}"}}"#
        );
        both.heard_by_python(&event, &["events:indicators"], &values, &types).await;
    }
    both.end().await;
}

#[tokio::test]
async fn market_events_of_ours_come_to_pythons_patterns_too() {
    let mut both = Both::start().await;
    let values = format!(
        r#"{{{}, "stock_code": "600519.SH", "data_type": "quote", "data": {{"name": "茅台", "price": 1688.0, "pe": NaN, "volume": 18446744073709551616, "halted": false}}}}"#,
        begin("market.data.update")
    );
    let types = format!(
        r#"{{{BEGIN}, "stock_code": "str", "data_type": "str", "data": {{"name": "str", "price": "float", "pe": "float", "volume": "int", "halted": "bool"}}}}"#
    );
    both.heard_by_python(&market(), &["events:market", "events:market:600519.SH"], &values, &types).await;

    assert_eq!(both.python.number("psubscribe", &["events:market:*"]), 1);
    assert_eq!(
        both.bus.publish(&market()).await.unwrap(),
        1,
        "the pattern does not take the channel of every stock"
    );
    let heard = Heard::of(&mut both.python);
    assert_eq!(heard.channel, "mystocks:events:market:600519.SH");
    assert_eq!(heard.pattern.as_deref(), Some("mystocks:events:market:*"));
    assert_eq!((heard.event, heard.types), (json(&values), json(&types)));
    both.end().await;
}

/// An event of our own, which Python may read.
#[derive(Debug, Serialize, Deserialize)]
struct Rebalanced {
    portfolio: String,
    turnover: f64,
}

impl Event for Rebalanced {
    const TYPE: &'static str = "portfolio.rebalanced";

    fn topics(&self) -> Vec<Topic<Self>> {
        vec![Topic::new("portfolio:rebalanced")]
    }
}

#[tokio::test]
async fn events_of_our_own_are_json_to_python_too() {
    let mut both = Both::start().await;
    assert_eq!(both.python.number("subscribe", &["portfolio:rebalanced"]), 1);
    both.bus.publish(&Rebalanced { portfolio: "稳健".to_owned(), turnover: 1.0 }).await.unwrap();
    let heard = Heard::of(&mut both.python);
    let types = concat!(
        r#"{"specversion": "str", "id": "str", "source": "str", "type": "str", "time": "str", "#,
        r#""schemaversion": "int", "datacontenttype": "str", "data": {"portfolio": "str", "turnover": "float"}}"#
    );
    assert_eq!((heard.types, heard.is_same), (json(types), true));
    let Json::Object(fields) = heard.event else { panic!("{:?}", heard.event) };
    assert_eq!(fields.last(), Some(&("data".to_owned(), json(r#"{"portfolio": "稳健", "turnover": 1.0}"#))));
    both.end().await;
}
