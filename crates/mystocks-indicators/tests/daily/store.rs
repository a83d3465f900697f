//! What the store of results is asked to write, and what it may refuse.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mystocks_bus::{Delivery, IndicatorEvent};
use mystocks_cache::{Cursor, Error, ErrorKind, Lifetime, MemoryStore, Page, Put, Store};
use mystocks_indicators::{DailyJob, DailyTask, DateRange, IndicatorService, Way};

use crate::rig::{Market, Rig, name, symbol};

/// A store that counts the bytes of each write, and refuses them all if it is full.
#[derive(Debug, Clone, Default)]
struct Counted {
    held: MemoryStore,
    writes: Arc<Mutex<Vec<usize>>>,
    is_full: bool,
}

#[async_trait]
impl Store for Counted {
    async fn get(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, Error> {
        self.held.get(keys).await
    }
    async fn put(&self, entries: &[Put<'_>]) -> Result<(), Error> {
        self.writes.lock().unwrap().push(entries.iter().map(|entry| entry.value.len()).sum());
        if self.is_full {
            return Err(Error::new(ErrorKind::Store, "put", "results"));
        }
        self.held.put(entries).await
    }
    async fn remove(&self, keys: &[&str]) -> Result<u64, Error> {
        self.held.remove(keys).await
    }
    async fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<Lifetime, Error> {
        self.held.touch(key, ttl).await
    }
    async fn scan(&self, pattern: &str, cursor: Cursor) -> Result<Page, Error> {
        self.held.scan(pattern, cursor).await
    }
    fn now_ms(&self) -> u64 {
        self.held.now_ms()
    }
}

const STOCKS: u32 = 40;

/// Runs the job on `store`, and returns what a service of another process finds there, and of whom was told.
async fn run(store: &Counted) -> (Vec<Way>, BTreeSet<String>) {
    let rig = Rig::new(Market::new(STOCKS, 600));
    let service = || IndicatorService::builder(rig.market.clone()).store(store.clone()).build().unwrap();
    let job = DailyJob::new(&service(), rig.results.clone(), &rig.locker, rig.log.clone()).bus(&rig.bus);
    let mut stocks = rig.bus.subscribe(IndicatorEvent::topic()).await.unwrap();
    let worker = job.work().await.unwrap();
    let report = job.run(&DailyTask::new("nightly"), |_| {}).await.unwrap().unwrap();
    worker.shutdown().await;
    let all = u64::from(STOCKS);
    assert_eq!((report.succeeded, report.rows, rig.results.len() as u64), (all, all * 9, all * 9));
    let mut told = BTreeSet::new();
    while told.len() < STOCKS as usize {
        let Some(Delivery::Event(event)) = stocks.next().await else { panic!("each is told of") };
        let IndicatorEvent::StockCompleted(stock) = &event.event else { panic!("{event:?}") };
        assert_eq!((stock.success_count, stock.from_cache_count), (9, 0));
        told.insert(stock.stock_code.clone());
    }
    let (reader, mut ways) = (service(), Vec::new());
    for seed in 0..STOCKS {
        let found = reader.get(&symbol(&name(seed)), "TDX_KDJ", &[], DateRange::ALL).await.unwrap();
        ways.push(found.detail().way);
    }
    (ways, told)
}

#[tokio::test]
async fn results_go_to_the_store_about_a_megabyte_at_a_time() {
    let store = Counted::default();
    let (ways, told) = run(&store).await;
    assert!(ways.iter().all(|way| *way == Way::ResultL2), "{ways:?}");
    assert_eq!(told.len(), STOCKS as usize);
    let writes = store.writes.lock().unwrap().clone();
    assert!(writes.iter().sum::<usize>() > 2 << 20, "{writes:?}");
    assert!(writes.iter().all(|bytes| *bytes <= 1 << 20), "{writes:?}");
}

#[tokio::test]
async fn who_is_told_of_a_stock_finds_its_rows_also_when_the_store_is_full() {
    let store = Counted { is_full: true, ..Counted::default() };
    let (ways, told) = run(&store).await;
    assert!(ways.iter().all(|way| *way == Way::Source), "readers compute: {ways:?}");
    assert_eq!(told.len(), STOCKS as usize);
}
