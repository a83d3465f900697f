//! A store and a bar source that count what they are asked, made-up bars, and what a kernel makes of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::ToSpan;
use jiff::civil::date;
use mystocks_cache::{Cursor, Error as CacheError, Lifetime, MemoryStore, Page, Put, Store};
use mystocks_indicators::{
    BarSource, Error, IndicatorRequest, IndicatorResult, IndicatorService, LoadedBars, MemoryBars, Reading,
    SeriesVersion, Symbol,
};
use mystocks_ta::{Given, RawBar, registry};

pub(crate) fn symbol(text: &str) -> Symbol {
    Symbol::new(text).unwrap()
}

/// `count` bars of a price that wanders differently for each `seed`.
pub(crate) fn walk(seed: u32, count: usize) -> Vec<RawBar> {
    let mut state = u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut draw = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        f64::from(u32::try_from(state >> 40).unwrap()) / f64::from(1 << 24)
    };
    let mut day = date(2020, 1, 1);
    let mut close = 20.0 + f64::from(seed);
    (0..count)
        .map(|_| {
            day = day.checked_add(1.day()).unwrap();
            let open = close * (0.99 + 0.02 * draw());
            close = open * (0.97 + 0.06 * draw());
            let (high, low) =
                (open.max(close) * (1.0 + 0.01 * draw()), open.min(close) * (1.0 - 0.01 * draw()));
            RawBar { date: day, open, high, low, close, volume: Some((1e6 * draw()).round()) }
        })
        .collect()
}

/// A service over `source` and `store`.
pub(crate) fn service(source: impl BarSource, store: &CountedStore) -> IndicatorService {
    IndicatorService::builder(source).store(store.clone()).reading(Reading::Results).build().unwrap()
}

/// A service with one stock, `AAPL`.
pub(crate) fn one_stock(count: usize) -> (CountedBars, CountedStore, IndicatorService) {
    let (bars, store) = (CountedBars::default(), CountedStore::default());
    bars.bars.insert(symbol("AAPL"), walk(1, count));
    let service = self::service(bars.clone(), &store);
    (bars, store, service)
}

/// What the kernel gives for the whole history.
pub(crate) async fn direct(source: &impl BarSource, request: &IndicatorRequest) -> Vec<Vec<u64>> {
    let bars = source.load(&request.symbol).await.unwrap().bars;
    let indicator = registry().get(&request.indicator).unwrap();
    let given: Vec<(&str, Given)> =
        request.parameters.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let output = indicator.compute(&bars, &indicator.canonical(&given).unwrap()).unwrap();
    output.series.iter().map(|series| bits(&series.values)).collect()
}

/// What a result holds, in the form of [`direct`].
pub(crate) fn outputs(result: &IndicatorResult) -> Vec<Vec<u64>> {
    result.outputs().map(|name| bits(result.values(name).unwrap())).collect()
}

/// The bits of a series, so that NaN equals NaN and nothing else is taken for equal.
pub(crate) fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Bars in memory that count the questions.
#[derive(Debug, Clone, Default)]
pub(crate) struct CountedBars {
    pub(crate) bars: MemoryBars,
    versions: Arc<AtomicUsize>,
    loads: Arc<AtomicUsize>,
}

impl CountedBars {
    pub(crate) fn versions(&self) -> usize {
        self.versions.load(Ordering::SeqCst)
    }

    pub(crate) fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl BarSource for CountedBars {
    async fn symbols(&self) -> Result<Vec<Symbol>, Error> {
        self.bars.symbols().await
    }
    async fn version(&self, symbol: &Symbol) -> Result<SeriesVersion, Error> {
        self.versions.fetch_add(1, Ordering::SeqCst);
        self.bars.version(symbol).await
    }
    async fn load(&self, symbol: &Symbol) -> Result<LoadedBars, Error> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        // Gives everybody the chance to ask for the same.
        tokio::task::yield_now().await;
        self.bars.load(symbol).await
    }
}

/// A store in memory that counts the requests and can be broken.
#[derive(Debug, Clone, Default)]
pub(crate) struct CountedStore {
    store: MemoryStore,
    /// The number of keys of every `get`.
    gets: Arc<std::sync::Mutex<Vec<usize>>>,
    keys: Arc<std::sync::Mutex<Vec<String>>>,
    broken: Arc<std::sync::atomic::AtomicBool>,
}

impl CountedStore {
    /// Returns how many keys each `get` since the last call asked for.
    pub(crate) fn take_gets(&self) -> Vec<usize> {
        std::mem::take(&mut self.gets.lock().unwrap())
    }

    /// Returns every key that was written.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.keys.lock().unwrap().clone()
    }

    pub(crate) fn break_down(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    fn check(&self) -> Result<(), CacheError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(CacheError::new(mystocks_cache::ErrorKind::Unavailable, "reach", "the store"));
        }
        Ok(())
    }
}

#[async_trait]
impl Store for CountedStore {
    async fn get(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, CacheError> {
        self.gets.lock().unwrap().push(keys.len());
        self.check()?;
        self.store.get(keys).await
    }
    async fn put(&self, entries: &[Put<'_>]) -> Result<(), CacheError> {
        self.check()?;
        self.keys.lock().unwrap().extend(entries.iter().map(|put| put.key.to_owned()));
        self.store.put(entries).await
    }
    async fn remove(&self, keys: &[&str]) -> Result<u64, CacheError> {
        self.check()?;
        self.store.remove(keys).await
    }
    async fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<Lifetime, CacheError> {
        self.check()?;
        self.store.touch(key, ttl).await
    }
    async fn scan(&self, pattern: &str, cursor: Cursor) -> Result<Page, CacheError> {
        self.check()?;
        self.store.scan(pattern, cursor).await
    }
    fn now_ms(&self) -> u64 {
        self.store.now_ms()
    }
}
