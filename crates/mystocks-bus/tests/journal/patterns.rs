//! Patterns: which channels there are, a registry knows.

use std::collections::BTreeMap;

use mystocks_bus::{Subscription, Topic, Topics};

use crate::{Tick, World, event, expect};

fn room(name: &str) -> Topic<Tick> {
    Topic::new(format!("room:{name}"))
}

async fn publish(world: &World, name: &str, number: u64) {
    world.here.publish_to(&room(name), &Tick { number }).await.unwrap();
}

/// Takes so many, and returns the numbers of each topic.
async fn take(subscription: &mut Subscription<Tick>, count: usize) -> BTreeMap<String, Vec<u64>> {
    let mut found = BTreeMap::<String, Vec<u64>>::new();
    for _ in 0..count {
        let received = event(subscription).await;
        found.entry(received.topic().to_owned()).or_default().push(received.number);
    }
    found
}

fn expected<const N: usize>(rooms: [(&str, std::ops::Range<u64>); N]) -> BTreeMap<String, Vec<u64>> {
    rooms.into_iter().map(|(name, numbers)| (format!("room:{name}"), numbers.collect())).collect()
}

#[tokio::test]
async fn a_channel_that_first_appears_in_an_outage_is_caught_up() {
    let world = World::start().await;
    publish(&world, "before", 0).await;
    let mut subscription = world.there.subscribe(Topics::pattern("room:*")).await.unwrap();
    publish(&world, "old", 0).await;
    expect(&mut subscription, [0]).await;
    world.cut(&subscription).await;
    for number in 1..4 {
        publish(&world, "before", number).await;
        publish(&world, "old", number).await;
        publish(&world, "new", number).await;
        world.here.publish_to(&Topic::<Tick>::new("hall"), &Tick { number }).await.unwrap();
    }
    world.heal();
    assert_eq!(take(&mut subscription, 9).await, expected([("before", 1..4), ("old", 1..4), ("new", 1..4)]));
    world.until(&subscription, true).await;
    // It goes on for each where it is.
    publish(&world, "new", 4).await;
    expect(&mut subscription, [4]).await;
    world.cut(&subscription).await;
    publish(&world, "old", 4).await;
    publish(&world, "new", 5).await;
    world.heal();
    assert_eq!(take(&mut subscription, 2).await, expected([("old", 4..5), ("new", 5..6)]));
    assert_eq!(subscription.counts().gaps, 0);
}

#[tokio::test]
async fn hundreds_of_channels_are_caught_up_together() {
    let world = World::start().await;
    let mut subscription = world.there.subscribe(Topics::pattern("room:*")).await.unwrap();
    world.cut(&subscription).await;
    for number in 0..3 {
        for name in 0..200 {
            publish(&world, &name.to_string(), number).await;
        }
    }
    world.heal();
    let found = take(&mut subscription, 600).await;
    assert_eq!(found.len(), 200);
    assert!(found.values().all(|numbers| *numbers == [0, 1, 2]), "{found:?}");
}

#[tokio::test]
async fn a_registry_that_was_lost_is_made_anew() {
    let world = World::start().await;
    publish(&world, "a", 0).await;
    world.command(&["FLUSHALL"]).await;
    // It knows of no channel, and the publisher remembers that it registered one.
    let mut subscription = world.there.subscribe(Topics::pattern("room:*")).await.unwrap();
    world.cut(&subscription).await;
    publish(&world, "a", 1).await;
    world.heal();
    expect(&mut subscription, [1]).await;
    world.until(&subscription, true).await;
    assert_eq!(subscription.counts().gaps, 0);
}
