//! Ticks that are held in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Error;
use crate::symbol::Symbol;
use crate::ticks::{Tick, TickRange, TickSource, Ticks, check};

/// Ticks that are held in memory: for tests, and for what is replayed.
///
/// Cheap to clone; the clones share the ticks.
#[derive(Debug, Clone, Default)]
pub struct MemoryTicks {
    held: Arc<Mutex<BTreeMap<Symbol, Vec<Tick>>>>,
}

impl MemoryTicks {
    /// Makes one without ticks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds ticks of `symbol`, in any order; those of one moment stay in theirs. Times are rounded down to the microsecond.
    pub fn insert(&self, symbol: &Symbol, ticks: impl IntoIterator<Item = Tick>) {
        let ticks: Vec<Tick> = ticks.into_iter().map(whole).collect();
        if ticks.is_empty() {
            return;
        }
        let mut held = self.lock();
        let of_symbol = held.entry(symbol.clone()).or_default();
        of_symbol.extend(ticks);
        of_symbol.sort_by_key(|tick| tick.at);
    }

    // A panic elsewhere leaves the map whole: what goes in is made before.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Symbol, Vec<Tick>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn whole(tick: Tick) -> Tick {
    let micros = i64::try_from(tick.at.as_nanosecond().div_euclid(1_000)).ok();
    let at = micros.and_then(|micros| Timestamp::from_microsecond(micros).ok()).unwrap_or(tick.at);
    Tick { at, ..tick }
}

#[async_trait]
impl TickSource for MemoryTicks {
    async fn symbols(&self) -> Result<Vec<Symbol>, Error> {
        Ok(self.lock().keys().cloned().collect())
    }

    async fn ticks(&self, symbol: &Symbol, range: TickRange, limit: usize) -> Result<Ticks, Error> {
        check(limit, symbol)?;
        let held = self.lock();
        let ticks = held.get(symbol).map(Vec::as_slice).unwrap_or_default();
        let from = ticks.partition_point(|tick| tick.at < range.from);
        let until = ticks.partition_point(|tick| tick.at < range.until).max(from);
        let until = until.min(from.saturating_add(limit).saturating_add(1));
        Ticks::page(ticks.get(from..until).unwrap_or_default(), limit, symbol)
    }

    async fn latest(&self, symbol: &Symbol) -> Result<Option<Tick>, Error> {
        Ok(self.lock().get(symbol).and_then(|ticks| ticks.last()).copied())
    }
}
