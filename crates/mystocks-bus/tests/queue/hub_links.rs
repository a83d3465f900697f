//! A hub whose connection comes and goes, or whose transport refuses.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use mystocks_bus::{
    Bus, Client, Ear, Error, ErrorKind, Frame, Hub, Interest, Limits, Listening, Outgoing, PubSub, Signal,
    Transport,
};
use mystocks_config::{BusSettings, RedisSettings};
use mystocks_redis_core::RedisManager;
use mystocks_testkit::{FaultProxy, RedisServer, eventually};
use tokio::time::{Instant, sleep};

use crate::hub::expect_tick;
use crate::puppet::Puppet;
use crate::world::{LONG, keyspace, soon, tick};

const SECOND: Duration = Duration::from_secs(1);

async fn gap(client: &mut Client) -> (Duration, u64, bool) {
    match soon(client.next()).await {
        Some(Frame::Gap(gap)) => (gap.duration(), gap.dropped, gap.disconnected),
        other => panic!("{other:?} is no gap"),
    }
}

fn client(hub: &Hub) -> Client {
    hub.client(Limits::default()).unwrap()
}

#[tokio::test]
async fn a_lost_connection_is_one_gap_for_each_client() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.address()).await;
    let bus = async |url: &str| {
        let manager = RedisManager::start(&RedisSettings::from_url(url).unwrap()).await.unwrap();
        Bus::new(PubSub::new(manager), &BusSettings::default(), &keyspace(), "test")
    };
    let (here, there) = (bus(&proxy.url(0)).await, bus(&server.url()).await);
    let hub = Hub::new(&here);
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = client(&hub);
        client.subscribe("ticks").await.unwrap();
        client.subscribe_pattern("tick*").await.unwrap();
        clients.push(client);
    }
    there.publish(&tick(1)).await.unwrap();
    for client in &mut clients {
        expect_tick(client, 1).await;
    }
    proxy.refuse(true);
    proxy.cut();
    eventually("nobody is live", LONG, async || !clients.iter().any(Client::is_live)).await;
    assert_eq!(there.publish(&tick(2)).await.unwrap(), 0);
    proxy.refuse(false);
    eventually("all are live", LONG, async || clients.iter().all(Client::is_live)).await;
    // One listens to the topic and one to the pattern.
    assert_eq!(there.publish(&tick(3)).await.unwrap(), 2);
    for client in &mut clients {
        let (duration, dropped, disconnected) = gap(client).await;
        assert_eq!((dropped, disconnected), (0, true));
        assert!(duration > Duration::ZERO);
        expect_tick(client, 3).await;
        assert!(client.next().now_or_never().is_none());
        let counts = client.counts();
        assert_eq!((counts.received, counts.delivered, counts.gaps), (2, 2, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn each_is_told_what_it_missed_itself() {
    let (puppet, begun) = (Puppet::default(), Instant::now());
    let bus = puppet.bus();
    let hub = Hub::new(&bus);
    let (mut early, mut late, mut later) = (client(&hub), client(&hub), client(&hub));
    early.subscribe("ticks").await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_millis(1500));
    assert!(!early.is_live());
    puppet.send(0);
    sleep(SECOND).await;
    puppet.say(&Signal::Up);
    assert!(early.is_live());
    assert_eq!(gap(&mut early).await, (Duration::from_millis(2500), 0, true));
    let up = Instant::now();
    late.subscribe("ticks").await.unwrap();
    assert_eq!(up.elapsed(), Duration::ZERO);
    puppet.send(1);
    // What is said to be missed cannot have been before it subscribed.
    sleep(SECOND).await;
    puppet.say(&Signal::Down { since: begun });
    puppet.send(2);
    sleep(SECOND).await;
    later.subscribe("ticks").await.unwrap();
    puppet.say(&Signal::Up);
    puppet.send(3);
    for client in [&mut early, &mut late] {
        expect_tick(client, 1).await;
        assert_eq!(gap(client).await, (Duration::from_millis(3500), 0, true));
        expect_tick(client, 3).await;
    }
    assert_eq!(gap(&mut later).await, (Duration::from_millis(1500), 0, true));
    expect_tick(&mut later, 3).await;
    for client in [&mut early, &mut late, &mut later] {
        assert!(client.next().now_or_never().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn who_ends_during_an_outage_is_told_what_was_missed() {
    for by_transport in [false, true] {
        let puppet = Puppet::default();
        let bus = puppet.bus();
        let hub = Hub::new(&bus);
        let mut client = client(&hub);
        let (subscribed, ()) = tokio::join!(client.subscribe("ticks"), async { puppet.say(&Signal::Up) });
        subscribed.unwrap();
        puppet.say(&Signal::Down { since: Instant::now() });
        sleep(SECOND).await;
        if by_transport {
            puppet.say(&Signal::Closed);
            let mut other = hub.client(Limits::default()).unwrap();
            assert_eq!(other.subscribe("ticks").await.unwrap_err().kind(), ErrorKind::Closed);
        } else {
            hub.shutdown();
        }
        puppet.say(&Signal::Up);
        puppet.send(2);
        assert_eq!(gap(&mut client).await, (SECOND, 0, true));
        assert_eq!(client.next().await, None);
    }
}

/// A transport that can serve nobody.
#[derive(Debug)]
struct Refuses;

#[async_trait]
impl Transport for Refuses {
    async fn publish(&self, _: &[Outgoing<'_>]) -> Result<Vec<u64>, Error> {
        Ok(Vec::new())
    }

    fn listen(&self, _: &Interest, _: Arc<dyn Ear>) -> Result<Listening, Error> {
        Err(Error::new(ErrorKind::InvalidArgument, "subscribe to", "it").with_detail("not here"))
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_transport_refuses_leaves_nothing() {
    let bus = Bus::new(Refuses, &BusSettings::default(), &keyspace(), "test");
    let hub = Hub::new(&bus);
    let mut client = hub.client(Limits { topics: 1, ..Limits::default() }).unwrap();
    for name in ["ticks", "ticks", "other"] {
        let error = client.subscribe(name).await.unwrap_err();
        assert_eq!(error.to_string(), "subscribe to \"it\": invalid argument, not here");
        assert!(!client.unsubscribe(name).unwrap());
    }
    assert!(format!("{hub:?}").contains("sources: 0"), "{hub:?}");
    hub.shutdown();
    assert_eq!(client.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn what_comes_late_is_no_gap_and_what_is_lost_is_one_in_its_place() {
    let puppet = Puppet::default();
    let bus = puppet.bus();
    let hub = Hub::new(&bus);
    let mut first = client(&hub);
    let (subscribed, ()) = tokio::join!(first.subscribe("ticks"), async { puppet.say(&Signal::Up) });
    subscribed.unwrap();
    puppet.send(1);
    puppet.say(&Signal::Late { since: Instant::now() });
    assert!(!first.is_live());
    // Who comes now waits for nothing: all that is published from now on will come.
    let begun = Instant::now();
    let mut second = client(&hub);
    second.subscribe("ticks").await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    sleep(SECOND).await;
    puppet.send(2);
    puppet.say(&Signal::Lost { since: begun, until: Instant::now() });
    puppet.send(3);
    puppet.say(&Signal::Up);
    assert!(first.is_live() && second.is_live());
    puppet.send(4);
    expect_tick(&mut first, 1).await;
    for client in [&mut first, &mut second] {
        expect_tick(client, 2).await;
        assert_eq!(gap(client).await, (SECOND, 0, true));
        expect_tick(client, 3).await;
        expect_tick(client, 4).await;
        assert!(client.next().now_or_never().is_none());
    }
    // Who ends before it has come is told.
    puppet.say(&Signal::Late { since: Instant::now() });
    sleep(SECOND).await;
    hub.shutdown();
    for client in [&mut first, &mut second] {
        assert_eq!(gap(client).await, (SECOND, 0, true));
        assert_eq!(soon(client.next()).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_before_it_came_late_is_told() {
    let puppet = Puppet::default();
    let bus = puppet.bus();
    let hub = Hub::new(&bus);
    let mut client = client(&hub);
    let (subscribed, ()) = tokio::join!(client.subscribe("ticks"), async {
        puppet.say(&Signal::Down { since: Instant::now() });
    });
    subscribed.unwrap();
    puppet.say(&Signal::Late { since: Instant::now() });
    puppet.send(1);
    puppet.say(&Signal::Up);
    assert_eq!(gap(&mut client).await, (Duration::from_millis(1500), 0, true));
    expect_tick(&mut client, 1).await;
    assert!(client.next().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_what_comes_late_is_told_what_it_did_not_take_by_another_way() {
    for pattern in ["tick*", "other*"] {
        let puppet = Puppet::default();
        let bus = puppet.bus();
        let hub = Hub::new(&bus);
        let mut client = client(&hub);
        let (subscribed, ()) =
            tokio::join!(client.subscribe_pattern(pattern), async { puppet.say_to(0, &Signal::Up) });
        subscribed.unwrap();
        let late = Signal::Late { since: Instant::now() };
        let (resumed, ()) = tokio::join!(client.resume("ticks", "1-1"), async { puppet.say_to(1, &late) });
        resumed.unwrap();
        puppet.say_to(1, &Puppet::message(1));
        // It is to come by the other, which is not so far yet.
        puppet.say_to(0, &Puppet::message(2));
        sleep(SECOND).await;
        assert!(client.unsubscribe("ticks").unwrap());
        puppet.say_to(0, &Puppet::message(3));
        expect_tick(&mut client, 1).await;
        if pattern == "tick*" {
            assert_eq!(gap(&mut client).await, (SECOND, 0, true));
            expect_tick(&mut client, 3).await;
        }
        assert_eq!(client.counts().gaps, u64::from(pattern == "tick*"));
    }
}
