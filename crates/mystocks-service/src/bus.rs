//! `mystocks bus`: what is said among services.

mod dead;
mod tail;

use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use mystocks_bus::{Event, Form, Json, Topic};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::cli::{Bus, Publish};
use crate::platform::Platform;
use crate::say;

/// Any event, as it stands on its channel.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct Anything(Json);

impl Event for Anything {
    const TYPE: &'static str = "any";
    const FORM: Form = Form::Bare;

    fn topics(&self) -> Vec<Topic<Self>> {
        Vec::new()
    }
}

/// Listens, publishes, or looks after dead letters.
pub(crate) async fn run(arguments: &Bus) -> Result<ExitCode> {
    let event = match arguments {
        Bus::Publish(publish) => Some(parse(&publish.event)?),
        Bus::Tail(_) | Bus::Dlq(_) => None,
    };
    Platform::with("bus", async |platform| {
        ensure!(
            platform.settings.bus.enabled,
            "use the bus: REDIS_ENABLE_PUBSUB is off, events stay within each process"
        );
        match (arguments, event) {
            (Bus::Publish(arguments), Some(event)) => publish(platform, arguments, event).await,
            (Bus::Tail(arguments), _) => tail::run(platform, arguments).await,
            (Bus::Dlq(arguments), _) => dead::run(platform, arguments).await,
            (Bus::Publish(_), None) => bail!("publish nothing"),
        }
    })
    .await
}

fn parse(text: &str) -> Result<Anything> {
    let event = Json::parse(text.as_bytes()).context("publish the event")?;
    ensure!(
        matches!(event, Json::Object(_)),
        "publish the event: it is no JSON object, such as {{\"price\": 1688.0}}"
    );
    Ok(Anything(event))
}

async fn publish(platform: &Platform, arguments: &Publish, event: Anything) -> Result<ExitCode> {
    let topic = &arguments.topic;
    let listeners = platform.bus().publish_to(&Topic::new(topic.clone()), &event).await?;
    say::answer(arguments.format.json, &json!({ "topic": topic, "listeners": listeners }), || {
        format!("published on {topic}: {}", say::count(listeners, "listener", "listeners"))
    })?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_object_and_a_mistake_in_it_has_a_place() {
        assert_eq!(parse(r#"{"price": 1.5}"#).unwrap().0.dumps(), r#"{"price": 1.5}"#);
        let said = |text| format!("{:#}", parse(text).unwrap_err());
        assert!(said(r#"{"price": }"#).contains("at byte 10"), "{}", said(r#"{"price": }"#));
        assert!(said("[1]").contains("no JSON object"));
    }
}
