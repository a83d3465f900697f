//! Handlers: what one of them does costs no other anything.

use std::borrow::Cow;
use std::future::Future;
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::Arc;

use mystocks_bus::{Bus, Delivery, Event, Form, Overflow, Received, Topic, Topics};
use serde::{Deserialize, Deserializer, Serialize};
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio_util::task::TaskTracker;

use crate::book::Book;
use crate::world::{Notes, Tick, World, check_identity, has_received, soon, tick, ticks};

on_both! {
    a_slow_handler_delays_nobody_else
    a_panic_costs_that_event_only
    gaps_are_handed_to_who_asks_for_them
    dropping_a_listener_leaves_the_call_under_way_its_time
}

async fn a_slow_handler_delays_nobody_else(world: World) {
    let gate = Arc::new(Semaphore::new(0));
    let (slow, quick) = (Notes::default(), Notes::default());
    let notes = slow.clone();
    let opens = Arc::clone(&gate);
    let slow_listener = world.here.on(ticks(), move |tick| {
        let (notes, opens) = (notes.clone(), Arc::clone(&opens));
        async move {
            opens.acquire().await.unwrap().forget();
            notes.write(tick.number);
        }
    });
    let slow_listener = slow_listener.await.unwrap();
    let notes = quick.clone();
    let quick_listener = world.here.on(ticks(), move |tick| {
        notes.write(tick.number);
        async {}
    });
    let _quick_listener = quick_listener.await.unwrap();
    let expected: Vec<u64> = (0..500).collect();
    world.publish(0..500).await;
    quick.become_these(&expected).await;
    assert_eq!(
        (slow.read(), slow_listener.counts().delivered, slow_listener.counts().waiting),
        (vec![], 1, 499)
    );
    gate.add_permits(500);
    soon(world.here.shutdown()).await;
    assert_eq!(slow.read(), expected);
}

type Handling = Pin<Box<dyn Future<Output = ()> + Send>>;

async fn a_panic_costs_that_event_only(world: World) {
    let book = Book::default();
    let _recording = metrics::set_default_local_recorder(&book);
    let notes = Notes::default();
    let handled = notes.clone();
    let listener = world.here.on(ticks(), move |tick: Received<Tick>| -> Handling {
        assert!(tick.number != 1, "before there is a future");
        let handled = handled.clone();
        Box::pin(async move {
            match tick.number {
                3 => panic!("at once"),
                5 => panic_any(5),
                _ => yield_now().await,
            }
            assert!(tick.number != 7, "later: {}", tick.number);
            handled.write(tick.number);
        })
    });
    let listener = listener.await.unwrap();
    world.publish(0..10).await;
    notes.become_these(&[0, 2, 4, 6, 8, 9]).await;
    soon(world.here.shutdown()).await;
    assert_eq!(listener.counts().delivered, 10);
    let calls = |outcome: &str| book.sum(&format!("handler_seconds type=tick outcome={outcome}")).1;
    assert_eq!((calls("panicked"), calls("done")), (4, 6));
}

async fn gaps_are_handed_to_who_asks_for_them(world: World) {
    let gate = Arc::new(Semaphore::new(0));
    let (notes, only_events) = (Notes::default(), Notes::default());
    let (written, opens) = (notes.clone(), Arc::clone(&gate));
    let topics = || Topics::from(&ticks()).messages(2);
    let listener = world.here.on_delivery(topics(), move |delivery| {
        let (written, opens) = (written.clone(), Arc::clone(&opens));
        async move {
            opens.acquire().await.unwrap().forget();
            match delivery {
                Delivery::Event(tick) => written.write(tick.number),
                Delivery::Gap(gap) => written.write(1000 + gap.dropped),
            }
        }
    });
    let listener = listener.await.unwrap();
    let (written, opens) = (only_events.clone(), Arc::clone(&gate));
    let other = world.here.on(topics(), move |tick| {
        let (written, opens) = (written.clone(), Arc::clone(&opens));
        async move {
            opens.acquire().await.unwrap().forget();
            written.write(tick.number);
        }
    });
    let other = other.await.unwrap();
    world.publish(0..1).await;
    has_received(|| listener.counts(), 1).await;
    has_received(|| other.counts(), 1).await;
    while listener.counts().delivered + other.counts().delivered < 2 {
        yield_now().await;
    }
    world.publish(1..10).await;
    has_received(|| listener.counts(), 10).await;
    has_received(|| other.counts(), 10).await;
    gate.add_permits(20);
    soon(world.here.shutdown()).await;
    assert_eq!(notes.read(), [0, 1007, 8, 9]);
    assert_eq!(only_events.read(), [0, 8, 9]);
    assert_eq!((other.counts().dropped, other.counts().gaps), (7, 1));
}

async fn dropping_a_listener_leaves_the_call_under_way_its_time(world: World) {
    let gate = Arc::new(Semaphore::new(0));
    let (begun, ended) = (Notes::default(), Notes::default());
    let (begins, ends, opens) = (begun.clone(), ended.clone(), Arc::clone(&gate));
    let listener = world.here.on(ticks(), move |tick| {
        let (begins, ends, opens) = (begins.clone(), ends.clone(), Arc::clone(&opens));
        async move {
            begins.write(tick.number);
            opens.acquire().await.unwrap().forget();
            ends.write(tick.number);
        }
    });
    let listener = listener.await.unwrap();
    world.publish(0..3).await;
    begun.become_these(&[0]).await;
    has_received(|| listener.counts(), 3).await;
    drop(listener);
    gate.add_permits(3);
    ended.become_these(&[0]).await;
    world.listeners(&ticks(), "ticks", 0).await;
    soon(world.here.shutdown()).await;
    assert_eq!((begun.read(), ended.read()), (vec![0], vec![0]));
}

/// An event whose type panics at what others have published.
#[derive(Debug, Serialize)]
struct Fragile {
    number: u64,
}

impl<'de> Deserialize<'de> for Fragile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Tick { number, .. } = Tick::deserialize(deserializer)?;
        assert!(number != 3, "it cannot be read");
        Ok(Self { number })
    }
}

impl Event for Fragile {
    const TYPE: &'static str = "fragile";
    const FORM: Form = Form::Bare;

    fn topics(&self) -> Vec<Topic<Self>> {
        vec![Topic::new("ticks")]
    }

    fn key(&self) -> Option<Cow<'_, str>> {
        assert!(self.number != 5, "it has no key");
        Some(Cow::Owned(self.number.to_string()))
    }
}

mod fragile {
    use super::*;

    on_both! { a_type_that_panics_harms_nobody }

    async fn a_type_that_panics_harms_nobody(world: World) {
        let notes = Notes::default();
        let topics = Topics::from(Topic::<Fragile>::new("ticks")).overflow(Overflow::Conflate);
        let written = notes.clone();
        let listener = world.here.on(topics, move |fragile| {
            written.write(fragile.number);
            async {}
        });
        let listener = listener.await.unwrap();
        let mut beside = world.here.subscribe(&ticks()).await.unwrap();
        world.publish(0..8).await;
        notes.become_these(&[0, 1, 2, 4, 5, 6, 7]).await;
        assert_eq!((listener.counts().undecodable, listener.counts().delivered), (1, 7));
        check_identity(listener.counts());
        assert_eq!(crate::world::numbers(&mut beside, 8).await, (0..8).collect::<Vec<_>>());
    }
}

/// On the one thread that there is.
#[tokio::test]
async fn who_always_finds_messages_leaves_others_their_turn() {
    let bus = Bus::memory();
    let (handled, others) = (Notes::default(), Notes::default());
    let written = handled.clone();
    let listener = bus.on(ticks(), move |tick| {
        written.write(tick.number);
        async {}
    });
    let _listener = listener.await.unwrap();
    for number in 0..1000 {
        bus.publish(&tick(number)).await.unwrap();
    }
    let tasks = TaskTracker::new();
    let (written, seen) = (others.clone(), handled.clone());
    tasks.spawn(async move {
        while seen.read().len() < 1000 {
            written.write(seen.read().len() as u64);
            yield_now().await;
        }
    });
    tasks.close();
    soon(tasks.wait()).await;
    let turns = others.read();
    assert!(turns.iter().any(|handled| (1..1000).contains(handled)), "{turns:?}");
}
