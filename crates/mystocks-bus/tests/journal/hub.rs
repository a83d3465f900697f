//! Clients of a hub that come back.

use mystocks_bus::{Backlog, Client, ErrorKind, Frame, Hub, Limits};

use crate::{World, soon};

async fn message(client: &mut Client) -> (u64, String) {
    match soon(client.next()).await {
        Some(Frame::Message { payload, id, .. }) => {
            let text = String::from_utf8(payload.to_vec()).unwrap();
            let (_, rest) = text.split_once("\"number\":").unwrap();
            let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
            (digits.parse().unwrap(), id.unwrap().to_string())
        }
        other => panic!("{other:?} is no message"),
    }
}

async fn expect(client: &mut Client, numbers: std::ops::Range<u64>) -> String {
    let mut last = String::new();
    for number in numbers {
        let (found, id) = message(client).await;
        assert_eq!(found, number);
        last = id;
    }
    last
}

#[tokio::test]
async fn a_client_that_comes_back_with_its_last_event_id_has_no_holes() {
    let world = World::start().await;
    let hub = Hub::new(&world.there);
    let mut client = hub.client(Limits::default()).unwrap();
    client.subscribe("ticks").await.unwrap();
    world.publish(0..10).await;
    let mut last = expect(&mut client, 0..7).await;
    let mut next = 7;
    // What was published before is not under way any more, when the other comes.
    mystocks_testkit::eventually("all has come", crate::LONG, async || client.counts().received == 10).await;
    let backlog = Backlog { messages: 1 << 14, bytes: 8 << 20, ..Limits::default().backlog };
    let mut stays = hub.client(Limits { backlog, ..Limits::default() }).unwrap();
    stays.subscribe("ticks").await.unwrap();
    for _ in 0..20 {
        drop(client);
        let until = next + 100;
        world.publish(next.max(10)..until).await;
        client = hub.client(Limits::default()).unwrap();
        client.resume("ticks", &last).await.unwrap();
        expect(&mut client, next..until).await;
        next = until;
        // Then it is live.
        world.publish(next..next + 3).await;
        last = expect(&mut client, next..next + 3).await;
        next += 3;
    }
    assert_eq!((client.counts().gaps, client.counts().dropped), (0, 0));
    // What others had subscribed to is not disturbed.
    expect(&mut stays, 10..next).await;
}

#[tokio::test]
async fn more_than_a_client_has_room_for_waits_until_it_has() {
    let world = World::start().await;
    let hub = Hub::new(&world.there);
    let mut client = hub.client(Limits::default()).unwrap();
    client.subscribe("ticks").await.unwrap();
    world.publish(0..1).await;
    let last = expect(&mut client, 0..1).await;
    drop(client);
    world.publish(1..4000).await;
    let mut client = hub.client(Limits::default()).unwrap();
    client.resume("ticks", &last).await.unwrap();
    assert!(!client.is_live());
    expect(&mut client, 1..4000).await;
    // An outage is read up on, too.
    mystocks_testkit::eventually("it is live", crate::LONG, async || client.is_live()).await;
    world.proxy.refuse(true);
    world.proxy.cut();
    mystocks_testkit::eventually("it is cut off", crate::LONG, async || !client.is_live()).await;
    world.publish(4000..4100).await;
    world.heal();
    expect(&mut client, 4000..4100).await;
    assert_eq!((client.counts().gaps, client.counts().dropped), (0, 0));
}

#[tokio::test]
async fn an_outage_of_the_hub_is_no_gap_for_its_clients() {
    let world = World::start().await;
    let hub = Hub::new(&world.there);
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = hub.client(Limits::default()).unwrap();
        client.subscribe("ticks").await.unwrap();
        client.subscribe_pattern("tick*").await.unwrap();
        clients.push(client);
    }
    world.publish(0..3).await;
    world.proxy.refuse(true);
    world.proxy.cut();
    mystocks_testkit::eventually("nobody is live", crate::LONG, async || {
        !clients.iter().any(Client::is_live)
    })
    .await;
    world.publish(3..50).await;
    world.heal();
    mystocks_testkit::eventually("all are live", crate::LONG, async || clients.iter().all(Client::is_live))
        .await;
    world.publish(50..60).await;
    for client in &mut clients {
        expect(client, 0..60).await;
        assert_eq!(client.counts().gaps, 0);
    }
}

#[tokio::test]
async fn what_cannot_be_resumed_is_refused_or_a_gap() {
    let world = World::start().await;
    let hub = Hub::new(&world.there);
    world.publish(0..3).await;
    let mut client = hub.client(Limits::default()).unwrap();
    for garbage in
        ["", "garbage", "1", "-", "1-", "1-2-3", "-1-2", " 1-2", "999999999999999999999-1", "1-2\r\nX: y"]
    {
        let refused = client.resume("ticks", garbage).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument, "{garbage}");
        assert!(garbage.len() < 2 || !refused.to_string().contains(garbage), "{refused}");
    }
    let refused = client.resume("tick*", "1-1").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    for unknown in ["1-1", "18446744073709551615-18446744073709551615"] {
        let mut client = hub.client(Limits::default()).unwrap();
        client.resume("ticks", unknown).await.unwrap();
        assert!(matches!(soon(client.next()).await, Some(Frame::Gap(gap)) if gap.disconnected));
        if unknown == "1-1" {
            expect(&mut client, 0..3).await;
        }
        let again = client.resume("ticks", unknown).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::InvalidArgument);
        client.subscribe("ticks").await.unwrap();
        assert!(client.unsubscribe("ticks").unwrap());
        assert!(!client.unsubscribe("ticks").unwrap());
    }
    client.resume("ticks", "0-0").await.unwrap();
    expect(&mut client, 0..3).await;
    // With a pattern that takes it in, too, it comes once.
    client.subscribe_pattern("t*").await.unwrap();
    world.publish(3..6).await;
    expect(&mut client, 3..6).await;
    hub.shutdown();
    assert_eq!(soon(client.next()).await, None);
    assert!(format!("{hub:?}").contains("sources: 0"), "{hub:?}");
}
