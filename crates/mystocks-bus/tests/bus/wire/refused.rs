//! What is not published.

use mystocks_bus::{
    ErrorKind, Event, Form, IndicatorCalculated, Json, MarketEvent, PriceUpdate, TaskEvent, Topic, Topics,
};
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};

use super::{Line, next};

/// Has no JSON form.
#[derive(Debug, Deserialize)]
struct Bottomless;

impl Serialize for Bottomless {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("it has no bottom"))
    }
}

macro_rules! bottomless {
    ($name:ident, $form:expr) => {
        #[derive(Debug, Serialize, Deserialize)]
        struct $name(Bottomless);

        impl Event for $name {
            const TYPE: &'static str = "bottomless";
            const FORM: Form = $form;

            fn topics(&self) -> Vec<Topic<Self>> {
                vec![Topic::new("well"), Topic::new("well:2")]
            }
        }
    };
}

bottomless!(Enveloped, Form::Envelope);
bottomless!(Bare, Form::Bare);
bottomless!(Typed, Form::Typed(&["bottomless"]));

async fn assert_not_encoded<E: Event>(line: &Line, event: &E, subject: &str, why: &str) {
    let error = line.bus.publish(event).await.unwrap_err();
    assert_eq!((error.kind(), error.subject()), (ErrorKind::Encode, subject));
    let expected = format!("publish on \"{subject}\": it has no JSON form: make JSON: {why}");
    assert_eq!(error.to_string(), expected);
    assert!(!error.is_retryable());
    assert_eq!(line.take(), [], "nothing was published");
}

#[tokio::test]
async fn an_event_without_a_json_form() {
    let line = Line::new();
    assert_not_encoded(&line, &Enveloped(Bottomless), "well", "it has no bottom").await;
    assert_not_encoded(&line, &Bare(Bottomless), "well", "it has no bottom").await;
    assert_not_encoded(&line, &Typed(Bottomless), "well", "it has no bottom").await;
    // A lone surrogate, which Python can hold.
    let params = Json::from_utf16(&[0xd800]);
    let event = IndicatorCalculated::new("a", "SMA", params, true);
    assert_not_encoded(&line, &event, "indicator:calculated", "a string holds a lone surrogate").await;

    // The bus goes on.
    let mut prices = line.bus.subscribe(PriceUpdate::topic()).await.unwrap();
    line.bus.publish_price_update("a", 1.0, 0.0, 0.0).await.unwrap();
    assert_eq!(next(&mut prices).await.price, 1.0);
}

fn price() -> PriceUpdate {
    PriceUpdate::new("a", 1.0, 0.0, 0.0)
}

#[tokio::test]
async fn a_name_that_cannot_be_a_topic() {
    let line = Line::new();
    let long = "a".repeat(600);
    for name in [
        "", ":", "a:", ":a", "a::b", "a{b}", "{", "a}", "a*", "a?", "a[b]", "a]", "a\\", "a\nb", "a\0", &long,
    ] {
        let topic = Topic::<PriceUpdate>::new(name);
        let published = line.bus.publish_to(&topic, &price()).await.unwrap_err();
        let subscribed = line.bus.subscribe(&topic).await.unwrap_err();
        // The good topic before it gets nothing either.
        let both = [PriceUpdate::topic(), topic];
        let broadcast = line.bus.broadcast(&both, &price()).await.unwrap_err();
        let subscribed_to_both = line.bus.subscribe(Topics::these(both)).await.unwrap_err();
        for error in [published, subscribed, broadcast, subscribed_to_both] {
            assert_eq!((error.kind(), error.subject()), (ErrorKind::InvalidArgument, name), "{error}");
            let text = error.to_string();
            assert!(text.contains(&format!("\"{}\": invalid argument", name.escape_debug())), "{text}");
        }
        assert_eq!(line.take(), []);
    }
}

#[tokio::test]
async fn names_that_can_be_topics() {
    let line = Line::new();
    for name in ["a", "a b", "组合:调仓", "a.b-c_d:E", "a%b", "\"a\""] {
        let topic = Topic::new(name);
        let mut subscription = line.bus.subscribe(&topic).await.unwrap();
        assert_eq!(line.bus.publish_to(&topic, &price()).await.unwrap(), 2);
        assert_eq!(next(&mut subscription).await.topic(), name);
        assert_eq!(line.take()[0].0, format!("mystocks:{name}"));
    }
}

#[tokio::test]
async fn tasks_and_stocks_whose_name_is_no_segment() {
    let line = Line::new();
    for name in ["", "a:b", "a{b}", "*"] {
        let text = format!(
            r#"{{"event_type": "task.completed", "timestamp": "", "task_id": "{name}", "task_type": "a", "status": "failed", "duration_seconds": 0, "result": {{}}}}"#
        );
        let task: TaskEvent = super::json(&text).to_deserialize().unwrap();
        let published = line.bus.publish(&task).await.unwrap_err();
        let subscribed = line.bus.subscribe(TaskEvent::topic_of(name)).await.unwrap_err();
        for error in [published, subscribed] {
            let subject = format!("events:task:{name}");
            assert_eq!((error.kind(), error.subject()), (ErrorKind::InvalidArgument, subject.as_str()));
        }
        let error = line.bus.subscribe(MarketEvent::topic_of(name)).await.unwrap_err();
        let subject = format!("events:market:{name}");
        assert_eq!((error.kind(), error.subject()), (ErrorKind::InvalidArgument, subject.as_str()));
        assert_eq!(line.take(), [], "not on the topic of all either");
    }
}

#[tokio::test]
async fn patterns_and_sets_that_cannot_be() {
    let line = Line::new();
    for glob in ["", "a::*", ":*", "a\\", "[a", "*a*a*a*a*a*a*a*a*"] {
        let error = line.bus.subscribe(Topics::<PriceUpdate>::pattern(glob)).await.unwrap_err();
        assert_eq!((error.kind(), error.subject()), (ErrorKind::InvalidArgument, glob), "{error}");
    }
    let error = line.bus.subscribe(Topics::<PriceUpdate>::these([])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(error.to_string(), "subscribe to \"no topic\": invalid argument, name at least one");
}

#[tokio::test]
async fn errors_name_the_platforms_topics_as_they_are_on_the_wire() {
    let line = Line::new();
    line.bus.shutdown().await;
    let error = line.bus.publish(&price()).await.unwrap_err();
    assert_eq!(error.to_string(), "publish on \"price:update\": the bus is shut down");
    let error = line.bus.subscribe(TaskEvent::topic()).await.unwrap_err();
    assert_eq!(error.to_string(), "subscribe to \"events:tasks\": the bus is shut down");
    assert_eq!(line.take(), []);
}
