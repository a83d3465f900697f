//! Clients of a hub that do not take their frames.

use std::collections::HashMap;

use mystocks_bus::{Backlog, Client, Frame, Hub, Json, Limits, Overflow, PriceUpdate, Topic};

use crate::book::Book;
use crate::hub::{expect_tick, json, message};
use crate::world::{Tick, World, check_identity, has_received, soon, ticks};

on_both! {
    ten_of_a_hundred_stall_and_harm_nobody
    topics_do_not_replace_each_other
    who_is_to_be_disconnected_ends_after_what_waits
}

const BOUND: usize = 64 << 10;

fn large(number: u64) -> Tick {
    Tick { number, name: "x".repeat(500) }
}

fn price(code: u64, round: u64) -> PriceUpdate {
    let price = f64::from(u32::try_from(round).unwrap());
    PriceUpdate { timestamp: 0.0, ..PriceUpdate::new(format!("6005{code:02}.SH"), price, 0.0, 0.0) }
}

/// Takes all that waits.
async fn take(client: &mut Client) -> Vec<Frame> {
    let mut frames = Vec::new();
    while client.counts().waiting > 0 {
        frames.push(soon(client.next()).await.unwrap());
    }
    frames
}

const LARGE: u64 = 300;
const CODES: u64 = 20;
const ROUNDS: u64 = 30;
const ALL: u64 = LARGE + CODES * ROUNDS;

async fn ten_of_a_hundred_stall_and_harm_nobody(world: World) {
    let book = Book::default();
    let _recording = metrics::set_default_local_recorder(&book);
    let hub = Hub::new(&world.here);
    let (mut quick, mut stalled) = (Vec::new(), Vec::new());
    for number in 0..100 {
        let mut client = hub.client(Limits::default()).unwrap();
        client.subscribe("ticks").await.unwrap();
        client.subscribe("price:update").await.unwrap();
        if number % 10 == 3 { &mut stalled } else { &mut quick }.push(client);
    }
    assert_eq!(book.sum("hub_clients"), (100.0, 100));
    // The quick ones take all in order, a few at a time.
    for first in (0..LARGE).step_by(20) {
        for number in first..first + 20 {
            world.there.publish(&large(number)).await.unwrap();
        }
        for client in &mut quick {
            for number in first..first + 20 {
                assert_eq!(message(client).await, ("ticks".to_owned(), json(&large(number))));
            }
        }
    }
    for round in 0..ROUNDS {
        for code in 0..CODES {
            world.there.publish(&price(code, round)).await.unwrap();
        }
        for client in &mut quick {
            for code in 0..CODES {
                let expected = Json::from_serialize(&price(code, round)).unwrap().dumps();
                assert_eq!(message(client).await, ("price:update".to_owned(), expected));
            }
        }
    }
    for client in &quick {
        let counts = client.counts();
        assert_eq!((counts.received, counts.delivered, counts.gaps), (ALL, ALL, 0));
        check_identity(counts);
    }
    for client in &mut stalled {
        resume(client).await;
    }
    assert_eq!(book.sum("hub_gaps_total reason=overflow").0, 10.0);
    let sum = |of: fn(&Client) -> u64| stalled.iter().map(of).sum::<u64>() as f64;
    assert_eq!(book.sum("hub_messages_total outcome=dropped").0, sum(|client| client.counts().dropped));
    assert_eq!(book.sum("hub_messages_total outcome=conflated").0, sum(|client| client.counts().conflated));
    let delivered = sum(|client| client.counts().delivered) + 90.0 * ALL as f64;
    assert_eq!(book.sum("hub_messages_total outcome=delivered").0, delivered);
    // And live again, all of them.
    world.publish(7..8).await;
    for client in stalled.iter_mut().chain(&mut quick) {
        expect_tick(client, 7).await;
    }
    drop((stalled, quick));
    assert_eq!(book.sum("hub_clients"), (0.0, 200));
}

/// Has a client that took nothing take what it kept: a gap, the last of the ticks, and the latest price of each stock.
async fn resume(client: &mut Client) {
    has_received(|| client.counts(), ALL).await;
    check_identity(client.counts());
    let frames = take(client).await;
    let mut bytes = 0;
    let (mut numbers, mut prices) = (Vec::new(), HashMap::new());
    let Some(Frame::Gap(gap)) = frames.first() else { panic!("a gap in the place of what is missing") };
    for frame in &frames[1..] {
        let Frame::Message { topic, payload, .. } = frame else { panic!("one gap only") };
        bytes += payload.len();
        let Json::Object(fields) = Json::parse(payload).unwrap() else { panic!("an object") };
        let field = |name: &str| fields.iter().find(|(field, _)| field == name).unwrap().1.dumps();
        if &**topic == "ticks" {
            numbers.push(field("number").parse::<u64>().unwrap());
        } else {
            assert_eq!(prices.insert(field("stock_code"), field("price")), None, "one of each stock");
        }
    }
    assert!(bytes <= BOUND && bytes + 1000 > BOUND, "{bytes}");
    assert_eq!(gap.dropped, LARGE - numbers.len() as u64);
    assert_eq!(numbers, (gap.dropped..LARGE).collect::<Vec<_>>());
    assert_eq!(prices.len() as u64, CODES);
    assert!(prices.values().all(|price| *price == format!("{}.0", ROUNDS - 1)), "{prices:?}");
    let counts = client.counts();
    check_identity(counts);
    assert_eq!(counts.delivered, frames.len() as u64 - 1);
    assert_eq!((counts.conflated, counts.gaps, counts.waiting), (CODES * (ROUNDS - 1), 1, 0));
}

async fn topics_do_not_replace_each_other(world: World) {
    let hub = Hub::new(&world.here);
    let mut client = hub.client(Limits::default()).unwrap();
    client.subscribe_pattern("*").await.unwrap();
    let update = |number: u64, code: &str| {
        let text = format!(
            r#"{{"event_type":"market.data.update","timestamp":"2026-01-05T01:30:00","version":"1.0","stock_code":"{code}","data_type":"bar","data":{{"n":{number}}}}}"#
        );
        Json::parse(text.as_bytes()).unwrap().to_deserialize::<mystocks_bus::MarketEvent>().unwrap()
    };
    for round in 0..3 {
        world.there.publish(&price(1, round)).await.unwrap();
        world.there.publish(&update(round, "600501.SH")).await.unwrap();
        world.there.publish(&update(round, "600502.SH")).await.unwrap();
        // Of what has no key each waits.
        world.publish(round..round + 1).await;
        // Nor has what cannot be read.
        world.there.publish_to(&Topic::new("price:update"), &large(round)).await.unwrap();
    }
    has_received(|| client.counts(), 3 * 7).await;
    let mut count = HashMap::<_, Vec<_>>::new();
    for frame in take(&mut client).await {
        let Frame::Message { topic, payload, .. } = frame else { panic!("nothing is missing") };
        let text = String::from_utf8(payload.to_vec()).unwrap();
        count.entry(topic.to_string()).or_default().push(text);
    }
    let of = |topic: &str| count.get(topic).unwrap().len();
    assert_eq!((of("price:update"), of("ticks")), (1 + 3, 3));
    let market = ["events:market", "events:market:600501.SH", "events:market:600502.SH"].map(of);
    assert_eq!(market, [2, 1, 1]);
    let latest = count.values().flatten().filter(|text| text.contains("event_type"));
    assert!(
        latest.clone().all(|text| text.contains(r#"{"n": 2}"#) || text.contains(r#"{"n":2}"#)),
        "{count:?}"
    );
    assert_eq!(client.counts().conflated, 2 * 5);
    check_identity(client.counts());
}

async fn who_is_to_be_disconnected_ends_after_what_waits(world: World) {
    let hub = Hub::new(&world.here);
    let backlog = Backlog { messages: 2, bytes: BOUND, overflow: Overflow::Disconnect };
    let mut client = hub.client(Limits { backlog, topics: 5 }).unwrap();
    client.subscribe("ticks").await.unwrap();
    world.publish(0..5).await;
    has_received(|| client.counts(), 5).await;
    expect_tick(&mut client, 0).await;
    expect_tick(&mut client, 1).await;
    let Some(Frame::Gap(gap)) = soon(client.next()).await else { panic!("a gap") };
    assert_eq!(gap.dropped, 3);
    assert_eq!(soon(client.next()).await, None);
    // Though it is kept.
    world.listeners(&ticks(), "ticks", 0).await;
    assert_eq!((client.counts().received, client.counts().dropped), (5, 3));
    check_identity(client.counts());
}
