//! Who is cut off misses nothing.

use std::time::Duration;

use fastrand::Rng;
use mystocks_bus::{Delivery, Topics};
use mystocks_testkit::{Line, eventually};
use tokio::time::sleep;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::{Flood, LONG, World, event, expect, next, seed, soon, ticks};

const CUTS: u64 = 24;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_cut_off_again_and_again_under_a_flood_gets_every_number_once_and_in_order() {
    let mut random = Rng::with_seed(seed());
    let world = World::start().await;
    let mut subscription = world.there.subscribe(Topics::from(ticks()).messages(1 << 16)).await.unwrap();
    let mut live = subscription.live();
    let taking = AbortOnDropHandle::new(TaskTracker::new().spawn(async move {
        let mut expected = 0;
        while let Some(delivery) = subscription.next().await {
            match delivery {
                Delivery::Event(received) => assert_eq!(received.number, expected),
                Delivery::Gap(gap) => panic!("{gap:?} before {expected}, and nothing is missing"),
            }
            expected += 1;
        }
        expected
    }));
    let flood = Flood::start(world.here.clone());
    for cut in 0..CUTS {
        flood.goes_on(random.u64(1..50)).await;
        world.proxy.refuse(true);
        match cut % 4 {
            0 | 1 => world.proxy.cut(),
            // Silence, which only asking shows.
            2 => world.proxy.black_hole(),
            // What was missed cannot be asked for at first.
            _ => {
                world.proxy.cut();
                soon(live.wait_for(|live| !*live)).await.unwrap();
                world.proxy.refuse(false);
                world.proxy.sever(Some(Line::Commands));
            }
        }
        soon(live.wait_for(|live| !*live)).await.unwrap();
        sleep(Duration::from_millis(random.u64(0..100))).await;
        if random.bool() {
            // A connection that breaks again, perhaps while it is read what was missed.
            world.proxy.heal();
            sleep(Duration::from_millis(random.u64(0..150))).await;
            world.proxy.cut();
        }
        world.proxy.heal();
        soon(live.wait_for(|live| *live)).await.unwrap();
    }
    flood.goes_on(20).await;
    let published = flood.stop().await;
    // What is published last has to come, so all before it has come as well.
    world.publish([published]).await;
    sleep(Duration::from_millis(200)).await;
    soon(world.there.shutdown()).await;
    assert_eq!(soon(taking).await.unwrap(), published + 1);
    println!("{CUTS} cuts, {published} published");
}

#[tokio::test]
async fn what_is_published_before_the_first_message_was_heard_is_not_missed() {
    let world = World::start().await;
    let mut new = world.there.subscribe(&ticks()).await.unwrap();
    world.cut(&new).await;
    world.publish(0..3).await;
    world.heal();
    expect(&mut new, 0..3).await;
    world.until(&new, true).await;
    // Nor of a channel that was there before.
    let mut old = world.there.subscribe(&ticks()).await.unwrap();
    world.cut(&old).await;
    world.publish(3..300).await;
    world.heal();
    expect(&mut old, 3..300).await;
    expect(&mut new, 3..300).await;
    world.until(&old, true).await;
    world.publish([300]).await;
    expect(&mut old, [300]).await;
    assert_eq!((old.counts().gaps, new.counts().gaps), (0, 0));
}

#[tokio::test]
async fn an_outage_without_messages_is_nothing() {
    let world = World::start().await;
    let mut subscription = world.there.subscribe(&ticks()).await.unwrap();
    world.publish(0..3).await;
    expect(&mut subscription, 0..3).await;
    for round in 0..3 {
        world.cut(&subscription).await;
        world.heal();
        world.until(&subscription, true).await;
        world.publish([3 + round]).await;
        expect(&mut subscription, [3 + round]).await;
    }
}

#[tokio::test]
async fn who_is_slow_reads_up_at_its_own_pace() {
    let world = World::start().await;
    let mut subscription = world.there.subscribe(Topics::from(ticks()).messages(10)).await.unwrap();
    world.publish(0..5).await;
    expect(&mut subscription, 0..5).await;
    world.cut(&subscription).await;
    world.publish(5..600).await;
    world.heal();
    assert_eq!(event(&mut subscription).await.number, 5);
    // More than is held back, while it reads.
    world.publish(600..6000).await;
    assert!(!*subscription.live().borrow(), "it is not live before it has come so far");
    expect(&mut subscription, 6..6000).await;
    world.until(&subscription, true).await;
    assert_eq!(subscription.counts().dropped, 0);
    world.publish([6000]).await;
    expect(&mut subscription, [6000]).await;
}

#[tokio::test]
async fn what_was_held_back_comes_at_its_pace_too() {
    let world = World::start().await;
    let mut subscription = world.there.subscribe(&ticks()).await.unwrap();
    world.publish(0..5).await;
    expect(&mut subscription, 0..5).await;
    world.cut(&subscription).await;
    // More than it has room for, so that it reads while others publish, and those are held back.
    world.publish(5..2000).await;
    world.heal();
    assert_eq!(event(&mut subscription).await.number, 5);
    world.publish(2000..2900).await;
    assert!(!*subscription.live().borrow(), "it is not live before it has come so far");
    expect(&mut subscription, 6..2900).await;
    world.until(&subscription, true).await;
    world.publish([2900]).await;
    expect(&mut subscription, [2900]).await;
    assert_eq!((subscription.counts().dropped, subscription.counts().gaps), (0, 0));
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_read() {
    let world = World::start().await;
    let mut subscription = world.there.subscribe(&ticks()).await.unwrap();
    let mut from = 0;
    for (setting, refuses, takes) in [("maxmemory", "1", "0"), ("min-replicas-to-write", "1", "0")] {
        world.publish(from..from + 2).await;
        expect(&mut subscription, from..from + 2).await;
        world.cut(&subscription).await;
        world.publish(from + 2..from + 5).await;
        world.command(&["CONFIG", "SET", setting, refuses]).await;
        world.heal();
        expect(&mut subscription, from + 2..from + 5).await;
        world.until(&subscription, true).await;
        world.command(&["CONFIG", "SET", setting, takes]).await;
        from += 5;
    }
    // Also where nobody knows yet whether it loses its data.
    world.cut(&subscription).await;
    world.publish([from]).await;
    world.command(&["DEL", "{mystocks:journals}:epoch"]).await;
    world.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    world.heal();
    crate::gap(&mut subscription).await;
    expect(&mut subscription, [from]).await;
    world.until(&subscription, true).await;
    assert_eq!(subscription.counts().gaps, 1);
}

#[tokio::test]
async fn what_is_missed_when_it_ends_in_an_outage_is_told() {
    let world = World::start().await;
    let mut subscription = world.there.subscribe(&ticks()).await.unwrap();
    world.publish(0..2).await;
    expect(&mut subscription, 0..1).await;
    eventually("the other has come", LONG, async || subscription.counts().received == 2).await;
    world.cut(&subscription).await;
    world.publish(2..4).await;
    soon(world.there.shutdown()).await;
    expect(&mut subscription, 1..2).await;
    assert!(matches!(next(&mut subscription).await, Delivery::Gap(_)));
    assert_eq!(soon(subscription.next()).await, None);
}

#[tokio::test]
async fn who_subscribes_without_a_connection_is_told_what_it_may_have_missed() {
    let world = World::start().await;
    let first = world.there.subscribe(&ticks()).await.unwrap();
    world.cut(&first).await;
    let mut subscription = world.there.subscribe(&ticks()).await.unwrap();
    assert!(!*subscription.live().borrow());
    world.publish(0..2).await;
    world.heal();
    crate::gap(&mut subscription).await;
    world.until(&subscription, true).await;
    world.publish([2]).await;
    expect(&mut subscription, [2]).await;
}

#[tokio::test]
async fn who_resumes_without_a_connection_misses_nothing() {
    let world = World::start().await;
    let mut first = world.there.subscribe(&ticks()).await.unwrap();
    world.publish(0..3).await;
    let last = event(&mut first).await.id().unwrap();
    world.cut(&first).await;
    let mut resumed = world.there.subscribe(Topics::from(&ticks()).after(last)).await.unwrap();
    let hub = mystocks_bus::Hub::new(&world.there);
    let mut client = hub.client(mystocks_bus::Limits::default()).unwrap();
    client.resume("ticks", &last.to_string()).await.unwrap();
    world.publish(3..10).await;
    world.heal();
    expect(&mut resumed, 1..10).await;
    world.until(&resumed, true).await;
    for _ in 1..10 {
        assert!(matches!(soon(client.next()).await, Some(mystocks_bus::Frame::Message { .. })));
    }
    assert_eq!((resumed.counts().gaps, client.counts().gaps), (0, 0));
}
