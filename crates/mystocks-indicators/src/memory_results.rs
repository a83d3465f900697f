//! Results that are recorded in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::civil::Date;

use crate::error::Error;
use crate::results::{ResultRow, Results};
use crate::symbol::Symbol;
use crate::task_record::TaskRecord;

/// Results that are recorded in memory: for tests, and for jobs whose results go nowhere else.
///
/// Cheap to clone; the clones share what is recorded.
#[derive(Debug, Clone, Default)]
pub struct MemoryResults {
    recorded: Arc<Mutex<Recorded>>,
}

#[derive(Debug, Default)]
struct Recorded {
    series: HashMap<(Symbol, Arc<str>), BTreeMap<Date, StoredResult>>,
    tasks: HashMap<String, TaskRecord>,
}

/// What of a [`ResultRow`] is recorded, in the columns of `indicator_data`.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredResult {
    /// The first output; `None` when it was not finite.
    pub value: Option<f64>,
    /// All outputs as the text of a JSON object, when there were several.
    pub complex_value: Option<String>,
}

impl MemoryResults {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns what is recorded of `code` of `symbol`, by day.
    pub fn series(&self, symbol: &Symbol, code: &str) -> BTreeMap<Date, StoredResult> {
        self.lock().series.get(&(symbol.clone(), code.into())).cloned().unwrap_or_default()
    }

    /// Returns how many rows are recorded.
    pub fn len(&self) -> usize {
        self.lock().series.values().map(BTreeMap::len).sum()
    }

    /// Returns whether no row is recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    // A panic elsewhere leaves the maps whole: what goes in is made before.
    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<&ResultRow> for StoredResult {
    fn from(row: &ResultRow) -> Self {
        Self { value: row.value(), complex_value: row.complex_value() }
    }
}

#[async_trait]
impl Results for MemoryResults {
    async fn recorded(
        &self,
        symbols: &[Symbol],
        codes: &[Arc<str>],
        days: &[Date],
    ) -> Result<HashMap<(Symbol, Arc<str>), Date>, Error> {
        let days: BTreeSet<&Date> = days.iter().collect();
        let recorded = self.lock();
        let mut found = HashMap::new();
        for key in
            symbols.iter().flat_map(|symbol| codes.iter().map(|code| (symbol.clone(), Arc::clone(code))))
        {
            let held = recorded.series.get(&key);
            if let Some(day) = held.and_then(|held| days.iter().rev().find(|day| held.contains_key(day))) {
                found.insert(key, **day);
            }
        }
        Ok(found)
    }

    async fn write(&self, rows: &[ResultRow]) -> Result<u64, Error> {
        rows.iter().try_for_each(ResultRow::check)?;
        // Only the last of one key counts, also in the number of rows that are other.
        let last: HashMap<_, _> = rows.iter().map(|row| ((&row.symbol, &row.code, row.day), row)).collect();
        let mut recorded = self.lock();
        let mut written = 0;
        for row in last.into_values() {
            let series = recorded.series.entry((row.symbol.clone(), Arc::clone(&row.code))).or_default();
            let stored = StoredResult::from(row);
            if series.get(&row.day) != Some(&stored) {
                series.insert(row.day, stored);
                written += 1;
            }
        }
        Ok(written)
    }

    async fn task(&self, task_id: &str) -> Result<Option<TaskRecord>, Error> {
        Ok(self.lock().tasks.get(task_id).cloned())
    }

    async fn record_task(&self, task: &TaskRecord) -> Result<(), Error> {
        let kept = task.kept()?;
        self.lock().tasks.insert(kept.task_id.clone(), kept);
        Ok(())
    }
}
