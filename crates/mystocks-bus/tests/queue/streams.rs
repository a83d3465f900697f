//! A subscription as a stream.

use std::pin::pin;

use futures::{StreamExt, future, poll, stream};
use mystocks_bus::Delivery;
use tokio::task::yield_now;
use tokio_util::task::TaskTracker;

use crate::world::{LONG, Tick, World, has_received, soon, ticks};

on_both! {
    it_goes_with_the_combinators_of_streams
    a_next_that_is_dropped_loses_nothing
}

async fn it_goes_with_the_combinators_of_streams(world: World) {
    let subscription = world.here.subscribe(&ticks()).await.unwrap();
    let other = world.here.subscribe(&ticks()).await.unwrap();
    world.publish(0..20).await;
    has_received(|| subscription.counts(), 20).await;
    has_received(|| other.counts(), 20).await;
    soon(world.here.shutdown()).await;
    let number = |delivery: Delivery<Tick>| {
        future::ready(if let Delivery::Event(tick) = delivery { Some(tick.event.number) } else { None })
    };
    let chunks = subscription.filter_map(number).filter(|number| future::ready(number % 2 == 0)).chunks(4);
    assert_eq!(soon(chunks.collect::<Vec<_>>()).await, [vec![0, 2, 4, 6], vec![8, 10, 12, 14], vec![16, 18]]);
    let merged = stream::select(other.filter_map(number).fuse(), stream::iter([100, 101]));
    let mut merged: Vec<u64> = soon(merged.collect()).await;
    merged.sort_unstable();
    assert_eq!(merged, (0..20).chain([100, 101]).collect::<Vec<_>>());
}

async fn a_next_that_is_dropped_loses_nothing(world: World) {
    const EVENTS: u64 = 3000;
    let mut subscription = world.here.subscribe(&ticks()).await.unwrap();
    let tasks = TaskTracker::new();
    let there = world.there.clone();
    tasks.spawn(async move {
        for number in 0..EVENTS {
            there.publish(&crate::world::tick(number)).await.unwrap();
            yield_now().await;
        }
    });
    let (mut numbers, mut dropped) = (Vec::new(), 0);
    let taking = async {
        while (numbers.len() as u64) < EVENTS {
            tokio::select! {
                biased;
                // Never at first, and then before a message that has come meanwhile.
                () = yield_now() => dropped += 1,
                delivery = subscription.next() => match delivery {
                    Some(Delivery::Event(tick)) => numbers.push(tick.number),
                    other => panic!("{other:?} is no tick"),
                },
            }
        }
    };
    tokio::time::timeout(LONG, taking).await.unwrap();
    assert!(dropped >= 1000, "{dropped}");
    assert_eq!(numbers, (0..EVENTS).collect::<Vec<_>>());
    assert!(poll!(pin!(subscription.next())).is_pending());
    assert_eq!((subscription.counts().delivered, subscription.counts().dropped), (EVENTS, 0));
}
