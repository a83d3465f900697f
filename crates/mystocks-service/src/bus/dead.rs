//! Dead letters: what a group gave up.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use mystocks_bus::{DurableTopic, Entry, Json};
use mystocks_cache::{Lifetime, Store};
use serde_json::{Value, json};

use super::Anything;
use crate::cli::{DeadLetters, Format, Replay};
use crate::platform::Platform;
use crate::say;

/// Lists or replays.
pub(super) async fn run(platform: &Platform, arguments: &DeadLetters) -> Result<ExitCode> {
    match arguments {
        DeadLetters::List { topic, group, limit, format } => {
            list(platform, topic, group, *limit, *format).await
        }
        DeadLetters::Replay(arguments) => replay(platform, arguments).await,
    }
}

async fn list(
    platform: &Platform,
    topic: &str,
    group: &str,
    limit: usize,
    format: Format,
) -> Result<ExitCode> {
    let durable = durable(platform, topic);
    let letters = durable.dead_letters(group, None, limit).await?;
    let all = durable.state(group).await?.dead;
    let machine = json!({
        "topic": topic,
        "group": group,
        "dead": all,
        "letters": letters.iter().map(machine).collect::<Vec<_>>(),
    });
    say::answer(format.json, &machine, || {
        let mut text = format!("{topic}, group {group}: {}", say::count(all, "dead letter", "dead letters"));
        for letter in &letters {
            let (at, reason) = died(letter);
            text.push_str(&format!("\n{} died {at} after {}: {reason}", letter.id, deliveries(letter)));
            text.push_str(&format!("\n  {}", String::from_utf8_lossy(&letter.payload)));
        }
        text
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn replay(platform: &Platform, arguments: &Replay) -> Result<ExitCode> {
    let Replay { topic, group, rate, format } = arguments;
    // Only the program that knows the events knows their keys, and so their lanes.
    let lane = platform.keyspace.stream(topic)?.lane(0).entries();
    let has_lanes = platform.store().touch(lane.as_str(), None).await? != Lifetime::Absent;
    ensure!(
        !has_lanes,
        "replay the dead letters of {topic}: it has lanes, and which one is a letter's only the \
         program tells that knows its events; use DurableTopic::replay there"
    );
    let replayed = durable(platform, topic).replay(group, *rate, |_| true).await?;
    let machine =
        json!({ "topic": topic, "group": group, "replayed": replayed.replayed, "gone": replayed.gone });
    say::answer(format.json, &machine, || {
        let gone = if replayed.gone > 0 {
            format!("; {} were replayed by somebody else", replayed.gone)
        } else {
            String::new()
        };
        format!(
            "{} of {topic} will be handled again by {group}{gone}",
            say::count(replayed.replayed, "dead letter", "dead letters")
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

fn durable(platform: &Platform, topic: &str) -> DurableTopic<Anything> {
    DurableTopic::new(platform.log(), topic, "mystocks-bus")
}

fn machine(letter: &Entry) -> Value {
    let text = String::from_utf8_lossy(&letter.payload);
    let event = Json::parse(&letter.payload).ok().and_then(|json| json.to_deserialize::<Value>().ok());
    let death = letter.death.as_ref();
    json!({
        "id": letter.id.to_string(),
        "was": death.map(|death| death.id.to_string()),
        "died_at": death.map(|death| death.at as f64 / 1e3),
        "reason": death.map(|death| &death.reason),
        "deliveries": letter.deliveries,
        "event": event.unwrap_or_else(|| json!(text)),
    })
}

fn died(letter: &Entry) -> (String, &str) {
    let Some(death) = &letter.death else { return ("at an unknown time".to_owned(), "nobody said why") };
    let at = i64::try_from(death.at).ok().and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
    (at.map_or_else(|| "at an unknown time".to_owned(), |at| at.to_string()), &death.reason)
}

fn deliveries(letter: &Entry) -> String {
    say::count(letter.deliveries, "delivery", "deliveries")
}
