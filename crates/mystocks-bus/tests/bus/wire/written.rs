//! Every event of the platform, as `json.dumps` writes the same.

use std::time::SystemTime;

use mystocks_bus::{
    Calculation, ConfigReloaded, Event, Heartbeat, IndicatorCalculated, IndicatorEvent, Json, MarketEvent,
    MarketUpdate, NaiveUtc, PriceUpdate, StockCompleted, SystemEvent, TaskCompleted, TaskEvent, TaskProgress,
    TaskResult, TaskStatus, TaskUpdated,
};

use super::{Line, json, timestamp, version};

/// Asserts that exactly `text` stands on exactly these channels.
async fn assert_written<E: Event>(event: &E, channels: &[&str], text: &str) {
    let expected: Vec<_> =
        channels.iter().map(|name| (format!("mystocks:{name}"), text.to_owned())).collect();
    assert_eq!(Line::new().written(event).await, expected);
}

#[tokio::test]
async fn indicator_calculated() {
    let params = json(r#"{"timeperiod": 20, "nbdev": 2.0, "deep": {"b": [null, NaN], "a": -Infinity}}"#);
    let event = IndicatorCalculated {
        stock_code: "600519.SH".to_owned(),
        indicator_code: "BBANDS".to_owned(),
        params,
        success: true,
        timestamp: 1_767_605_400.0,
    };
    let text = concat!(
        r#"{"stock_code": "600519.SH", "indicator_code": "BBANDS", "params": {"timeperiod": 20, "nbdev": 2.0, "#,
        r#""deep": {"b": [null, NaN], "a": -Infinity}}, "success": true, "timestamp": 1767605400.0}"#
    );
    assert_written(&event, &["indicator:calculated"], text).await;
}

#[tokio::test]
async fn price_update() {
    let event = PriceUpdate {
        stock_code: "贵州茅台 📈\u{7f}\n\"\\".to_owned(),
        price: 1688.0,
        change: -0.0,
        change_pct: f64::NAN,
        timestamp: 1_767_605_400.125,
    };
    let text = concat!(
        r#"{"stock_code": "\u8d35\u5dde\u8305\u53f0 \ud83d\udcc8\u007f\n\"\\", "price": 1688.0, "#,
        r#""change": -0.0, "change_pct": NaN, "timestamp": 1767605400.125}"#
    );
    assert_written(&event, &["price:update"], text).await;
    let event = PriceUpdate {
        price: f64::INFINITY,
        change: 1e-5,
        change_pct: 1e16,
        stock_code: "x".to_owned(),
        ..event
    };
    let text = r#"{"stock_code": "x", "price": Infinity, "change": 1e-05, "change_pct": 1e+16, "timestamp": 1767605400.125}"#;
    assert_written(&event, &["price:update"], text).await;
}

#[tokio::test]
async fn task_updated() {
    let mut event = TaskUpdated {
        task_id: "t-1".to_owned(),
        status: TaskStatus::Running,
        progress: 50.0,
        result: Json::Null,
        timestamp: 0.5,
    };
    let text =
        r#"{"task_id": "t-1", "status": "running", "progress": 50.0, "result": null, "timestamp": 0.5}"#;
    assert_written(&event, &["task:updated"], text).await;
    event.result = json(r#"{"rows": 340282366920938463463374607431768211455}"#);
    let statuses = [
        (TaskStatus::Pending, "pending"),
        (TaskStatus::Completed, "completed"),
        (TaskStatus::Failed, "failed"),
        (TaskStatus::Cancelled, "cancelled"),
        (TaskStatus::Other("paused".to_owned()), "paused"),
    ];
    for (status, name) in statuses {
        event.status = status;
        let text = format!(
            concat!(
                r#"{{"task_id": "t-1", "status": "{}", "progress": 50.0, "#,
                r#""result": {{"rows": 340282366920938463463374607431768211455}}, "timestamp": 0.5}}"#
            ),
            name
        );
        assert_written(&event, &["task:updated"], &text).await;
    }
}

#[tokio::test]
async fn config_reloaded() {
    let event = ConfigReloaded { config_type: "risk".to_owned(), timestamp: 1e-5 };
    assert_written(&event, &["config:reloaded"], r#"{"config_type": "risk", "timestamp": 1e-05}"#).await;
}

#[tokio::test]
async fn task_events_stand_on_both_channels() {
    let progress = TaskEvent::Progress(TaskProgress {
        timestamp: timestamp(),
        version: version(),
        task_id: "t-1".to_owned(),
        task_type: "batch".to_owned(),
        status: TaskStatus::Running,
        progress: 12.5,
        message: Some("第1只".to_owned()),
        metadata: json(r#"{"step": 1}"#),
        processed: 1,
        total: 8,
        failed: 0,
    });
    let text = concat!(
        r#"{"event_type": "task.progress", "timestamp": "2026-01-05T09:30:00.125000", "version": "1.0", "#,
        r#""task_id": "t-1", "task_type": "batch", "status": "running", "progress": 12.5, "#,
        r#""message": "\u7b2c1\u53ea", "metadata": {"step": 1}, "processed": 1, "total": 8, "failed": 0}"#
    );
    assert_written(&progress, &["events:tasks", "events:task:t-1"], text).await;

    let completed = TaskEvent::Completed(TaskCompleted {
        timestamp: NaiveUtc::from(SystemTime::UNIX_EPOCH),
        version: version(),
        task_id: "t-2".to_owned(),
        task_type: "batch".to_owned(),
        status: TaskStatus::Completed,
        duration_seconds: 3.0,
        result: TaskResult { success: 7, failed: 1 },
    });
    let text = concat!(
        r#"{"event_type": "task.completed", "timestamp": "1970-01-01T00:00:00", "version": "1.0", "#,
        r#""task_id": "t-2", "task_type": "batch", "status": "completed", "duration_seconds": 3.0, "#,
        r#""result": {"success": 7, "failed": 1}}"#
    );
    assert_written(&completed, &["events:tasks", "events:task:t-2"], text).await;
}

#[tokio::test]
async fn indicator_events() {
    let all = IndicatorEvent::StockCompleted(StockCompleted {
        timestamp: timestamp(),
        version: version(),
        stock_code: "600519.SH".to_owned(),
        indicators: vec!["SMA".to_owned(), "MACD".to_owned()],
        success_count: 2,
        failed_count: 0,
        calculation_time_ms: 0.25,
        from_cache_count: 1,
    });
    let text = concat!(
        r#"{"event_type": "stock.indicators.completed", "timestamp": "2026-01-05T09:30:00.125000", "#,
        r#""version": "1.0", "stock_code": "600519.SH", "indicators": ["SMA", "MACD"], "success_count": 2, "#,
        r#""failed_count": 0, "calculation_time_ms": 0.25, "from_cache_count": 1}"#
    );
    assert_written(&all, &["events:indicators"], text).await;

    let one = Calculation {
        timestamp: timestamp(),
        version: version(),
        stock_code: "600519.SH".to_owned(),
        indicator_code: "SMA".to_owned(),
        parameters: json(r#"{"timeperiod": 20}"#),
        success: false,
        calculation_time_ms: None,
        from_cache: false,
        error_message: None,
    };
    let done = Calculation { success: true, calculation_time_ms: Some(2.0), from_cache: true, ..one.clone() };
    let failed = Calculation { error_message: Some("数据不足".to_owned()), ..one.clone() };
    let nothing =
        r#""success": false, "calculation_time_ms": null, "from_cache": false, "error_message": null"#;
    let something =
        r#""success": true, "calculation_time_ms": 2.0, "from_cache": true, "error_message": null"#;
    let why = concat!(
        r#""success": false, "calculation_time_ms": null, "from_cache": false, "#,
        r#""error_message": "\u6570\u636e\u4e0d\u8db3""#
    );
    for (event, name, rest) in [
        (IndicatorEvent::Started(one), "started", nothing),
        (IndicatorEvent::Completed(done), "completed", something),
        (IndicatorEvent::Failed(failed), "failed", why),
    ] {
        let text = format!(
            concat!(
                r#"{{"event_type": "indicator.calculation.{}", "timestamp": "2026-01-05T09:30:00.125000", "#,
                r#""version": "1.0", "stock_code": "600519.SH", "indicator_code": "SMA", "#,
                r#""parameters": {{"timeperiod": 20}}, {}}}"#
            ),
            name, rest
        );
        assert_written(&event, &["events:indicators"], &text).await;
    }
}

#[tokio::test]
async fn market_events_stand_on_both_channels() {
    let event = MarketEvent::Update(MarketUpdate {
        timestamp: timestamp(),
        version: version(),
        stock_code: "600519.SH".to_owned(),
        data_type: "quote".to_owned(),
        data: json(r#"{"name": "茅台", "price": 1688.0, "pe": NaN, "volume": 18446744073709551616}"#),
    });
    let text = concat!(
        r#"{"event_type": "market.data.update", "timestamp": "2026-01-05T09:30:00.125000", "version": "1.0", "#,
        r#""stock_code": "600519.SH", "data_type": "quote", "#,
        r#""data": {"name": "\u8305\u53f0", "price": 1688.0, "pe": NaN, "volume": 18446744073709551616}}"#
    );
    assert_written(&event, &["events:market", "events:market:600519.SH"], text).await;
}

#[tokio::test]
async fn heartbeats() {
    let event = SystemEvent::Heartbeat(Heartbeat {
        timestamp: timestamp(),
        version: version(),
        service: "indicators".to_owned(),
        status: "healthy".to_owned(),
        metrics: json(r#"{"queue": 0, "lag": Infinity}"#),
    });
    let text = concat!(
        r#"{"event_type": "system.heartbeat", "timestamp": "2026-01-05T09:30:00.125000", "version": "1.0", "#,
        r#""service": "indicators", "status": "healthy", "metrics": {"queue": 0, "lag": Infinity}}"#
    );
    assert_written(&event, &["events:system"], text).await;
}

#[tokio::test]
async fn the_calls_of_the_platform_write_the_same_events_with_the_time_in_seconds() {
    let line = Line::new();
    let params = json(r#"{"timeperiod": 20}"#);
    line.bus.publish_indicator_calculated("600519.SH", "SMA", params, false).await.unwrap();
    line.bus.publish_price_update("600519.SH", 1.0, 2.0, 3.0).await.unwrap();
    line.bus.publish_task_updated("t-1", TaskStatus::Pending, 0.0, None).await.unwrap();
    line.bus.publish_config_reloaded("risk").await.unwrap();
    let expected = [
        (
            "mystocks:indicator:calculated",
            r#"{"stock_code": "600519.SH", "indicator_code": "SMA", "params": {"timeperiod": 20}, "success": false"#,
        ),
        (
            "mystocks:price:update",
            r#"{"stock_code": "600519.SH", "price": 1.0, "change": 2.0, "change_pct": 3.0"#,
        ),
        (
            "mystocks:task:updated",
            r#"{"task_id": "t-1", "status": "pending", "progress": 0.0, "result": null"#,
        ),
        ("mystocks:config:reloaded", r#"{"config_type": "risk""#),
    ];
    let written = line.take();
    assert_eq!(written.len(), expected.len());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    for ((channel, text), (to, start)) in written.iter().zip(expected) {
        assert_eq!(channel, to);
        let (before, time) = text.split_once(r#", "timestamp": "#).unwrap();
        assert_eq!(before, start);
        let time = time.strip_suffix('}').unwrap();
        assert!(time.contains('.'), "{time} is a float to Python");
        let time: f64 = time.parse().unwrap();
        assert!((time - now).abs() < 60.0, "{time} is not the time in seconds, {now}");
    }
}
