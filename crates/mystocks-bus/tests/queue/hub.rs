//! Many clients on one hub: who gets what, and what is left of them.

use mystocks_bus::{Backlog, Client, ErrorKind, Frame, Hub, Json, Limits, Overflow, Topic};

use crate::world::{Tick, World, check_identity, has_received, soon, tick, ticks};

on_both! {
    a_hundred_clients_cost_one_listener
    topics_come_and_go_at_any_time
    what_comes_on_several_ways_comes_once
    what_cannot_be_subscribed_to_is_refused_and_leaves_nothing
    the_shutdown_leaves_what_waits_and_ends_all
    the_bus_takes_its_hubs_with_it
}

pub(crate) fn json(tick: &Tick) -> String {
    Json::from_serialize(tick).unwrap().dumps()
}

/// Takes the next frame, which has to be a message.
pub(crate) async fn message(client: &mut Client) -> (String, String) {
    match soon(client.next()).await {
        Some(Frame::Message { topic, payload, .. }) => {
            (topic.to_string(), String::from_utf8(payload.to_vec()).unwrap())
        }
        other => panic!("{other:?} is no message"),
    }
}

/// Takes the next frame, which has to be this tick, on `ticks`.
pub(crate) async fn expect_tick(client: &mut Client, number: u64) {
    assert_eq!(message(client).await, ("ticks".to_owned(), json(&tick(number))));
}

async fn client(hub: &Hub, topics: &[&str], patterns: &[&str]) -> Client {
    let mut client = hub.client(Limits::default()).unwrap();
    for topic in topics {
        client.subscribe(topic).await.unwrap();
    }
    for pattern in patterns {
        client.subscribe_pattern(pattern).await.unwrap();
    }
    client
}

async fn a_hundred_clients_cost_one_listener(world: World) {
    let hub = Hub::new(&world.here);
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(client(&hub, &["ticks", "ticks"], &["other:*"]).await);
    }
    world.patterns(1).await;
    world.listeners(&ticks(), "ticks", 1).await;
    let other = Topic::<Tick>::new("other:x");
    assert_eq!(world.there.publish(&tick(1)).await.unwrap(), 1);
    assert_eq!(world.there.publish_to(&other, &tick(2)).await.unwrap(), 1);
    let mut places = Vec::new();
    for client in &mut clients {
        // On memory who asks how many listen publishes.
        if client.counts().received == 3 {
            expect_tick(client, 0).await;
        }
        match soon(client.next()).await {
            Some(Frame::Message { payload, .. }) => places.push(payload.as_ptr()),
            other => panic!("{other:?} is no message"),
        }
        assert_eq!(message(client).await, ("other:x".to_owned(), json(&tick(2))));
    }
    assert!(places.iter().all(|place| *place == places[0]), "the bytes are shared");
    clients.truncate(1);
    world.patterns(1).await;
    world.listeners(&ticks(), "ticks", 1).await;
    clients.clear();
    world.patterns(0).await;
    world.listeners(&ticks(), "ticks", 0).await;
    assert!(format!("{hub:?}").contains("clients: 0, sources: 0"), "{hub:?}");
}

async fn topics_come_and_go_at_any_time(world: World) {
    let hub = Hub::new(&world.here);
    let other = Topic::<Tick>::new("other");
    let mut first = client(&hub, &["ticks"], &[]).await;
    let mut second = client(&hub, &[], &[]).await;
    world.publish(1..2).await;
    second.subscribe("ticks").await.unwrap();
    world.publish(2..3).await;
    assert!(first.unsubscribe("ticks").unwrap());
    assert!(!first.unsubscribe("ticks").unwrap());
    first.subscribe("other").await.unwrap();
    world.publish(3..4).await;
    world.there.publish_to(&other, &tick(4)).await.unwrap();
    first.subscribe("ticks").await.unwrap();
    assert!(second.unsubscribe("ticks").unwrap());
    world.publish(5..6).await;
    expect_tick(&mut first, 1).await;
    // What was published before it unsubscribed may have come or not.
    let mut next = message(&mut first).await;
    if next.1 == json(&tick(2)) {
        next = message(&mut first).await;
    }
    assert_eq!(next, ("other".to_owned(), json(&tick(4))));
    expect_tick(&mut first, 5).await;
    expect_tick(&mut second, 2).await;
    expect_tick(&mut second, 3).await;
    assert_eq!((second.counts().received, second.counts().waiting), (2, 0));
    // Nobody is left, and then somebody again.
    assert!(first.unsubscribe("ticks").unwrap());
    world.listeners(&ticks(), "ticks", 0).await;
    second.subscribe("ticks").await.unwrap();
    world.publish(6..7).await;
    expect_tick(&mut second, 6).await;
}

async fn what_comes_on_several_ways_comes_once(world: World) {
    let hub = Hub::new(&world.here);
    let mut topic_first = client(&hub, &["ticks"], &["tick*", "*"]).await;
    let mut pattern_first = client(&hub, &[], &["*", "tick*"]).await;
    pattern_first.subscribe("ticks").await.unwrap();
    let mut patterns = client(&hub, &["other"], &["t*", "*"]).await;
    let mut all = [&mut topic_first, &mut pattern_first, &mut patterns];
    world.publish(0..20).await;
    for client in &mut all {
        for number in 0..20 {
            expect_tick(client, number).await;
        }
        assert_eq!(client.counts().received, 20);
    }
    // Of several ways any may go.
    assert!(all[0].unsubscribe("ticks").unwrap());
    assert!(all[1].unsubscribe_pattern("*").unwrap());
    assert!(all[2].unsubscribe_pattern("t*").unwrap());
    world.publish(20..40).await;
    for client in &mut all {
        for number in 20..40 {
            expect_tick(client, number).await;
        }
        assert_eq!((client.counts().received, client.counts().delivered), (40, 40));
    }
}

async fn what_cannot_be_subscribed_to_is_refused_and_leaves_nothing(world: World) {
    let hub = Hub::new(&world.here);
    let mut client = hub.client(Limits { topics: 2, ..Limits::default() }).unwrap();
    let long = "x".repeat(100_000);
    for name in ["", ":", "a::b", "a\nb", "a*", "a{b", &long] {
        let error = client.subscribe(name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{name}");
        assert!(
            error.to_string().starts_with("subscribe to \"") && error.to_string().len() < 1000,
            "{error}"
        );
        assert_eq!(client.unsubscribe(name).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
    for glob in ["", "[", "a\\", "*********", &long] {
        let refused = client.subscribe_pattern(glob).await.unwrap_err().kind();
        assert_eq!(refused, ErrorKind::InvalidArgument, "{glob}");
        assert_eq!(client.unsubscribe_pattern(glob).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
    client.subscribe("ticks").await.unwrap();
    client.subscribe_pattern("o*").await.unwrap();
    client.subscribe("ticks").await.unwrap();
    let error = client.subscribe("other").await.unwrap_err();
    assert_eq!(error.to_string(), "subscribe to \"other\": invalid argument, the client has too many topics");
    world.listeners(&Topic::new("other"), "other", u64::from(world.is_memory())).await;
    assert!(client.unsubscribe_pattern("o*").unwrap());
    client.subscribe("other").await.unwrap();
    for (messages, bytes, overflow) in
        [(0, 1, Overflow::Conflate), (1, 0, Overflow::Conflate), (1, 1, Overflow::Wait)]
    {
        let limits = Limits { backlog: Backlog { messages, bytes, overflow }, topics: 1 };
        assert_eq!(hub.client(limits).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}

async fn the_shutdown_leaves_what_waits_and_ends_all(world: World) {
    let hub = Hub::new(&world.here);
    let mut clients = [client(&hub, &["ticks"], &[]).await, client(&hub, &[], &["t*"]).await];
    world.publish(1..3).await;
    for client in &clients {
        has_received(|| client.counts(), 2).await;
    }
    hub.shutdown();
    world.patterns(0).await;
    world.listeners(&ticks(), "ticks", 0).await;
    for client in &mut clients {
        assert_eq!(client.subscribe("other").await.unwrap_err().kind(), ErrorKind::Closed);
        assert!(!client.is_live());
        expect_tick(client, 1).await;
        expect_tick(client, 2).await;
        assert_eq!((soon(client.next()).await, soon(client.next()).await), (None, None));
        check_identity(client.counts());
    }
    assert_eq!(hub.client(Limits::default()).unwrap_err().kind(), ErrorKind::Closed);
    // Others go on.
    let mut other = client(&Hub::new(&world.here), &["ticks"], &[]).await;
    world.publish(3..4).await;
    expect_tick(&mut other, 3).await;
}

async fn the_bus_takes_its_hubs_with_it(world: World) {
    let hub = Hub::new(&world.here);
    let mut first = client(&hub, &["ticks"], &[]).await;
    soon(world.here.shutdown()).await;
    assert_eq!(soon(first.next()).await, None);
    world.listeners(&ticks(), "ticks", 0).await;
    for hub in [hub, Hub::new(&world.here)] {
        assert_eq!(hub.client(Limits::default()).unwrap_err().kind(), ErrorKind::Closed);
    }
}

#[tokio::test]
async fn without_its_bus_a_hub_ends() {
    let bus = mystocks_bus::Bus::memory();
    let mut client = client(&Hub::new(&bus), &["ticks"], &[]).await;
    bus.publish(&tick(1)).await.unwrap();
    drop(bus);
    expect_tick(&mut client, 1).await;
    assert_eq!(soon(client.next()).await, None);
}
