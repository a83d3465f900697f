//! Events of this project's own: what stands around them.

use std::borrow::Cow;
use std::collections::HashSet;
use std::time::SystemTime;

use mystocks_bus::{Event, Topic};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Line, assert_counts, moment, next};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Rebalanced {
    portfolio: String,
    turnover: f64,
}

impl Rebalanced {
    fn new() -> Self {
        Self { portfolio: "稳健".to_owned(), turnover: f64::NAN }
    }

    fn topic() -> Topic<Self> {
        Topic::new("portfolio:rebalanced")
    }
}

impl Event for Rebalanced {
    const TYPE: &'static str = "portfolio.rebalanced";
    const VERSION: u32 = 3;

    fn topics(&self) -> Vec<Topic<Self>> {
        vec![Self::topic()]
    }

    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(&self.portfolio))
    }
}

/// An event about nothing in particular, of the first version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Closed {}

impl Event for Closed {
    const TYPE: &'static str = "exchange.closed";

    fn topics(&self) -> Vec<Topic<Self>> {
        vec![Topic::new("exchange")]
    }
}

#[tokio::test]
async fn an_envelope_has_the_attributes_of_cloudevents() {
    let line = Line::new();
    let mut subscription = line.bus.subscribe(Rebalanced::topic()).await.unwrap();
    let before = SystemTime::now();
    assert_eq!(line.bus.publish(&Rebalanced::new()).await.unwrap(), 2);
    let after = SystemTime::now();
    let received = next(&mut subscription).await;
    assert!(received.portfolio == "稳健" && received.turnover.is_nan(), "{received:?}");
    let envelope = received.envelope().unwrap();
    assert_eq!((&*envelope.source, &*envelope.kind), ("indicators", "portfolio.rebalanced"));
    assert_eq!((envelope.subject.as_deref(), envelope.version), (Some("稳健"), 3));
    assert_eq!(envelope.traceparent, None);
    let published = envelope.published_at().unwrap();
    assert!((before..=after).contains(&published), "{before:?} {published:?} {after:?}");
    assert!(envelope.time.ends_with('Z'), "{}", envelope.time);
    let text = format!(
        concat!(
            r#"{{"specversion": "1.0", "id": "{}", "source": "indicators", "type": "portfolio.rebalanced", "#,
            r#""time": "{}", "subject": "\u7a33\u5065", "schemaversion": 3, "#,
            r#""datacontenttype": "application/json", "data": {{"portfolio": "\u7a33\u5065", "turnover": NaN}}}}"#
        ),
        envelope.id, envelope.time
    );
    assert_eq!(line.take(), [("mystocks:portfolio:rebalanced".to_owned(), text)]);
}

#[tokio::test]
async fn an_event_without_a_key_has_no_subject() {
    let line = Line::new();
    let mut subscription = line.bus.subscribe(Topic::<Closed>::new("exchange")).await.unwrap();
    let written = line.bus.publish(&Closed {}).await.map(|_| line.take()).unwrap();
    let received = next(&mut subscription).await;
    let envelope = received.envelope().unwrap();
    let text = format!(
        concat!(
            r#"{{"specversion": "1.0", "id": "{}", "source": "indicators", "type": "exchange.closed", "#,
            r#""time": "{}", "schemaversion": 1, "datacontenttype": "application/json", "data": {{}}}}"#
        ),
        envelope.id, envelope.time
    );
    assert_eq!(written, [("mystocks:exchange".to_owned(), text)]);
}

#[tokio::test]
async fn every_event_has_an_id_of_its_own() {
    let line = Line::new();
    let mut subscription = line.bus.subscribe(Rebalanced::topic()).await.unwrap();
    let mut ids = HashSet::new();
    for _ in 0..500 {
        line.bus.publish(&Rebalanced::new()).await.unwrap();
        let id = next(&mut subscription).await.envelope().unwrap().id.clone();
        assert_eq!(Uuid::parse_str(&id).unwrap().to_string(), id);
        assert!(ids.insert(id), "an id came twice");
    }
}

#[tokio::test]
async fn on_several_topics_it_is_one_event() {
    let line = Line::new();
    let topics = [Rebalanced::topic(), Topic::new("portfolio:all")];
    assert_eq!(line.bus.broadcast(&topics, &Rebalanced::new()).await.unwrap(), 2);
    let written = line.take();
    let channels: Vec<_> = written.iter().map(|(channel, _)| channel.as_str()).collect();
    assert_eq!(channels, ["mystocks:portfolio:rebalanced", "mystocks:portfolio:all"]);
    assert_eq!(written[0].1, written[1].1, "with one id");
}

#[tokio::test]
async fn other_types_and_versions_to_come_are_skipped_and_earlier_ones_read() {
    const DATA: &str = r#""data": {"portfolio": "a", "turnover": 0.5}"#;
    let line = Line::new();
    let mut subscription = line.bus.subscribe(Rebalanced::topic()).await.unwrap();
    let head = r#""id": "1", "source": "s", "time": "2026-01-05T17:30:00.125+08:00", "type": "portfolio.rebalanced""#;
    let skipped = [
        format!(r#"{{{head}, "schemaversion": 4, {DATA}}}"#),
        format!(r#"{{{head}, "schemaversion": 4, "data": {{"quota": 1}}}}"#),
        format!(r#"{{{}, {DATA}}}"#, head.replace("rebalanced", "opened")),
    ];
    let undecodable = [
        format!("{{{head}}}"),
        format!(r#"{{{head}, "data": null}}"#),
        format!(r#"{{{head}, "data": {{"portfolio": "a"}}}}"#),
        format!(r#"{{{head}, "schemaversion": "3", {DATA}}}"#),
        format!(r#"{{"type": "portfolio.rebalanced", {DATA}}}"#),
        r#"{"portfolio": "a", "turnover": 0.5}"#.to_owned(),
    ];
    // Of the version of the type, one before, and the first, which needs not be said; attributes nobody knows are left alone.
    let read = [
        (format!(r#"{{"specversion": "1.0", {head}, "schemaversion": 3, {DATA}, "region": 2}}"#), 3),
        (format!(r#"{{{head}, "schemaversion": 2, {DATA}}}"#), 2),
        (format!(r#"{{{head}, {DATA}, "traceparent": "00-1-2-00", "subject": "b"}}"#), 1),
    ];
    let all = skipped.iter().chain(&undecodable).chain(read.iter().map(|(text, _)| text));
    for text in all {
        assert_eq!(line.put("portfolio:rebalanced", text.as_bytes()).await, 1);
    }
    for (text, version) in &read {
        let received = next(&mut subscription).await;
        assert_eq!(received.event, Rebalanced { portfolio: "a".to_owned(), turnover: 0.5 });
        let envelope = received.envelope().unwrap();
        assert_eq!((&*envelope.id, &*envelope.source, envelope.version), ("1", "s", *version), "{text}");
        assert_eq!(envelope.published_at(), Some(moment()));
        let is_last = *version == 1;
        assert_eq!(envelope.traceparent.as_deref(), is_last.then_some("00-1-2-00"));
        assert_eq!(envelope.subject.as_deref(), is_last.then_some("b"));
    }
    assert_counts(&subscription, [3, 3, 6]);
}

#[tokio::test]
async fn a_time_that_is_none_is_kept_as_text() {
    let line = Line::new();
    let mut subscription = line.bus.subscribe(Topic::<Closed>::new("exchange")).await.unwrap();
    let text = r#"{"id": "1", "source": "s", "time": "soon", "type": "exchange.closed", "data": {}}"#;
    line.put("exchange", text.as_bytes()).await;
    let received = next(&mut subscription).await;
    let envelope = received.envelope().unwrap();
    assert_eq!((&*envelope.time, envelope.published_at()), ("soon", None));
}
