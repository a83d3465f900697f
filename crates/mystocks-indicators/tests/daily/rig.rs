//! A market in memory, and all that a daily job needs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::ToSpan;
use jiff::civil::{Date, date};
use mystocks_bus::{Bus, Handling, MemoryLog};
use mystocks_cache::{CacheHub, Keyspace, MemoryStore};
use mystocks_indicators::{
    BarSource, DailyJob, DailyProgress, DailyReport, DailyTask, Error, ErrorKind, IndicatorService,
    LoadedBars, MemoryBars, MemoryResults, Results, SeriesVersion, Symbol,
};
use mystocks_lock::Locker;
use mystocks_ta::RawBar;

pub(crate) fn symbol(text: &str) -> Symbol {
    Symbol::new(text).unwrap()
}

pub(crate) fn day(at: i64) -> Date {
    date(2024, 1, 1).checked_add(at.days()).unwrap()
}

/// The bar of day `at` of a price that wanders differently for each `seed`.
pub(crate) fn bar(seed: u32, at: u32) -> RawBar {
    let close = f64::from(2_000 + seed * 10 + at * (seed % 7 + 3) % 97 * 5) / 100.0;
    let open = close - 0.05;
    RawBar {
        date: day(i64::from(at)),
        open,
        high: close + 0.2,
        low: open - 0.2,
        close,
        volume: Some(f64::from(1_000 + seed + at)),
    }
}

/// A market, and how often each symbol's bars were loaded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Market {
    pub(crate) bars: MemoryBars,
    pub(crate) loads: Arc<Mutex<BTreeMap<Symbol, usize>>>,
    /// While set, loads fail as if the database were away.
    pub(crate) away: Arc<AtomicBool>,
    pub(crate) failures: Arc<AtomicUsize>,
    /// What it says of itself.
    pub(crate) kind: &'static str,
}

impl Market {
    /// `count` symbols of `days` bars each.
    pub(crate) fn new(count: u32, days: u32) -> Self {
        let market = Self::default();
        for seed in 0..count {
            market.list(&name(seed), seed, days);
        }
        market
    }

    pub(crate) fn list(&self, name: &str, seed: u32, days: u32) {
        self.bars.insert(symbol(name), (0..days).map(|at| bar(seed, at)).collect());
    }

    pub(crate) fn loads(&self) -> BTreeMap<Symbol, usize> {
        self.loads.lock().unwrap().clone()
    }
}

pub(crate) fn name(seed: u32) -> String {
    format!("sh.{:06}", 600_000 + seed)
}

#[async_trait]
impl BarSource for Market {
    async fn symbols(&self) -> Result<Vec<Symbol>, Error> {
        self.bars.symbols().await
    }
    async fn version(&self, symbol: &Symbol) -> Result<SeriesVersion, Error> {
        self.bars.version(symbol).await
    }
    async fn load(&self, symbol: &Symbol) -> Result<LoadedBars, Error> {
        if self.away.load(Ordering::SeqCst) {
            self.failures.fetch_add(1, Ordering::SeqCst);
            return Err(Error::new(ErrorKind::Source, "load", symbol.as_str()));
        }
        *self.loads.lock().unwrap().entry(symbol.clone()).or_default() += 1;
        self.bars.load(symbol).await
    }
    fn fingerprint(&self) -> String {
        self.kind.to_owned()
    }
}

/// All that a job needs, in memory.
pub(crate) struct Rig {
    pub(crate) market: Market,
    pub(crate) store: MemoryStore,
    pub(crate) results: MemoryResults,
    pub(crate) locker: Locker,
    pub(crate) log: MemoryLog,
    pub(crate) bus: Bus,
}

impl Rig {
    pub(crate) fn new(market: Market) -> Self {
        Self {
            market,
            store: MemoryStore::new(),
            results: MemoryResults::new(),
            locker: Locker::memory(),
            log: MemoryLog::new(),
            bus: Bus::memory(),
        }
    }

    /// The service of another process.
    pub(crate) fn service(&self) -> IndicatorService {
        let hub = CacheHub::memory(&self.store, &Keyspace::default());
        IndicatorService::builder(self.market.clone()).hub(&hub).build().unwrap()
    }

    /// The job of another process, whose events are retried soon.
    pub(crate) fn job(&self) -> DailyJob {
        self.job_with(self.results.clone())
    }

    /// The job of a process that records in `results`.
    pub(crate) fn job_with(&self, results: impl Results) -> DailyJob {
        let soon = Duration::from_millis(50);
        let handling = Handling { again_after: soon, lease: Duration::from_secs(1), ..Handling::default() };
        let job = DailyJob::new(&self.service(), results, &self.locker, self.log.clone());
        job.bus(&self.bus).handling(handling).chunk(8)
    }

    /// Runs `task` with a worker of its own.
    pub(crate) async fn run(&self, task: &DailyTask) -> DailyReport {
        self.run_with(task, |_| {}).await
    }

    pub(crate) async fn run_with(
        &self,
        task: &DailyTask,
        progress: impl FnMut(&DailyProgress) + Send,
    ) -> DailyReport {
        let job = self.job();
        let worker = job.work().await.unwrap();
        let report = job.run(task, progress).await.unwrap().unwrap();
        worker.shutdown().await;
        report
    }
}
