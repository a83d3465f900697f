//! From what is remembered to what is live, without a seam.

use std::sync::Arc;

use async_trait::async_trait;
use fastrand::Rng;
use mystocks_bus::{
    Bus, Delivery, Ear, ErrorKind, Id, Interest, Keyspace, MemoryTransport, PubSub, Signal, Source, Topic,
    Topics, Transport,
};
use mystocks_config::BusSettings;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use crate::{Flood, Tick, World, event, expect, gap, manager, seed, soon, ticks};

const TRIALS: u64 = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_resumes_while_others_publish_has_no_hole_and_nothing_twice() {
    let mut random = Rng::with_seed(seed());
    let world = World::start().await;
    let mut subscription = world.there.subscribe(&ticks()).await.unwrap();
    let flood = Flood::start(world.here.clone());
    let first = event(&mut subscription).await;
    let (mut expected, mut last) = (first.number + 1, first.id().unwrap());
    for _ in 0..TRIALS {
        drop(subscription);
        // Away while so many are published, and beyond the seam for so many more.
        flood.goes_on(random.u64(0..20)).await;
        let topics = Topics::from(ticks()).after(last).messages(1 << 14);
        subscription = world.there.subscribe(topics).await.unwrap();
        world.until(&subscription, true).await;
        let beyond = flood.published() + random.u64(0..10);
        while expected <= beyond {
            let received = event(&mut subscription).await;
            assert_eq!(received.number, expected);
            let id = received.id().unwrap();
            assert!(id > last && id.sequence == last.sequence + 1, "{id} after {last}");
            (expected, last) = (expected + 1, id);
        }
    }
    let published = flood.stop().await;
    assert!(published > TRIALS);
    expect(&mut subscription, expected..published).await;
    println!("{TRIALS} trials, {published} published");
}

#[tokio::test]
async fn who_was_away_gets_all_that_was_published_in_its_order_and_then_what_is_live() {
    let world = World::start().await;
    let mut subscription = world.there.subscribe(&ticks()).await.unwrap();
    world.publish(0..10).await;
    expect(&mut subscription, 0..4).await;
    let last = event(&mut subscription).await.id().unwrap();
    drop(subscription);
    world.publish(10..5000).await;
    let text = last.to_string();
    // With a queue of 1,024.
    let mut resumed =
        world.there.subscribe(Topics::from(&ticks()).after(text.parse().unwrap())).await.unwrap();
    world.publish(5000..5010).await;
    expect(&mut resumed, 5..5010).await;
    world.until(&resumed, true).await;
    assert_eq!((resumed.counts().gaps, resumed.counts().dropped), (0, 0));
    // It goes on where it is, not where it began.
    world.cut(&resumed).await;
    world.publish(5010..5020).await;
    world.heal();
    expect(&mut resumed, 5010..5020).await;
}

#[tokio::test]
async fn all_that_is_remembered_comes_after_nothing() {
    let world = World::start().await;
    world.publish(0..10).await;
    let begin = Id { millis: 0, sequence: 0 };
    let mut all = world.there.subscribe(Topics::from(&ticks()).after(begin)).await.unwrap();
    expect(&mut all, 0..10).await;
    world.until(&all, true).await;
    assert_eq!(all.counts().gaps, 0);
}

#[tokio::test]
async fn where_nothing_is_remembered_resuming_is_a_gap() {
    let bus = Bus::new(
        MemoryTransport::new(),
        &BusSettings::default(),
        &mystocks_bus::Keyspace::default(),
        "tests",
    );
    let id = Id { millis: 1_700_000_000_000, sequence: 1 };
    let mut subscription = bus.subscribe(Topics::from(&ticks()).after(id)).await.unwrap();
    gap(&mut subscription).await;
    bus.publish(&Tick { number: 1 }).await.unwrap();
    match soon(subscription.next()).await {
        Some(Delivery::Event(received)) => assert_eq!((received.number, received.id()), (1, None)),
        other => panic!("{other:?}"),
    }
    let several = [Topics::these([ticks(), Topic::new("other")]), Topics::pattern("t*")];
    for topics in several {
        let refused = bus.subscribe(topics.after(id)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    }
}

struct Hears(UnboundedSender<Signal>);

#[async_trait]
impl Ear for Hears {
    fn hear(&self, signal: Signal) {
        let _ = self.0.send(signal);
    }

    async fn room(&self, _: usize) {}
}

#[tokio::test]
async fn where_nothing_is_remembered_all_is_missing_until_it_is_up() {
    let world = World::start().await;
    let transport = PubSub::new(manager(&world.proxy.url(1)).await);
    world.proxy.refuse(true);
    world.proxy.cut();
    let channel = Keyspace::default().channel_named("ticks").unwrap();
    let mut interest = Interest::new(Source::Channels(vec![channel.clone()]));
    interest.after.insert(channel, Id { millis: 1_700_000_000_000, sequence: 1 });
    let (ear, mut signals) = unbounded_channel();
    let _listening = transport.listen(&interest, Arc::new(Hears(ear))).unwrap();
    assert!(matches!(soon(signals.recv()).await, Some(Signal::Down { .. })));
    let healed = Instant::now();
    world.heal();
    assert_eq!(soon(signals.recv()).await, Some(Signal::Up));
    match soon(signals.recv()).await {
        Some(Signal::Lost { since, until }) => assert!(since < healed && until >= healed),
        other => panic!("{other:?}"),
    }
}
