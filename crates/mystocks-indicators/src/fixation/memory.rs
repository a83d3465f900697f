//! Hot rows that are kept in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::row::{HeldRow, HotRow, whole_micros};
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
type Rows = BTreeMap<(String, Timestamp, String), HeldRow>;

impl MemoryHotRows {
    /// Makes an empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns all rows, by kind, moment and key.
    pub fn rows(&self) -> Vec<HotRow> {
        self.lock().values().map(|held| held.row.clone()).collect()
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
    async fn upsert(&self, rows: &[HeldRow]) -> Result<u64, Error> {
        rows.iter().try_for_each(|held| held.row.check())?;
        let identity = |row: &HotRow| (row.kind.clone(), whole_micros(row.at), row.key.clone());
        let mut last: Rows = BTreeMap::new();
        // Only the last of one identity counts, also in the number of rows that are other.
        for held in rows {
            let identity = identity(&held.row);
            let row = HotRow { at: identity.1, ..held.row.clone() };
            if last.get(&identity).is_none_or(|earlier| held.place >= earlier.place) {
                last.insert(identity, HeldRow { row, place: held.place });
            }
        }
        let mut kept = self.lock();
        let mut written = 0;
        for (identity, held) in last {
            let stands = kept.get(&identity);
            if stands.is_none_or(|stands| held.replaces(stands.place, held.row != stands.row)) {
                kept.insert(identity, held);
                written += 1;
            }
        }
        Ok(written)
    }
}
