//! Bars that somebody puts into memory.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use mystocks_ta::{CleaningPolicy, CleaningReport, RawBar};

use crate::error::Error;
use crate::source::{BarSource, LoadedBars};
use crate::symbol::Symbol;
use crate::version::{SeriesVersion, policy_words};

/// Bars that somebody puts into memory: for tests, and for whoever receives bars over a wire.
///
/// Cheap to clone; the clones share the bars. Cleaning happens when bars are put in, so reading them is a lookup.
#[derive(Debug, Clone, Default)]
pub struct MemoryBars {
    policy: CleaningPolicy,
    series: Arc<RwLock<BTreeMap<Symbol, Series>>>,
}

#[derive(Debug)]
struct Series {
    raw: Vec<RawBar>,
    loaded: LoadedBars,
}

impl MemoryBars {
    /// Makes a source without bars that cleans by the default policy.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a source without bars that cleans by `policy`.
    pub fn with_policy(policy: CleaningPolicy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// Makes `raw` the bars of `symbol`, instead of any it had, and returns what cleaning did to them.
    pub fn insert(&self, symbol: Symbol, raw: Vec<RawBar>) -> CleaningReport {
        let series = self.clean(raw);
        let report = series.loaded.report;
        self.write().insert(symbol, series);
        report
    }

    /// Makes `bar` the bar of its day: instead of the one that `symbol` had, or as a new one.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownSymbol`](crate::ErrorKind) when `symbol` has no bars yet.
    pub fn revise(&self, symbol: &Symbol, bar: RawBar) -> Result<CleaningReport, Error> {
        let mut held = self.write();
        let Some(series) = held.get_mut(symbol) else {
            return Err(Error::unknown_symbol(symbol, held.keys()));
        };
        let mut raw = std::mem::take(&mut series.raw);
        raw.retain(|other| other.date != bar.date);
        let place = raw.partition_point(|other| other.date < bar.date);
        raw.insert(place, bar);
        *series = self.clean(raw);
        Ok(series.loaded.report)
    }

    /// Forgets the bars of `symbol` and returns whether it had any.
    pub fn remove(&self, symbol: &Symbol) -> bool {
        self.write().remove(symbol).is_some()
    }

    fn clean(&self, raw: Vec<RawBar>) -> Series {
        let (bars, report) = mystocks_ta::clean(raw.clone(), &self.policy);
        let loaded =
            LoadedBars { version: SeriesVersion::of(&bars, &self.policy), bars: Arc::new(bars), report };
        Series { raw, loaded }
    }

    fn find(&self, symbol: &Symbol) -> Result<LoadedBars, Error> {
        let held = self.read();
        match held.get(symbol) {
            Some(series) => Ok(series.loaded.clone()),
            None => Err(Error::unknown_symbol(symbol, held.keys())),
        }
    }

    // A panic elsewhere leaves the map whole: a series is made before it goes in.
    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<Symbol, Series>> {
        self.series.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<Symbol, Series>> {
        self.series.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl BarSource for MemoryBars {
    async fn symbols(&self) -> Result<Vec<Symbol>, Error> {
        Ok(self.read().keys().cloned().collect())
    }

    async fn version(&self, symbol: &Symbol) -> Result<SeriesVersion, Error> {
        Ok(self.find(symbol)?.version)
    }

    async fn load(&self, symbol: &Symbol) -> Result<LoadedBars, Error> {
        self.find(symbol)
    }

    fn fingerprint(&self) -> String {
        format!("memory; {}", policy_words(&self.policy))
    }
}
