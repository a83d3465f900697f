//! A symbol of a batch that fails, and those who ask for the others meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mystocks_indicators::{
    BarSource, DateRange, Error, ErrorKind, IndicatorRequest, IndicatorService, LoadedBars, MemoryBars,
    SeriesVersion, Symbol,
};
use tokio::sync::{Notify, Semaphore};
use tokio_util::task::TaskTracker;

use crate::rig::{CountedStore, symbol, walk};

/// Bars of which those of "broken" cannot be read; batches wait for a permit.
#[derive(Debug, Clone)]
struct Gated {
    bars: MemoryBars,
    /// Told of every batch as it begins.
    asked: Arc<Notify>,
    open: Arc<Semaphore>,
    /// Which symbols were loaded, and how often a version was asked for alone.
    loaded: Arc<Mutex<Vec<Symbol>>>,
    alone: Arc<AtomicUsize>,
}

impl Gated {
    fn new() -> Self {
        let bars = MemoryBars::default();
        for (seed, name) in (1..).zip(["one", "broken", "two"]) {
            bars.insert(symbol(name), walk(seed, 100));
        }
        Self {
            bars,
            asked: Arc::default(),
            open: Arc::new(Semaphore::new(0)),
            loaded: Arc::default(),
            alone: Arc::default(),
        }
    }

    async fn pass(&self) {
        self.asked.notify_one();
        self.open.acquire().await.unwrap().forget();
    }

    async fn read(&self, symbol: &Symbol) -> Result<LoadedBars, Error> {
        self.loaded.lock().unwrap().push(symbol.clone());
        if symbol.as_str() == "broken" {
            return Err(Error::new(ErrorKind::Malformed, "read bars", "broken").with_detail("as asked"));
        }
        self.bars.load(symbol).await
    }
}

#[async_trait]
impl BarSource for Gated {
    async fn symbols(&self) -> Result<Vec<Symbol>, Error> {
        self.bars.symbols().await
    }
    async fn version(&self, symbol: &Symbol) -> Result<SeriesVersion, Error> {
        self.alone.fetch_add(1, Ordering::SeqCst);
        self.bars.version(symbol).await
    }
    async fn load(&self, symbol: &Symbol) -> Result<LoadedBars, Error> {
        self.read(symbol).await
    }
    async fn versions(&self, symbols: &[Symbol]) -> Vec<Result<SeriesVersion, Error>> {
        self.pass().await;
        let mut versions = Vec::new();
        for symbol in symbols {
            versions.push(self.bars.version(symbol).await);
        }
        versions
    }
    async fn load_many(&self, symbols: &[Symbol]) -> Vec<Result<LoadedBars, Error>> {
        self.pass().await;
        let mut loaded = Vec::new();
        for symbol in symbols {
            loaded.push(self.read(symbol).await);
        }
        loaded
    }
}

fn requests(names: &[&str]) -> Vec<IndicatorRequest> {
    names.iter().map(|name| IndicatorRequest::new(symbol(name), "SMA").with("timeperiod", 5)).collect()
}

#[tokio::test]
async fn who_waits_for_the_bars_of_another_symbol_hears_nothing_of_the_one_that_fails() {
    let source = Gated::new();
    let service = IndicatorService::builder(source.clone()).store(CountedStore::default()).build().unwrap();
    let tasks = TaskTracker::new();
    let batch = tasks.spawn({
        let service = service.clone();
        async move { service.get_many(&requests(&["one", "broken", "two"])).await }
    });
    source.asked.notified().await;
    source.open.add_permits(1);
    // The versions are there; now the bars are asked for.
    source.asked.notified().await;
    let joined = tasks.spawn({
        let service = service.clone();
        async move { service.get(&symbol("one"), "EMA", &[], DateRange::ALL).await }
    });
    // It waits for the batch, and asks for nothing of its own.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!joined.is_finished());
    source.open.add_permits(1);
    assert_eq!(joined.await.unwrap().unwrap().symbol(), &symbol("one"));
    let answers = batch.await.unwrap();
    assert_eq!(answers[0].as_ref().unwrap().symbol(), &symbol("one"));
    assert_eq!(answers[2].as_ref().unwrap().symbol(), &symbol("two"));
    let error = answers[1].as_ref().unwrap_err();
    assert_eq!((error.kind(), error.subject()), (ErrorKind::Malformed, "broken"));
    let loaded = source.loaded.lock().unwrap();
    for name in ["one", "two"] {
        assert_eq!(loaded.iter().filter(|one| one.as_str() == name).count(), 1, "{name} was read once");
    }
}

#[tokio::test]
async fn a_symbol_that_is_unknown_costs_the_others_no_question() {
    let source = Gated::new();
    source.open.add_permits(10);
    let trust = Duration::from_secs(60);
    let service = IndicatorService::builder(source.clone())
        .store(CountedStore::default())
        .trust_versions(trust)
        .build()
        .unwrap();
    let answers = service.get_many(&requests(&["one", "nobody", "two"])).await;
    assert!(answers[0].is_ok() && answers[2].is_ok());
    let error = answers[1].as_ref().unwrap_err();
    assert_eq!((error.kind(), error.subject()), (ErrorKind::UnknownSymbol, "nobody"));
    assert_eq!(source.alone.load(Ordering::SeqCst), 0, "all versions came with one question");
}
