//! What is not remembered any more is told, once and in its place.

use mystocks_bus::{Delivery, Id, Subscription, Topics};

use crate::{Tick, World, event, expect, gap, next, ticks};

/// Takes one gap, and then all from some number on to `end`; returns that number.
async fn gap_and_rest(subscription: &mut Subscription<Tick>, end: u64) -> u64 {
    gap(subscription).await;
    let first = event(subscription).await.number;
    expect(subscription, first + 1..end).await;
    first
}

#[tokio::test]
async fn what_was_trimmed_away_in_an_outage_is_one_gap_and_the_rest_comes() {
    let world = World::remembering(100).await;
    let mut subscription = world.there.subscribe(&ticks()).await.unwrap();
    world.publish(0..10).await;
    expect(&mut subscription, 0..9).await;
    let last = event(&mut subscription).await.id().unwrap();
    world.cut(&subscription).await;
    world.publish(10..1000).await;
    world.heal();
    let first = gap_and_rest(&mut subscription, 1000).await;
    assert!((11..=900).contains(&first), "{first}: at least so many are remembered");
    world.until(&subscription, true).await;
    world.publish([1000]).await;
    expect(&mut subscription, [1000]).await;
    assert_eq!(subscription.counts().gaps, 1);
    // The same when it is resumed.
    let mut resumed = world.there.subscribe(Topics::from(&ticks()).after(last)).await.unwrap();
    assert!(gap_and_rest(&mut resumed, 1001).await >= first);
    // And nothing is missing where only what came is trimmed.
    world.cut(&resumed).await;
    world.publish(1001..1050).await;
    world.heal();
    expect(&mut resumed, 1001..1050).await;
    expect(&mut subscription, 1001..1050).await;
    assert_eq!((resumed.counts().gaps, subscription.counts().gaps), (1, 1));
}

#[tokio::test]
async fn data_that_the_server_loses_are_a_gap_and_it_goes_on() {
    let world = World::start().await;
    let mut subscription = world.there.subscribe(&ticks()).await.unwrap();
    let mut quiet = world.there.subscribe(&mystocks_bus::Topic::<Tick>::new("quiet")).await.unwrap();
    world.publish(0..20).await;
    expect(&mut subscription, 0..20).await;
    // While it is up nothing is missed, though the numbers begin anew.
    world.command(&["FLUSHALL"]).await;
    world.publish(20..25).await;
    expect(&mut subscription, 20..25).await;
    // What was published before the loss and not heard left no trace.
    world.cut(&subscription).await;
    world.publish(25..30).await;
    world.command(&["FLUSHALL"]).await;
    world.publish(30..100).await;
    world.heal();
    gap(&mut subscription).await;
    expect(&mut subscription, 30..100).await;
    // Nor did what was published on a channel that had none.
    gap(&mut quiet).await;
    world.until(&subscription, true).await;
    world.publish(100..102).await;
    expect(&mut subscription, 100..102).await;
    // Everything is lost, and nothing comes after it.
    world.cut(&subscription).await;
    world.publish(102..105).await;
    world.command(&["FLUSHALL"]).await;
    world.heal();
    world.until(&subscription, true).await;
    gap(&mut subscription).await;
    world.publish(105..107).await;
    expect(&mut subscription, 105..107).await;
    assert_eq!(subscription.counts().gaps, 2);
}

#[tokio::test]
async fn a_server_that_went_back_is_a_gap_and_repeats_nothing() {
    let world = World::start().await;
    let mut subscription = world.there.subscribe(&ticks()).await.unwrap();
    world.publish(0..20).await;
    expect(&mut subscription, 0..20).await;
    world.cut(&subscription).await;
    // As if the server had been restored to when there were 15.
    let (end, entries) = ("{mystocks:journal:ticks}:end", "{mystocks:journal:ticks}:entries");
    let script = "local all = redis.call('XRANGE', KEYS[1], '-', '+') \
        for n = 16, #all do redis.call('XDEL', KEYS[1], all[n][1]) end \
        local m, s = string.match(all[15][1], '(%d+)-(%d+)') \
        redis.call('XSETID', KEYS[1], all[15][1]) \
        return redis.call('SET', KEYS[2], s .. ' ' .. m .. ' ' .. string.match(all[1][1], '%d+'))";
    world.command(&["EVAL", script, "2", entries, end]).await;
    world.heal();
    world.until(&subscription, true).await;
    gap(&mut subscription).await;
    world.publish(20..22).await;
    expect(&mut subscription, 20..22).await;
    // A journal that is gone.
    world.cut(&subscription).await;
    world.command(&["DEL", end, entries]).await;
    // Within the millisecond of what was heard last a new journal's numbers would be those of the old one, heard already.
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    world.publish(22..24).await;
    world.heal();
    gap(&mut subscription).await;
    expect(&mut subscription, 22..24).await;
    // A journal whose entries alone are gone.
    world.until(&subscription, true).await;
    world.cut(&subscription).await;
    world.publish(24..26).await;
    world.command(&["DEL", entries]).await;
    world.heal();
    gap(&mut subscription).await;
    world.until(&subscription, true).await;
    world.publish([26]).await;
    expect(&mut subscription, [26]).await;
    assert_eq!(subscription.counts().gaps, 3);
}

#[tokio::test]
async fn a_server_that_was_restarted_is_a_gap() {
    let mut world = World::start().await;
    let mut subscription = world.there.subscribe(&ticks()).await.unwrap();
    world.publish(0..3).await;
    expect(&mut subscription, 0..3).await;
    world.server.kill().await;
    world.until(&subscription, false).await;
    world.server.restart().await;
    gap(&mut subscription).await;
    world.until(&subscription, true).await;
    mystocks_testkit::eventually("it publishes", crate::LONG, async || {
        world.here.publish(&Tick { number: 3 }).await.is_ok()
    })
    .await;
    expect(&mut subscription, [3]).await;
}

#[tokio::test]
async fn an_id_of_a_topic_of_which_nothing_is_remembered_is_a_gap() {
    let world = World::start().await;
    let id = Id { millis: 1_700_000_000_000, sequence: 5 };
    let mut resumed = world.there.subscribe(Topics::from(&ticks()).after(id)).await.unwrap();
    assert!(matches!(next(&mut resumed).await, Delivery::Gap(gap) if gap.duration().as_secs() > 86_400));
    world.publish(0..2).await;
    expect(&mut resumed, 0..2).await;
}
