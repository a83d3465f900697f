//! What happens when a subscriber does not keep up.

use std::pin::pin;
use std::sync::Arc;

use futures::{FutureExt, poll};
use mystocks_bus::{Delivery, ErrorKind, MemoryTransport, Overflow, Subscription, Topic, Topics};
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio_util::task::TaskTracker;

use crate::world::{
    Notes, Tick, World, check_identity, has_received, memory_bus, number, numbers, soon, tick, ticks,
};

on_both! {
    one_of_ten_is_slow_and_all_is_accounted_for
    of_each_name_the_latest_waits
    the_bytes_that_wait_are_bounded
}

async fn one_of_ten_is_slow_and_all_is_accounted_for(world: World) {
    const EVENTS: u64 = 2000;
    let gate = Arc::new(Semaphore::new(0));
    let (mut quick, mut slow) = (Vec::new(), Vec::new());
    for overflow in [Overflow::DropOldest, Overflow::Conflate, Overflow::Disconnect] {
        let opens = Arc::clone(&gate);
        let topics = Topics::from(&ticks()).messages(50).overflow(overflow);
        let listener = world.here.on(topics, move |_| {
            let opens = Arc::clone(&opens);
            async move { drop(opens.acquire().await.unwrap()) }
        });
        slow.push(listener.await.unwrap());
    }
    for _ in 0..9 {
        let notes = Notes::default();
        let written = notes.clone();
        let topics = Topics::from(&ticks()).messages(usize::try_from(EVENTS).unwrap());
        let listener = world.here.on(topics, move |tick| {
            written.write(tick.number);
            async {}
        });
        quick.push((notes, listener.await.unwrap()));
    }
    world.publish(0..EVENTS).await;
    let all: Vec<u64> = (0..EVENTS).collect();
    for (notes, listener) in &quick {
        notes.become_these(&all).await;
        assert_eq!((listener.counts().received, listener.counts().delivered), (EVENTS, EVENTS));
    }
    for listener in &slow {
        has_received(|| listener.counts(), EVENTS).await;
        assert!(listener.counts().delivered <= 1 && listener.counts().waiting <= 50);
        check_identity(listener.counts());
    }
    gate.add_permits(3);
    soon(world.here.shutdown()).await;
    for listener in &slow {
        let counts = listener.counts();
        check_identity(counts);
        assert_eq!((counts.received, counts.waiting), (EVENTS, 0));
    }
    let of = |at: usize| slow[at].counts();
    assert_eq!((of(0).dropped + of(0).delivered, of(0).gaps), (EVENTS, 1));
    assert_eq!((of(1).conflated + of(1).delivered, of(1).gaps), (EVENTS, 0));
    assert_eq!((of(2).dropped + of(2).delivered, of(2).gaps), (EVENTS, 1));
}

async fn of_each_name_the_latest_waits(world: World) {
    let topics = Topics::from(&ticks()).messages(3).overflow(Overflow::Conflate);
    let mut subscription = world.here.subscribe(topics).await.unwrap();
    world.publish(0..302).await;
    has_received(|| subscription.counts(), 302).await;
    let mut latest = numbers(&mut subscription, 3).await;
    latest.sort_unstable();
    assert_eq!(latest, [299, 300, 301]);
    assert_eq!(subscription.counts().conflated, 299);
    check_identity(subscription.counts());
}

async fn the_bytes_that_wait_are_bounded(world: World) {
    let large = |number| Tick { number, name: "x".repeat(900) };
    let mut subscription = world.here.subscribe(Topics::from(&ticks()).bytes(3000)).await.unwrap();
    for number in 0..10 {
        world.there.publish(&large(number)).await.unwrap();
    }
    has_received(|| subscription.counts(), 10).await;
    let Some(Delivery::Gap(gap)) = soon(subscription.next()).await else { panic!("a gap") };
    assert_eq!(gap.dropped, 7);
    assert_eq!(numbers(&mut subscription, 3).await, [7, 8, 9]);
    check_identity(subscription.counts());
}

fn waiting(topics: impl Into<Topics<Tick>>, messages: usize) -> Topics<Tick> {
    topics.into().messages(messages).overflow(Overflow::Wait)
}

fn other() -> Topic<Tick> {
    Topic::new("other")
}

async fn full(world: &World) -> Subscription<Tick> {
    let subscription = world.here.subscribe(waiting(ticks(), 1)).await.unwrap();
    world.publish(0..1).await;
    subscription
}

#[tokio::test]
async fn publishers_wait_for_who_is_slow_and_nothing_is_lost() {
    let world = World::memory();
    let mut subscription = world.here.subscribe(waiting(ticks(), 5)).await.unwrap();
    let tasks = TaskTracker::new();
    for publisher in 0..4 {
        let bus = world.there.clone();
        tasks.spawn(async move {
            for number in 0..250 {
                assert_eq!(bus.publish(&tick(1000 * publisher + number)).await.unwrap(), 1);
            }
        });
    }
    tasks.close();
    let mut all = Vec::new();
    while all.len() < 1000 {
        for _ in 0..20 {
            yield_now().await;
        }
        assert!(subscription.counts().waiting <= 5);
        all.push(number(&mut subscription).await);
    }
    soon(tasks.wait()).await;
    for publisher in 0..4_u64 {
        let of: Vec<u64> = all.iter().filter(|number| **number / 1000 == publisher).copied().collect();
        assert_eq!(of, (1000 * publisher..1000 * publisher + 250).collect::<Vec<_>>());
    }
    assert_eq!((subscription.counts().dropped, subscription.counts().delivered), (0, 1000));
}

#[tokio::test]
async fn publishers_do_not_wait_for_who_is_gone() {
    let world = World::memory();
    let subscription = full(&world).await;
    let next = tick(1);
    let mut publishing = pin!(world.there.publish(&next));
    assert!(poll!(&mut publishing).is_pending());
    drop(subscription);
    assert_eq!(soon(publishing).await.unwrap(), 0);

    let mut subscription = full(&world).await;
    let mut publishing = pin!(world.there.publish(&next));
    assert!(poll!(&mut publishing).is_pending());
    world.here.shutdown().await;
    soon(publishing).await.unwrap();
    assert_eq!(number(&mut subscription).await, 0);
    assert_eq!(soon(subscription.next()).await, None);
}

#[tokio::test]
async fn a_publisher_that_gives_up_leaves_its_place_to_the_next() {
    let world = World::memory();
    let mut subscription = full(&world).await;
    let (given_up, next) = (tick(1), tick(2));
    let mut dropped = Box::pin(world.there.publish(&given_up));
    let mut publishing = pin!(world.there.publish(&next));
    assert!(poll!(&mut dropped).is_pending() && poll!(&mut publishing).is_pending());
    // It is told that there is room, and goes all the same.
    assert_eq!(number(&mut subscription).await, 0);
    drop(dropped);
    assert_eq!(soon(publishing).await.unwrap(), 1);
    assert_eq!(number(&mut subscription).await, 2);
    assert!(subscription.next().now_or_never().is_none());
}

#[tokio::test]
async fn who_waits_for_one_holds_up_nobody_elsewhere() {
    let world = World::memory();
    let _full = full(&world).await;
    let next = tick(1);
    let mut publishing = pin!(world.there.publish(&next));
    assert!(poll!(&mut publishing).is_pending());
    let mut elsewhere = world.here.subscribe(&other()).await.unwrap();
    assert_eq!(soon(world.there.publish_to(&other(), &tick(5))).await.unwrap(), 1);
    assert_eq!(number(&mut elsewhere).await, 5);
    assert!(poll!(&mut publishing).is_pending());
}

/// One publisher waits for two subscribers, another for one of them: the room that the first does not use goes to the second.
#[tokio::test]
async fn who_waits_for_two_does_not_keep_the_room_of_one() {
    let world = World::memory();
    let mut one = world.here.subscribe(waiting(Topics::these([ticks(), other()]), 1)).await.unwrap();
    let _two = full(&world).await;
    let (for_both, for_one) = (tick(1), tick(2));
    let mut both = pin!(world.there.publish(&for_both));
    assert!(poll!(&mut both).is_pending());
    let topic = other();
    let mut only = pin!(world.there.publish_to(&topic, &for_one));
    assert!(poll!(&mut only).is_pending());
    assert_eq!(number(&mut one).await, 0);
    assert!(poll!(&mut both).is_pending());
    assert_eq!(soon(only).await.unwrap(), 1);
    assert_eq!(number(&mut one).await, 2);
}

#[tokio::test]
async fn a_handler_for_whom_publishers_wait_can_publish_elsewhere() {
    let transport = MemoryTransport::new();
    let (here, there) = (memory_bus(&transport), memory_bus(&transport));
    let answers = here.subscribe(&other()).await.unwrap();
    let bus = here.clone();
    let listener = here.on(waiting(ticks(), 1), move |tick| {
        let bus = bus.clone();
        async move {
            yield_now().await;
            bus.publish_to(&other(), &tick).await.unwrap();
        }
    });
    let _listener = listener.await.unwrap();
    for number in 0..100 {
        soon(there.publish(&tick(number))).await.unwrap();
    }
    let mut answers = answers;
    assert_eq!(numbers(&mut answers, 100).await, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn publishers_on_redis_cannot_wait_and_it_says_so() {
    let world = World::redis().await;
    let error = world.here.subscribe(waiting(ticks(), 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let text = error.to_string();
    assert!(text.contains("ticks") && text.contains("choose another overflow than Wait"), "{text}");
    world.listeners(&ticks(), "ticks", 0).await;
    assert!(world.here.on(waiting(ticks(), 1), |_| async {}).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_several_threads_nobody_waits_forever() {
    const EVENTS: u64 = 1000;
    let world = World::memory();
    let mut notes = Vec::new();
    for _ in 0..3 {
        let written = Notes::default();
        notes.push(written.clone());
        let listener = world.here.on(waiting(ticks(), 2), move |tick| {
            written.write(tick.number);
            async {}
        });
        listener.await.unwrap().detach();
    }
    let tasks = TaskTracker::new();
    for publisher in 0..4 {
        let bus = world.there.clone();
        tasks.spawn(async move {
            for number in 0..EVENTS {
                bus.publish(&tick(EVENTS * publisher + number)).await.unwrap();
            }
        });
    }
    tasks.close();
    soon(tasks.wait()).await;
    soon(world.here.shutdown()).await;
    let first = notes[0].read();
    assert_eq!(first.len() as u64, 4 * EVENTS);
    assert!(notes.iter().all(|notes| notes.read() == first), "all hear all in the same order");
}
