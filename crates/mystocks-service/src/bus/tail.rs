//! Events as they come.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use mystocks_bus::{Delivery, Topic, Topics};
use serde_json::json;

use super::Anything;
use crate::cli::Tail;
use crate::platform::Platform;
use crate::say;

/// How much longer a subscription may need than the bus waits for it.
const UP: std::time::Duration = std::time::Duration::from_millis(500);

/// Prints events until there were enough, or somebody interrupts.
pub(super) async fn run(platform: &Platform, arguments: &Tail) -> Result<ExitCode> {
    let is_pattern = |topic: &String| topic.contains(['*', '?', '[']);
    let topics: Topics<Anything> = match arguments.topics.as_slice() {
        [] => Topics::pattern("*"),
        [pattern] if is_pattern(pattern) => Topics::pattern(pattern.clone()),
        topics if topics.iter().any(is_pattern) => {
            bail!("listen to {}: name one pattern alone, or topics", topics.join(" "))
        }
        topics => Topics::these(topics.iter().map(|topic| Topic::new(topic.clone()))),
    };
    let mut events = platform.bus().subscribe(topics).await?;
    let what = if arguments.topics.is_empty() { "all topics".to_owned() } else { arguments.topics.join(" ") };
    let mut live = events.live();
    let up = tokio::time::timeout(UP, live.wait_for(|is_live| *is_live)).await;
    if !up.is_ok_and(|up| up.is_ok()) {
        bail!(
            "listen to {what}: the server does not let this user subscribe; it needs SUBSCRIBE, \
             PSUBSCRIBE and the channels (&{}*)",
            platform.keyspace.prefixes().bus
        );
    }
    // From when it says so on it can be interrupted.
    let mut interrupted = std::pin::pin!(say::interrupted());
    tokio::select! {
        biased;
        () = &mut interrupted => return Ok(ExitCode::SUCCESS),
        () = std::future::ready(()) => {}
    }
    say::note(format_args!("listening to {what}"));
    let mut left = arguments.count;
    while left != Some(0) {
        let next = tokio::select! {
            next = events.next() => next,
            () = &mut interrupted => break,
        };
        match next.context("go on listening: the bus has ended")? {
            Delivery::Event(received) => {
                let (topic, event) = (received.topic(), received.event.0.dumps());
                if arguments.json {
                    // What the platform's JSON can say and the standard's cannot stays readable as text.
                    let value = serde_json::from_str(&event).unwrap_or(serde_json::Value::String(event));
                    say::line(json!({ "topic": topic, "event": value }))?;
                } else {
                    say::line(format_args!("{topic} {event}"))?;
                }
                left = left.map(|left| left - 1);
            }
            Delivery::Gap(gap) => {
                let (seconds, dropped) = (gap.duration().as_secs_f64(), gap.dropped);
                if arguments.json {
                    let disconnected = gap.disconnected;
                    let gap = json!({ "seconds": seconds, "dropped": dropped, "disconnected": disconnected });
                    say::line(json!({ "gap": gap }))?;
                } else {
                    say::line(format_args!(
                        "(events of {seconds:.1} s may be missing here, {dropped} were dropped)"
                    ))?;
                }
            }
        }
    }
    let unreadable = events.counts().undecodable;
    if unreadable > 0 {
        say::note(format_args!(
            "passed over {} that are no JSON object",
            say::count(unreadable, "message", "messages")
        ));
    }
    Ok(ExitCode::SUCCESS)
}
