//! What goes wrong again and again does not fill the log.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mystocks_bus::{Bus, Event, Form, Topic, Topics};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata, Subscriber};

use crate::world::{soon, tick, ticks};

/// Keeps what is warned of.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if ["message", "times"].contains(&field.name()) {
            self.0 += &format!("{value:?} ");
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0.trim_end().to_owned());
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Log {
    fn take(&self) -> Vec<String> {
        let mut lines = std::mem::take(&mut *self.0.lock().unwrap());
        lines.sort_unstable();
        lines
    }
}

/// What is no tick.
#[derive(Debug, Serialize, Deserialize)]
struct Tock;

impl Event for Tock {
    const TYPE: &'static str = "tock";
    const FORM: Form = Form::Bare;

    fn topics(&self) -> Vec<Topic<Self>> {
        vec![Topic::new("ticks")]
    }
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_again_and_again_is_said_once_a_second() {
    let log = Log::default();
    let _logging = tracing::subscriber::set_default(log.clone());
    let bus = Bus::memory();
    let listener = bus.on(ticks(), |tick| async move { assert!(tick.number == 7) }).await.unwrap();
    let mut narrow = bus.subscribe(Topics::from(&ticks()).messages(1)).await.unwrap();
    for round in 0..2 {
        for _ in 0..100 {
            bus.publish(&Tock).await.unwrap();
            bus.publish(&tick(1)).await.unwrap();
            soon(narrow.next()).await;
            soon(narrow.next()).await;
        }
        soon(async {
            while listener.counts().delivered < 100 * (round + 1) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        // The one is said at once, the rest with the first after the pause.
        let times = if round == 0 { 1 } else { 100 };
        let expected = ["a handler of events panicked", "an event cannot be read", "events are missing"];
        assert_eq!(log.take(), expected.map(|text| format!("{text} {times}")));
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!((listener.counts().undecodable, narrow.counts().gaps), (200, 200));
}
