//! A store whose writes wait until a test lets them through, and somebody who hears what a service tells.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mystocks_bus::{Bus, Delivery, Event, IndicatorCalculated, IndicatorEvent, Subscription};
use mystocks_cache::{
    CacheHub, Coherence, Cursor, Error as CacheError, Held, Keyspace, Leases, Lifetime, MemoryStore, Page,
    Put, Store, Take, Want, Write,
};
use mystocks_indicators::{BarSource, IndicatorService, Reading};
use tokio::sync::{Notify, Semaphore};

/// Holds writes.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    pub(crate) store: MemoryStore,
    /// Told of every write as it begins.
    pub(crate) writing: Arc<Notify>,
    /// Every write takes a permit before it happens.
    pub(crate) open: Arc<Semaphore>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self { store: MemoryStore::new(), writing: Arc::default(), open: Arc::new(Semaphore::new(0)) }
    }

    /// A hub whose entries are written under leases.
    pub(crate) fn hub(&self) -> CacheHub {
        let (leases, backplane) = self.store.process();
        let leases = GatedLeases { gate: self.clone(), leases: Box::new(leases) };
        CacheHub::new(&Keyspace::default(), self.store.clone(), leases, backplane, Coherence::Backplane)
    }

    async fn pass(&self) {
        self.writing.notify_one();
        self.open.acquire().await.unwrap().forget();
    }
}

#[derive(Debug)]
struct GatedLeases {
    gate: Gate,
    leases: Box<dyn Leases>,
}

#[async_trait]
impl Leases for GatedLeases {
    async fn take(&self, wanted: &[Want<'_>], ttl: Duration) -> Result<Vec<Take>, CacheError> {
        self.leases.take(wanted, ttl).await
    }
    async fn wait(&self, key: &str, at_most: Duration) -> Result<(), CacheError> {
        self.leases.wait(key, at_most).await
    }
    async fn renew(&self, held: &[Held<'_>], ttl: Duration) -> Result<Vec<bool>, CacheError> {
        self.leases.renew(held, ttl).await
    }
    async fn commit(&self, writes: &[Write<'_>]) -> Result<Vec<bool>, CacheError> {
        self.gate.pass().await;
        self.leases.commit(writes).await
    }
    async fn release(&self, held: &[Held<'_>]) -> Result<(), CacheError> {
        self.leases.release(held).await
    }
}

#[async_trait]
impl Store for Gate {
    async fn get(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, CacheError> {
        self.store.get(keys).await
    }
    async fn put(&self, entries: &[Put<'_>]) -> Result<(), CacheError> {
        self.pass().await;
        self.store.put(entries).await
    }
    async fn remove(&self, keys: &[&str]) -> Result<u64, CacheError> {
        self.store.remove(keys).await
    }
    async fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<Lifetime, CacheError> {
        self.store.touch(key, ttl).await
    }
    async fn scan(&self, pattern: &str, cursor: Cursor) -> Result<Page, CacheError> {
        self.store.scan(pattern, cursor).await
    }
    fn now_ms(&self) -> u64 {
        self.store.now_ms()
    }
}

/// A service's bus, and who listens.
pub(crate) struct Heard {
    pub(crate) bus: Bus,
    pub(crate) plain: Subscription<IndicatorCalculated>,
    pub(crate) events: Subscription<IndicatorEvent>,
}

impl Heard {
    pub(crate) async fn new() -> Self {
        let bus = Bus::memory();
        let plain = bus.subscribe(&IndicatorCalculated::topic()).await.unwrap();
        let events = bus.subscribe(&IndicatorEvent::topic()).await.unwrap();
        Self { bus, plain, events }
    }

    pub(crate) fn service(&self, source: impl BarSource, store: &(impl Store + Clone)) -> IndicatorService {
        IndicatorService::builder(source)
            .store(store.clone())
            .bus(&self.bus)
            .reading(Reading::Results)
            .build()
            .unwrap()
    }

    /// Returns how many events came so far.
    pub(crate) fn count(&self) -> u64 {
        self.plain.counts().received + self.events.counts().received
    }

    /// Ends `service` and the bus, and returns all that was told.
    pub(crate) async fn end(
        mut self,
        service: &IndicatorService,
    ) -> (Vec<IndicatorCalculated>, Vec<IndicatorEvent>) {
        service.shutdown().await;
        self.bus.shutdown().await;
        (rest(&mut self.plain).await, rest(&mut self.events).await)
    }
}

async fn rest<E: Event>(subscription: &mut Subscription<E>) -> Vec<E> {
    let mut events = Vec::new();
    while let Some(delivery) = subscription.next().await {
        match delivery {
            Delivery::Event(received) => events.push(received.event),
            Delivery::Gap(gap) => panic!("{gap:?}"),
        }
    }
    events
}
