//! What Python publishes, as we get it.

use mystocks_bus::{
    ConfigReloaded, IndicatorCalculated, IndicatorEvent, MarketEvent, PriceUpdate, SystemEvent, TaskEvent,
    TaskStatus, TaskUpdated, Topics,
};
use mystocks_keys::Json;

use super::events::{calculations, completed, heartbeat, market, progress, stock};
use super::{Both, next};
use crate::json;

fn float(json: &Json) -> f64 {
    let Json::Float(number) = json else { panic!("{json:?} is no float") };
    *number
}

#[tokio::test]
async fn plain_events_of_python_have_their_values_here() {
    let mut both = Both::start().await;
    let (received, time) = both.heard_from_python("indicator.calculated", IndicatorCalculated::topic()).await;
    let expected = IndicatorCalculated {
        stock_code: "600519.SH".to_owned(),
        indicator_code: "BBANDS".to_owned(),
        params: json(r#"{"timeperiod": 20, "nbdev": 2.0, "big": 1208925819614629174706176}"#),
        success: true,
        timestamp: float(&time),
    };
    assert_eq!(received.event, expected);

    let (received, time) = both.heard_from_python("price.update", PriceUpdate::topic()).await;
    assert_eq!((&*received.stock_code, received.price), ("贵州茅台 📈", 1688.0));
    assert!(received.change == 0.0 && received.change.is_sign_negative() && received.change_pct.is_nan());
    assert_eq!((received.timestamp, received.topic()), (float(&time), "price:update"));

    let (received, time) = both.heard_from_python("task.updated", TaskUpdated::topic()).await;
    let expected = TaskUpdated {
        task_id: "t-1".to_owned(),
        status: TaskStatus::Running,
        progress: 50.0,
        result: Json::Null,
        timestamp: float(&time),
    };
    assert_eq!(received.event, expected);

    let (received, time) = both.heard_from_python("config.reloaded", ConfigReloaded::topic()).await;
    assert_eq!(received.event, ConfigReloaded { config_type: "risk".to_owned(), timestamp: float(&time) });
    both.end().await;
}

#[tokio::test]
async fn typed_events_of_python_have_their_values_here() {
    let mut both = Both::start().await;
    let (received, _) = both.heard_from_python("task.progress", TaskEvent::topic_of("t-1")).await;
    assert_eq!((&received.event, received.topic()), (&progress(), "events:task:t-1"));
    let (received, _) = both.heard_from_python("task.completed", TaskEvent::topic()).await;
    assert_eq!((&received.event, received.topic()), (&completed(), "events:tasks"));
    let (received, time) =
        both.heard_from_python("stock.indicators.completed", IndicatorEvent::topic()).await;
    assert_eq!((received.event, time), (stock(), Json::from("2026-01-05T09:30:00.125000")));
    for (name, expected) in calculations() {
        let name = format!("indicator.calculation.{name}");
        let (received, _) = both.heard_from_python(&name, IndicatorEvent::topic()).await;
        assert_eq!(received.event, expected);
    }
    let (received, _) =
        both.heard_from_python("market.data.update", MarketEvent::topic_of("600519.SH")).await;
    assert_eq!(received.event, market());
    let (received, _) = both.heard_from_python("system.heartbeat", SystemEvent::topic()).await;
    assert_eq!(received.event, heartbeat());
    both.end().await;
}

#[tokio::test]
async fn a_pattern_of_ours_takes_what_python_publishes_for_every_stock() {
    let mut both = Both::start().await;
    let mut every = both.bus.subscribe(Topics::<MarketEvent>::pattern("events:market:*")).await.unwrap();
    both.python.ask("publish_event", &["market.data.update"], None);
    let received = next(&mut every).await;
    assert_eq!((&received.event, received.topic()), (&market(), "events:market:600519.SH"));
    both.end().await;
}

#[tokio::test]
async fn what_python_publishes_besides_does_not_end_a_subscription() {
    let mut both = Both::start().await;
    let mut tasks = both.bus.subscribe(TaskEvent::topic()).await.unwrap();
    for text in [r#"{"event_type": "task.paused"}"#, "{'event_type': 'task.progress'}", "贵州", ""] {
        assert_eq!(both.python.number("publish_text", &["events:tasks", text]), 1);
    }
    both.python.ask("publish_event", &["task.completed"], None);
    assert_eq!(next(&mut tasks).await.event, completed());
    let counts = tasks.counts();
    assert_eq!([counts.received, counts.delivered, counts.skipped, counts.undecodable], [5, 1, 1, 3]);
    both.end().await;
}
