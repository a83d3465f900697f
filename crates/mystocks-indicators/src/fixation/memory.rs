//! Hot rows that are kept in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::row::{HotRow, whole_micros};
use super::target::FixationTarget;
use crate::error::Error;

/// Hot rows that are kept in memory: for tests.
///
/// Cheap to clone; the clones share what is kept.
#[derive(Debug, Clone, Default)]
pub struct MemoryHotRows {
    rows: Arc<Mutex<Rows>>,
}

/// By kind, moment and key.
type Rows = BTreeMap<(String, Timestamp, String), HotRow>;

impl MemoryHotRows {
    /// Makes an empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns all rows, by kind, moment and key.
    pub fn rows(&self) -> Vec<HotRow> {
        self.lock().values().cloned().collect()
    }

    /// Returns how many rows are kept.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Returns whether no row is kept.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    // A panic elsewhere leaves the map whole: what goes in is made before.
    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl FixationTarget for MemoryHotRows {
    async fn upsert(&self, rows: &[HotRow]) -> Result<u64, Error> {
        rows.iter().try_for_each(HotRow::check)?;
        // Only the last of one identity counts, also in the number of rows that are other.
        let identity = |row: &HotRow| (row.kind.clone(), whole_micros(row.at), row.key.clone());
        let last: BTreeMap<_, _> = rows.iter().map(|row| (identity(row), row)).collect();
        let mut kept = self.lock();
        let mut written = 0;
        for (identity, row) in last {
            let row = HotRow { at: identity.1, ..row.clone() };
            if kept.get(&identity) != Some(&row) {
                kept.insert(identity, row);
                written += 1;
            }
        }
        Ok(written)
    }
}
