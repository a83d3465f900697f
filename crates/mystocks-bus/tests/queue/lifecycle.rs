//! Subscribing and unsubscribing at any time.

use mystocks_bus::{Delivery, ErrorKind, Overflow, Topic, Topics};

use crate::world::{Notes, Tick, World, has_received, number, numbers, soon, tick, ticks};

on_both! {
    whoever_comes_later_hears_what_is_published_then
    who_is_dropped_unsubscribes_and_leaves_the_others
    a_listener_that_is_dropped_unsubscribes_and_a_detached_one_stays
    overlapping_subscriptions_get_each_message_once
    who_comes_and_goes_many_times_leaves_nothing
    what_cannot_be_subscribed_to_leaves_nothing
    who_is_disconnected_unsubscribes_though_it_is_kept
}

async fn whoever_comes_later_hears_what_is_published_then(world: World) {
    let other = Topic::<Tick>::new("other");
    let mut first = world.here.subscribe(&ticks()).await.unwrap();
    world.publish(0..2).await;
    let mut second = world.here.subscribe(&ticks()).await.unwrap();
    let mut third = world.here.subscribe(&other).await.unwrap();
    let mut fourth = world.here.subscribe(Topics::these([other.clone(), ticks()])).await.unwrap();
    world.publish(2..4).await;
    assert!(world.there.publish_to(&other, &tick(4)).await.unwrap() > 0);
    assert_eq!(numbers(&mut first, 4).await, [0, 1, 2, 3]);
    assert_eq!(numbers(&mut second, 2).await, [2, 3]);
    assert_eq!(numbers(&mut third, 1).await, [4]);
    assert_eq!(numbers(&mut fourth, 3).await, [2, 3, 4]);
    for (subscription, received) in [(first, 4), (second, 2), (third, 1), (fourth, 3)] {
        assert_eq!(subscription.counts().received, received);
    }
}

async fn who_is_dropped_unsubscribes_and_leaves_the_others(world: World) {
    let first = world.here.subscribe(&ticks()).await.unwrap();
    let mut second = world.here.subscribe(&ticks()).await.unwrap();
    let by_pattern = world.here.subscribe(Topics::<Tick>::pattern("other*")).await.unwrap();
    drop((first, by_pattern));
    world.no_patterns().await;
    world.listeners(&ticks(), "ticks", 1).await;
    world.publish(1..2).await;
    while number(&mut second).await != 1 {}
    drop(second);
    world.listeners(&ticks(), "ticks", 0).await;
    // And again.
    let mut third = world.here.subscribe(&ticks()).await.unwrap();
    world.publish(2..3).await;
    assert_eq!(number(&mut third).await, 2);
}

async fn a_listener_that_is_dropped_unsubscribes_and_a_detached_one_stays(world: World) {
    let (notes, topic) = (Notes::default(), Topic::<Tick>::new("other"));
    let dropped = world.here.on(&ticks(), |_| async {}).await.unwrap();
    let written = notes.clone();
    let detached = world.here.on(topic.clone(), move |tick| {
        written.write(tick.number);
        async {}
    });
    detached.await.unwrap().detach();
    drop(dropped);
    tokio::task::yield_now().await;
    world.listeners(&ticks(), "ticks", 0).await;
    world.there.publish_to(&topic, &tick(1)).await.unwrap();
    notes.become_these(&[1]).await;
    soon(world.here.shutdown()).await;
    world.listeners(&topic, "other", 0).await;
}

async fn overlapping_subscriptions_get_each_message_once(world: World) {
    let pattern = |glob: &str| Topics::<Tick>::pattern(glob);
    let mut all = Vec::new();
    for topics in [
        Topics::from(&ticks()),
        Topics::from(&ticks()),
        Topics::these([ticks(), ticks(), Topic::new("tocks")]),
        pattern("ticks"),
        pattern("tick*"),
        pattern("tick*"),
        pattern("*"),
    ] {
        all.push(world.here.subscribe(topics).await.unwrap());
    }
    world.publish(0..20).await;
    for subscription in &mut all {
        assert_eq!(numbers(subscription, 20).await, (0..20).collect::<Vec<_>>());
    }
    let mut last = world.here.subscribe(pattern("t*")).await.unwrap();
    world.publish(20..21).await;
    for subscription in all.iter_mut().chain([&mut last]) {
        assert_eq!(number(subscription).await, 20);
    }
    let received: Vec<u64> = all.iter().map(|subscription| subscription.counts().received).collect();
    assert_eq!(received, [21; 7]);
}

async fn who_comes_and_goes_many_times_leaves_nothing(world: World) {
    let mut stays = world.here.subscribe(&ticks()).await.unwrap();
    for round in 0..200 {
        let mut passes = world.here.subscribe(&ticks()).await.unwrap();
        world.publish(round..=round).await;
        assert_eq!(number(&mut passes).await, round);
    }
    assert_eq!(numbers(&mut stays, 200).await, (0..200).collect::<Vec<_>>());
    drop(stays);
    world.listeners(&ticks(), "ticks", 0).await;
}

async fn what_cannot_be_subscribed_to_leaves_nothing(world: World) {
    let topics = || Topics::from(&ticks());
    for refused in
        [topics().messages(0), topics().bytes(0), Topics::these([]), Topics::these([ticks(), Topic::new("")])]
    {
        let error = world.here.subscribe(refused).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
    world.listeners(&ticks(), "ticks", 0).await;
}

async fn who_is_disconnected_unsubscribes_though_it_is_kept(world: World) {
    let topics = Topics::from(&ticks()).messages(2).overflow(Overflow::Disconnect);
    let mut subscription = world.here.subscribe(topics).await.unwrap();
    assert!(*subscription.live().borrow());
    world.publish(0..5).await;
    has_received(|| subscription.counts(), 5).await;
    assert!(!*subscription.live().borrow());
    assert_eq!(numbers(&mut subscription, 2).await, [0, 1]);
    let Some(Delivery::Gap(gap)) = soon(subscription.next()).await else { panic!("a gap") };
    assert_eq!((gap.dropped, gap.disconnected), (3, false));
    world.publish(5..7).await;
    assert_eq!(soon(subscription.next()).await, None);
    assert_eq!(soon(subscription.next()).await, None);
    world.listeners(&ticks(), "ticks", 0).await;
    assert_eq!((subscription.counts().received, subscription.counts().dropped), (5, 3));
}
