//! A transport that does what a test tells it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mystocks_bus::{Bus, Delivery, Ear, Error, ErrorKind, Interest, Listening, Outgoing, Signal, Transport};
use mystocks_config::BusSettings;
use tokio::time::{Instant, sleep};

use crate::world::{Tick, keyspace, number, soon, tick, ticks};

#[derive(Clone, Default)]
pub(crate) struct Puppet {
    ears: Arc<Mutex<Vec<Arc<dyn Ear>>>>,
}

impl std::fmt::Debug for Puppet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Puppet").finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for Puppet {
    async fn publish(&self, messages: &[Outgoing<'_>]) -> Result<Vec<u64>, Error> {
        Ok(vec![0; messages.len()])
    }

    fn listen(&self, _: &Interest, ear: Arc<dyn Ear>) -> Result<Listening, Error> {
        self.ears.lock().unwrap().push(ear);
        Ok(Listening::new(()))
    }
}

impl Puppet {
    pub(crate) fn bus(&self) -> Bus {
        Bus::new(self.clone(), &BusSettings::default(), &keyspace(), "test")
    }

    pub(crate) fn say(&self, signal: &Signal) {
        for ear in self.ears.lock().unwrap().iter() {
            ear.hear(signal.clone());
        }
    }

    /// Says it to one of those who listen, the first being 0.
    pub(crate) fn say_to(&self, ear: usize, signal: &Signal) {
        let ear = Arc::clone(&self.ears.lock().unwrap()[ear]);
        ear.hear(signal.clone());
    }

    pub(crate) fn send(&self, number: u64) {
        self.say(&Self::message(number));
    }

    pub(crate) fn message(number: u64) -> Signal {
        let payload = Bytes::from(json(&tick(number)));
        Signal::Message { channel: Arc::from("mystocks:ticks"), payload, id: None }
    }
}

fn json(tick: &Tick) -> String {
    mystocks_bus::Json::from_serialize(tick).unwrap().dumps()
}

fn gap(delivery: Option<Delivery<Tick>>) -> (Duration, u64, bool) {
    match delivery {
        Some(Delivery::Gap(gap)) => (gap.duration(), gap.dropped, gap.disconnected),
        other => panic!("{other:?} is no gap"),
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn who_subscribes_during_an_outage_is_told_what_was_missed() {
    let (puppet, begun) = (Puppet::default(), Instant::now());
    let bus = puppet.bus();
    let mut subscription = bus.subscribe(&ticks()).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_millis(1500));
    assert!(!*subscription.live().borrow());
    puppet.say(&Signal::Down { since: Instant::now() });
    puppet.send(1);
    sleep(SECOND).await;
    puppet.say(&Signal::Up);
    assert!(*subscription.live().borrow());
    puppet.send(2);
    assert_eq!(gap(subscription.next().await), (Duration::from_millis(2500), 0, true));
    assert_eq!(number(&mut subscription).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_loss_stands_between_what_came_before_and_after_it() {
    let puppet = Puppet::default();
    let bus = puppet.bus();
    let (subscription, ()) = tokio::join!(bus.subscribe(ticks()), async { puppet.say(&Signal::Up) });
    let mut subscription = subscription.unwrap();
    let mut live = subscription.live();
    puppet.send(1);
    puppet.say(&Signal::Down { since: Instant::now() });
    assert!(live.has_changed().unwrap() && !*live.borrow_and_update());
    sleep(SECOND).await;
    puppet.say(&Signal::Up);
    assert!(live.has_changed().unwrap() && *live.borrow_and_update());
    puppet.send(2);
    assert_eq!(number(&mut subscription).await, 1);
    assert_eq!(gap(subscription.next().await), (SECOND, 0, true));
    assert_eq!(number(&mut subscription).await, 2);
}

#[tokio::test(start_paused = true)]
async fn who_ends_during_an_outage_is_told_what_was_missed() {
    for by_transport in [false, true] {
        let puppet = Puppet::default();
        let bus = puppet.bus();
        let (subscription, ()) = tokio::join!(bus.subscribe(ticks()), async { puppet.say(&Signal::Up) });
        let mut subscription = subscription.unwrap();
        puppet.send(1);
        puppet.say(&Signal::Down { since: Instant::now() });
        sleep(SECOND).await;
        if by_transport {
            puppet.say(&Signal::Closed);
        } else {
            bus.shutdown().await;
        }
        // What a transport still says then does not count.
        puppet.say(&Signal::Up);
        puppet.send(2);
        assert!(!*subscription.live().borrow());
        assert_eq!(number(&mut subscription).await, 1);
        assert_eq!(gap(subscription.next().await), (SECOND, 0, true));
        assert_eq!(subscription.next().await, None);
        assert_eq!(subscription.next().await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn who_subscribes_during_the_shutdown_does_not_wait_for_the_transport() {
    let (puppet, begun) = (Puppet::default(), Instant::now());
    let bus = puppet.bus();
    let (subscription, listener, ()) = tokio::join!(
        bus.subscribe(ticks()),
        bus.on(ticks(), |_| async { panic!("nothing comes") }),
        soon(bus.shutdown())
    );
    assert_eq!(subscription.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(listener.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(begun.elapsed(), Duration::ZERO);
}
