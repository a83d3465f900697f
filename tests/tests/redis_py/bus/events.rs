//! Events that both sides make.

use std::time::{Duration, SystemTime};

use mystocks_bus::{
    Calculation, Heartbeat, IndicatorEvent, MarketEvent, MarketUpdate, NaiveUtc, StockCompleted, SystemEvent,
    TaskCompleted, TaskEvent, TaskProgress, TaskResult, TaskStatus,
};

use crate::json;

/// `2026-01-05T09:30:00.125`, as both sides write it.
fn timestamp() -> NaiveUtc {
    NaiveUtc::from(SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_605_400_125))
}

fn version() -> String {
    "1.0".to_owned()
}

pub(super) fn progress() -> TaskEvent {
    TaskEvent::Progress(TaskProgress {
        timestamp: timestamp(),
        version: version(),
        task_id: "t-1".to_owned(),
        task_type: "batch".to_owned(),
        status: TaskStatus::Running,
        progress: 12.5,
        message: Some("第1只".to_owned()),
        metadata: json(r#"{"step": [1, 2]}"#),
        processed: 1,
        total: 8,
        failed: 0,
    })
}

pub(super) fn completed() -> TaskEvent {
    TaskEvent::Completed(TaskCompleted {
        timestamp: timestamp(),
        version: version(),
        task_id: "t-1".to_owned(),
        task_type: "batch".to_owned(),
        status: TaskStatus::Completed,
        duration_seconds: 3.0,
        result: TaskResult { success: 7, failed: 1 },
    })
}

pub(super) fn stock() -> IndicatorEvent {
    IndicatorEvent::StockCompleted(StockCompleted {
        timestamp: timestamp(),
        version: version(),
        stock_code: "600519.SH".to_owned(),
        indicators: vec!["SMA".to_owned(), "MACD".to_owned()],
        success_count: 2,
        failed_count: 0,
        calculation_time_ms: 0.25,
        from_cache_count: 1,
    })
}

/// One that has just begun.
fn calculation() -> Calculation {
    Calculation {
        timestamp: timestamp(),
        version: version(),
        stock_code: "600519.SH".to_owned(),
        indicator_code: "SMA".to_owned(),
        parameters: json(r#"{"timeperiod": 20}"#),
        success: false,
        calculation_time_ms: None,
        from_cache: false,
        error_message: None,
    }
}

pub(super) fn calculations() -> [(&'static str, IndicatorEvent); 3] {
    let done =
        Calculation { success: true, calculation_time_ms: Some(2.0), from_cache: true, ..calculation() };
    let failed = Calculation { error_message: Some("数据不足".to_owned()), ..calculation() };
    [
        ("started", IndicatorEvent::Started(calculation())),
        ("completed", IndicatorEvent::Completed(done)),
        ("failed", IndicatorEvent::Failed(failed)),
    ]
}

pub(super) fn market() -> MarketEvent {
    let data =
        r#"{"name": "茅台", "price": 1688.0, "pe": NaN, "volume": 18446744073709551616, "halted": false}"#;
    MarketEvent::Update(MarketUpdate {
        timestamp: timestamp(),
        version: version(),
        stock_code: "600519.SH".to_owned(),
        data_type: "quote".to_owned(),
        data: json(data),
    })
}

pub(super) fn heartbeat() -> SystemEvent {
    SystemEvent::Heartbeat(Heartbeat {
        timestamp: timestamp(),
        version: version(),
        service: "scheduler".to_owned(),
        status: "healthy".to_owned(),
        metrics: json(r#"{"queue": 0, "lag": Infinity}"#),
    })
}
