//! What Python writes, and what it might: what is read of it, what is skipped, what cannot be read.

use std::time::{Duration, SystemTime};

use mystocks_bus::{
    ConfigReloaded, Event, IndicatorCalculated, IndicatorEvent, Json, MarketEvent, PriceUpdate, Received,
    SystemEvent, TaskEvent, TaskStatus, TaskUpdated, Topic, Topics,
};

use super::{Line, assert_counts, json, moment, next};

const MOMENT: &str = r#""timestamp": "2026-01-05T09:30:00.125000", "version": "1.0""#;

/// Puts `text` on `channel`, where alone it is awaited, and returns what is read.
async fn read<E: Event>(topic: Topic<E>, channel: &str, text: &str) -> Received<E> {
    let line = Line::new();
    let mut subscription = line.bus.subscribe(topic).await.unwrap();
    assert_eq!(line.put(channel, text.as_bytes()).await, 1, "one waits for what stands on {channel}");
    let received = next(&mut subscription).await;
    assert_counts(&subscription, [1, 0, 0]);
    assert_eq!((received.topic(), received.envelope()), (channel, None));
    received
}

#[tokio::test]
async fn plain_events() {
    let text = concat!(
        r#"{"stock_code": "600519.SH", "indicator_code": "SMA", "params": {"timeperiod": 20, "q": NaN}, "#,
        r#""success": true, "timestamp": 12345.678}"#
    );
    let expected = IndicatorCalculated {
        stock_code: "600519.SH".to_owned(),
        indicator_code: "SMA".to_owned(),
        params: json(r#"{"timeperiod": 20, "q": NaN}"#),
        success: true,
        timestamp: 12345.678,
    };
    assert_eq!(read(IndicatorCalculated::topic(), "indicator:calculated", text).await.event, expected);

    // Integers where floats are meant, another order, and a field that nobody knows.
    let text = concat!(
        r#"{"timestamp": 12345, "change_pct": -1, "new": {"a": [1]}, "change": 0, "price": 1688, "#,
        r#""stock_code": "\u8d35\u5dde\u8305\u53f0 \ud83d\udcc8"}"#
    );
    let expected = PriceUpdate {
        stock_code: "贵州茅台 📈".to_owned(),
        price: 1688.0,
        change: 0.0,
        change_pct: -1.0,
        timestamp: 12345.0,
    };
    assert_eq!(read(PriceUpdate::topic(), "price:update", text).await.event, expected);
    let text = r#"{"stock_code": "x", "price": NaN, "change": Infinity, "change_pct": -Infinity, "timestamp": 1e-05}"#;
    let price = read(PriceUpdate::topic(), "price:update", text).await;
    assert!(price.price.is_nan());
    assert_eq!((price.change, price.change_pct, price.timestamp), (f64::INFINITY, f64::NEG_INFINITY, 1e-5));

    let text = r#"{"config_type": "risk", "timestamp": 0.5}"#;
    let expected = ConfigReloaded { config_type: "risk".to_owned(), timestamp: 0.5 };
    assert_eq!(read(ConfigReloaded::topic(), "config:reloaded", text).await.event, expected);
}

#[tokio::test]
async fn results_and_statuses_of_tasks() {
    let statuses = [
        ("pending", TaskStatus::Pending),
        ("running", TaskStatus::Running),
        ("completed", TaskStatus::Completed),
        ("failed", TaskStatus::Failed),
        ("cancelled", TaskStatus::Cancelled),
        ("RUNNING", TaskStatus::Other("RUNNING".to_owned())),
        ("\\u6682\\u505c", TaskStatus::Other("暂停".to_owned())),
    ];
    let results = [
        (r#", "result": null"#, Json::Null),
        ("", Json::Null),
        (r#", "result": {"rows": [1, 2.0]}"#, json(r#"{"rows": [1, 2.0]}"#)),
    ];
    for (status, expected) in &statuses {
        for (result, value) in &results {
            let text = format!(
                r#"{{"task_id": "t-1", "status": "{status}", "progress": 50{result}, "timestamp": 9.5}}"#
            );
            let expected = TaskUpdated {
                task_id: "t-1".to_owned(),
                status: expected.clone(),
                progress: 50.0,
                result: value.clone(),
                timestamp: 9.5,
            };
            assert_eq!(read(TaskUpdated::topic(), "task:updated", &text).await.event, expected);
        }
    }
}

#[tokio::test]
async fn task_events() {
    let text = format!(
        concat!(
            r#"{{"task_id": "t-1", "task_type": "batch", "status": "paused", "progress": 12, "message": "ok", "#,
            r#""metadata": {{"n": 1}}, "processed": 1, "total": 8, "failed": 2, "eta": 3, {}, "event_type": "task.progress"}}"#
        ),
        MOMENT
    );
    for (topic, channel) in
        [(TaskEvent::topic(), "events:tasks"), (TaskEvent::topic_of("t-1"), "events:task:t-1")]
    {
        let received = read(topic, channel, &text).await;
        let TaskEvent::Progress(event) = &received.event else { panic!("{received:?}") };
        assert_eq!((&*event.task_id, &*event.task_type, event.progress), ("t-1", "batch", 12.0));
        assert_eq!(event.status, TaskStatus::Other("paused".to_owned()));
        assert_eq!((event.message.as_deref(), &event.metadata), (Some("ok"), &json(r#"{"n": 1}"#)));
        assert_eq!([event.processed, event.total, event.failed], [1, 8, 2]);
        assert_eq!((&*event.version, event.timestamp.to_system_time()), ("1.0", Some(moment())));
    }

    let text = concat!(
        r#"{"event_type": "task.progress", "timestamp": "2026-01-05T09:30:00", "task_id": "t-1", "#,
        r#""task_type": "batch", "status": "running", "progress": NaN, "message": null}"#
    );
    let received = read(TaskEvent::topic(), "events:tasks", text).await;
    let TaskEvent::Progress(event) = &received.event else { panic!("{received:?}") };
    assert!(event.progress.is_nan());
    assert_eq!((&event.message, &event.metadata, &*event.version), (&None, &json("{}"), "1.0"));
    assert_eq!([event.processed, event.total, event.failed], [0; 3]);

    for (result, expected) in [(r#"{"success": 7, "failed": 1}"#, [7, 1]), ("{}", [0, 0])] {
        let text = format!(
            concat!(
                r#"{{"event_type": "task.completed", {}, "task_id": "t-1", "task_type": "batch", "#,
                r#""status": "failed", "duration_seconds": 3, "result": {}}}"#
            ),
            MOMENT, result
        );
        let received = read(TaskEvent::topic(), "events:tasks", &text).await;
        let TaskEvent::Completed(event) = &received.event else { panic!("{received:?}") };
        assert_eq!((&event.status, event.duration_seconds), (&TaskStatus::Failed, 3.0));
        assert_eq!([event.result.success, event.result.failed], expected);
    }
}

#[tokio::test]
async fn indicator_events() {
    let text = format!(
        concat!(
            r#"{{"event_type": "stock.indicators.completed", {}, "stock_code": "600519.SH", "#,
            r#""indicators": ["SMA", "MACD"], "success_count": 2, "failed_count": 1, "calculation_time_ms": 12}}"#
        ),
        MOMENT
    );
    let received = read(IndicatorEvent::topic(), "events:indicators", &text).await;
    let IndicatorEvent::StockCompleted(event) = &received.event else { panic!("{received:?}") };
    assert_eq!((&*event.stock_code, event.calculation_time_ms), ("600519.SH", 12.0));
    assert_eq!(event.indicators, ["SMA", "MACD"]);
    assert_eq!([event.success_count, event.failed_count, event.from_cache_count], [2, 1, 0]);

    for kind in ["started", "completed", "failed"] {
        let all = r#""parameters": {"timeperiod": 20}, "success": true, "calculation_time_ms": 2, "from_cache": true, "error_message": "x", "#;
        for rest in [all, r#""calculation_time_ms": null, "error_message": null, "#, ""] {
            let text = format!(
                r#"{{"stock_code": "600519.SH", "indicator_code": "SMA", {rest}{MOMENT}, "event_type": "indicator.calculation.{kind}"}}"#
            );
            let received = read(IndicatorEvent::topic(), "events:indicators", &text).await;
            let (event, name) = match &received.event {
                IndicatorEvent::Started(event) => (event, "started"),
                IndicatorEvent::Completed(event) => (event, "completed"),
                IndicatorEvent::Failed(event) => (event, "failed"),
                other => panic!("{other:?}"),
            };
            assert_eq!((name, &*event.stock_code, &*event.indicator_code), (kind, "600519.SH", "SMA"));
            let is_whole = rest == all;
            assert_eq!([event.success, event.from_cache], [is_whole; 2]);
            assert_eq!(event.calculation_time_ms, is_whole.then_some(2.0));
            assert_eq!(event.error_message.as_deref(), is_whole.then_some("x"));
            assert_eq!(event.parameters, json(if is_whole { r#"{"timeperiod": 20}"# } else { "{}" }));
        }
    }
}

#[tokio::test]
async fn market_and_system_events() {
    let data = r#"{"price": 1688.0, "volume": 20, "pe": NaN, "asks": [[1688.5, 100]], "big": 18446744073709551616, "name": "\u8305\u53f0"}"#;
    let text = format!(
        r#"{{"event_type": "market.data.update", {MOMENT}, "stock_code": "600519.SH", "data_type": "quote", "data": {data}}}"#
    );
    let topics = [
        (MarketEvent::topic(), "events:market"),
        (MarketEvent::topic_of("600519.SH"), "events:market:600519.SH"),
    ];
    for (topic, channel) in topics {
        let received = read(topic, channel, &text).await;
        let MarketEvent::Update(event) = &received.event else { panic!("{received:?}") };
        assert_eq!((&*event.stock_code, &*event.data_type, &event.data), ("600519.SH", "quote", &json(data)));
    }

    let text = format!(
        r#"{{"event_type": "system.heartbeat", {MOMENT}, "service": "a", "status": "healthy", "metrics": {{"q": 1}}}}"#
    );
    let received = read(SystemEvent::topic(), "events:system", &text).await;
    let SystemEvent::Heartbeat(event) = &received.event else { panic!("{received:?}") };
    assert_eq!((&*event.service, &*event.status, &event.metrics), ("a", "healthy", &json(r#"{"q": 1}"#)));
    assert_eq!(event.timestamp.as_str(), "2026-01-05T09:30:00.125000");
}

#[tokio::test]
async fn a_pattern_reads_the_events_of_every_stock() {
    let line = Line::new();
    let mut every = line.bus.subscribe(Topics::<MarketEvent>::pattern("events:market:*")).await.unwrap();
    let text = |code: &str| {
        format!(
            r#"{{"event_type": "market.data.update", {MOMENT}, "stock_code": "{code}", "data_type": "quote"}}"#
        )
    };
    assert_eq!(line.put("events:market", text("000001.SZ").as_bytes()).await, 0, "it is no stock's");
    for code in ["600519.SH", "000001.SZ"] {
        assert_eq!(line.put(&format!("events:market:{code}"), text(code).as_bytes()).await, 1);
        let received = next(&mut every).await;
        assert_eq!((received.stock_code(), received.topic()), (code, &*format!("events:market:{code}")));
    }
    assert_counts(&every, [2, 0, 0]);
}

#[tokio::test]
async fn a_time_with_a_zone_is_the_moment_it_names() {
    for (text, expected) in [
        ("2026-01-05T09:30:00.125000", Some(moment())),
        ("2026-01-05T09:30:00.125000+00:00", Some(moment())),
        ("2026-01-05T09:30:00.125Z", Some(moment())),
        ("2026-01-05T17:30:00.125+08:00", Some(moment())),
        ("1969-12-31T23:59:59", Some(SystemTime::UNIX_EPOCH - Duration::from_secs(1))),
        ("soon", None),
    ] {
        let text = format!(
            r#"{{"event_type": "system.heartbeat", "timestamp": "{text}", "service": "a", "status": "healthy"}}"#
        );
        let received = read(SystemEvent::topic(), "events:system", &text).await;
        let SystemEvent::Heartbeat(event) = &received.event else { panic!("{received:?}") };
        assert_eq!(event.timestamp.to_system_time(), expected, "{text}");
    }
}

#[tokio::test]
async fn what_is_no_such_event_is_counted_and_does_not_end_the_subscription() {
    let line = Line::new();
    let mut tasks = line.bus.subscribe(TaskEvent::topic()).await.unwrap();
    let progress = |task_id: &str, rest: &str| {
        format!(
            r#"{{"event_type": "task.progress", {MOMENT}, "task_id": {task_id}, "task_type": "a", "status": "running", "progress": {rest}}}"#
        )
    };
    let skipped = [
        r#"{"event_type": "task.paused", "task_id": "t-1"}"#,
        r#"{"event_type": "system.heartbeat"}"#,
        r#"{"event_type": "Progress"}"#,
        r#"{"event_type": ""}"#,
    ];
    let texts: [&[u8]; 13] = [
        b"",
        b"{",
        b"task",
        b"{'event_type': 'task.progress'}",
        b"{\"event_type\": \"task.progress\xff\"}",
        b"{} {}",
        b"null",
        b"[]",
        b"[\"task.completed\", \"2026-01-05T09:30:00\", \"1.0\", \"t\", \"a\", \"failed\", 1, {}]",
        b"\"task.progress\"",
        b"{\"event_type\": null}",
        b"{\"task_id\": \"t-1\"}",
        b"{\"event_type\": \"task.progress\"}",
    ];
    let shapes =
        [progress("1", "1"), progress("null", "1"), progress("\"a\"", "\"1\""), progress("\"a\"", "null")];
    let undecodable = texts.len() + shapes.len();
    for (at, text) in skipped
        .iter()
        .map(|text| text.as_bytes())
        .chain(texts)
        .chain(shapes.iter().map(|text| text.as_bytes()))
        .enumerate()
    {
        assert_eq!(line.put("events:tasks", text).await, 1);
        // A good one after each: none of them takes its neighbour along.
        line.put("events:tasks", progress(&format!("\"t-{at}\""), "1").as_bytes()).await;
        assert_eq!(
            next(&mut tasks).await.task_id(),
            format!("t-{at}"),
            "after {:?}",
            String::from_utf8_lossy(text)
        );
    }
    let all = skipped.len() + undecodable;
    assert_counts(&tasks, [all as u64, skipped.len() as u64, undecodable as u64]);
}

#[tokio::test]
async fn plain_events_have_no_type_so_a_wrong_shape_cannot_be_read() {
    let line = Line::new();
    let mut prices = line.bus.subscribe(PriceUpdate::topic()).await.unwrap();
    for text in [
        r#"{"event_type": "price.update"}"#,
        r#"{"stock_code": "a", "price": "1", "change": 0, "change_pct": 0, "timestamp": 0}"#,
        r#"{"stock_code": "a", "price": true, "change": 0, "change_pct": 0, "timestamp": 0}"#,
        r#"{"stock_code": "a", "price": null, "change": 0, "change_pct": 0, "timestamp": 0}"#,
        r#"{"stock_code": 600519, "price": 1, "change": 0, "change_pct": 0, "timestamp": 0}"#,
        r#"["a", 1, 0, 0, 0]"#,
    ] {
        line.put("price:update", text.as_bytes()).await;
    }
    line.bus.publish_price_update("a", 1.0, 0.0, 0.0).await.unwrap();
    assert_eq!(next(&mut prices).await.stock_code, "a");
    assert_counts(&prices, [1, 0, 6]);
}
