//! Bars that change between the question for their version and their loading.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::rig::{CountedStore, bits, service, symbol, walk};
use async_trait::async_trait;
use mystocks_cache::Tier;
use mystocks_indicators::{
    BarSource, DateRange, Error, ErrorKind, IndicatorRequest, LoadedBars, MemoryBars, SeriesVersion, Symbol,
};
use mystocks_ta::{RawBar, registry};

/// Revises its bars before each load as scripted: with the next series, or not at all when the script is over.
#[derive(Debug, Clone, Default)]
struct Scripted {
    bars: MemoryBars,
    script: Arc<Mutex<VecDeque<Step>>>,
}

#[derive(Debug)]
enum Step {
    Revise(Vec<RawBar>),
    Remove,
}

impl Scripted {
    fn new(first: Vec<RawBar>, script: impl IntoIterator<Item = Step>) -> Self {
        let source = Self::default();
        source.bars.insert(symbol("AAPL"), first);
        *source.script.lock().unwrap() = script.into_iter().collect();
        source
    }
}

#[async_trait]
impl BarSource for Scripted {
    async fn symbols(&self) -> Result<Vec<Symbol>, Error> {
        self.bars.symbols().await
    }
    async fn version(&self, symbol: &Symbol) -> Result<SeriesVersion, Error> {
        self.bars.version(symbol).await
    }
    async fn load(&self, symbol: &Symbol) -> Result<LoadedBars, Error> {
        let step = self.script.lock().unwrap().pop_front();
        match step {
            Some(Step::Revise(bars)) => {
                self.bars.insert(symbol.clone(), bars);
            }
            Some(Step::Remove) => {
                self.bars.remove(symbol);
            }
            None => {}
        }
        self.bars.load(symbol).await
    }
}

fn sma(raw: Vec<RawBar>) -> Vec<u64> {
    let (bars, _) = mystocks_ta::clean(raw, &mystocks_ta::CleaningPolicy::default());
    let indicator = registry().get("SMA").unwrap();
    bits(indicator.compute(&bars, &indicator.defaults()).unwrap().get("sma").unwrap())
}

#[tokio::test]
async fn bars_revised_before_the_load_are_never_stored_under_the_old_version() {
    let source = Scripted::new(walk(1, 50), [Step::Revise(walk(2, 50))]);
    let (store, stock) = (CountedStore::default(), symbol("AAPL"));
    let old = source.version(&stock).await.unwrap();
    let service = service(source.clone(), &store);
    let result = service.get(&stock, "SMA", &[], DateRange::ALL).await.unwrap();
    assert_eq!(bits(result.values("sma").unwrap()), sma(walk(2, 50)));
    assert_ne!(result.version(), &old);
    assert_eq!(result.version(), &source.version(&stock).await.unwrap());
    assert!(store.keys().iter().all(|key| !key.contains(old.as_str())), "{:?}", store.keys());

    // The old bars come back: under their version must be their numbers.
    source.bars.insert(stock.clone(), walk(1, 50));
    let result = service.get(&stock, "SMA", &[], DateRange::ALL).await.unwrap();
    assert_eq!(result.version(), &old);
    assert_eq!(bits(result.values("sma").unwrap()), sma(walk(1, 50)));
}

#[tokio::test]
async fn bars_that_always_change_are_given_up_after_three_times() {
    let script = (2..9).map(|seed| Step::Revise(walk(seed, 50)));
    let source = Scripted::new(walk(1, 50), script);
    let store = CountedStore::default();
    let service = service(source.clone(), &store);
    let error = service.get(&symbol("AAPL"), "SMA", &[], DateRange::ALL).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changing, "{error}");
    assert!(error.is_retryable());
    assert!(error.to_string().contains("AAPL"), "{error}");
    assert_eq!(source.script.lock().unwrap().len(), 4);
    assert_eq!(store.keys(), [""; 0]);
}

#[tokio::test]
async fn bars_that_change_twice_are_answered() {
    let script = (2..4).map(|seed| Step::Revise(walk(seed, 50)));
    let source = Scripted::new(walk(1, 50), script);
    let service = service(source.clone(), &CountedStore::default());
    let result = service.get(&symbol("AAPL"), "SMA", &[], DateRange::ALL).await.unwrap();
    assert_eq!(bits(result.values("sma").unwrap()), sma(walk(3, 50)));
}

#[tokio::test]
async fn a_symbol_removed_before_the_load_is_unknown_and_then_known_again() {
    let source = Scripted::new(walk(1, 50), [Step::Remove]);
    let (store, stock) = (CountedStore::default(), symbol("AAPL"));
    let service = service(source.clone(), &store);
    let error = service.get(&stock, "SMA", &[], DateRange::ALL).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownSymbol);
    // The same bars again, so the same version: nothing may remember that there was nothing.
    source.bars.insert(stock.clone(), walk(1, 50));
    let result = service.get(&stock, "SMA", &[], DateRange::ALL).await.unwrap();
    assert_eq!((result.tier(), bits(result.values("sma").unwrap())), (Tier::L3, sma(walk(1, 50))));
}

#[tokio::test]
async fn the_answers_for_one_symbol_are_of_one_version() {
    let source = Scripted::new(walk(1, 50), []);
    let (store, stock) = (CountedStore::default(), symbol("AAPL"));
    service(source.clone(), &store).get(&stock, "SMA", &[], DateRange::ALL).await.unwrap();
    // SMA is in the store for these bars; they change when another process loads them for EMA.
    source.script.lock().unwrap().push_back(Step::Revise(walk(2, 50)));
    let requests = ["SMA", "EMA", "RSI"].map(|name| IndicatorRequest::new(stock.clone(), name));
    let results = service(source.clone(), &store).get_many(&requests).await;
    assert!(source.script.lock().unwrap().is_empty());
    let now = source.version(&stock).await.unwrap();
    for result in &results {
        assert_eq!(result.as_ref().unwrap().version(), &now);
    }
    assert_eq!(bits(results[0].as_ref().unwrap().values("sma").unwrap()), sma(walk(2, 50)));
}
