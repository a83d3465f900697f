//! What this process knows of the marks in the store: when each tag was last invalidated and each cache cleared.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use rapidhash::quality::RandomState;
use tokio::time::Instant;

/// More marks than that are forgotten together, and asked for again.
const MOST: usize = 100_000;

/// The marks by their whole keys.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    table: RwLock<Table>,
    /// Changes whenever a mark does.
    version: AtomicU64,
}

#[derive(Debug, Default)]
struct Table {
    marks: HashMap<Arc<str>, Mark, RandomState>,
    /// Changes whenever the link was lost or found: what was asked for before may have been missed.
    generation: u64,
    /// The latest step of the marks that are not in the table any more.
    floor: u64,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    /// Of the store's clock; what is not newer is outdated.
    stamp: u64,
    /// Of this process's [`Order`](crate::order::Order).
    step: u64,
    learned: Instant,
    /// Whether nothing can have been missed since.
    known: bool,
    /// The store could not be told yet: nothing in it is newer.
    pending: bool,
}

impl Marks {
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Returns the generation that [`Marks::learn`] compares.
    pub(crate) fn generation(&self) -> u64 {
        self.read().generation
    }

    /// Returns the stamp of `mark` unless it is unknown or was learned longer ago than `lasts`.
    pub(crate) fn stamp(&self, mark: &str, lasts: Option<Duration>) -> Option<u64> {
        let mark = *self.read().marks.get(mark)?;
        if mark.pending {
            return Some(u64::MAX);
        }
        (mark.known && lasts.is_none_or(|lasts| mark.learned.elapsed() < lasts)).then_some(mark.stamp)
    }

    /// Takes in what the store said of `mark`, asked for in `generation`.
    pub(crate) fn learn(&self, mark: &str, stamp: u64, generation: u64) {
        let mut table = self.write();
        if table.marks.len() >= MOST && !table.marks.contains_key(mark) {
            // What was only read about and never heard of since can be asked for again.
            table.marks.retain(|_, mark| mark.step > 0 || mark.pending);
        }
        if table.generation == generation && table.marks.len() < 2 * MOST {
            table.enter(mark, |known| known.stamp = known.stamp.max(stamp));
        }
    }

    /// Takes in that `mark` was set at this process's `step`, and at `stamp` or, with none, not yet in the store.
    ///
    /// Returns whether there were too many marks, so that all of them were forgotten.
    pub(crate) fn set(&self, mark: &str, stamp: Option<u64>, step: u64) -> bool {
        let mut table = self.write();
        let overflows = table.marks.len() >= MOST && !table.marks.contains_key(mark);
        if overflows {
            table.make_room();
        }
        table.enter(mark, |known| {
            known.step = known.step.max(step);
            known.pending = stamp.is_none();
            known.stamp = known.stamp.max(stamp.unwrap_or(0));
        });
        drop(table);
        self.version.fetch_add(1, Ordering::AcqRel);
        overflows
    }

    /// Returns whether one of `marks` was set after `since`.
    pub(crate) fn is_outdated(&self, marks: &[Arc<str>], since: u64) -> bool {
        let table = self.read();
        let step = |mark: &Arc<str>| table.marks.get(mark).map_or(0, |mark| mark.step).max(table.floor);
        marks.iter().any(|mark| step(mark) > since)
    }

    /// Forgets what the store said, since something may have been missed; what was invalidated stays so.
    pub(crate) fn forget(&self) {
        self.write().forget();
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn enter(&mut self, mark: &str, change: impl FnOnce(&mut Mark)) {
        let now = Instant::now();
        let known = match self.marks.get_mut(mark) {
            Some(known) => known,
            None => self.marks.entry(Arc::from(mark)).or_insert(Mark {
                stamp: 0,
                step: 0,
                learned: now,
                known: true,
                pending: false,
            }),
        };
        known.learned = now;
        known.known = true;
        change(known);
    }

    fn forget(&mut self) {
        self.marks.values_mut().for_each(|mark| mark.known = false);
        self.generation += 1;
    }

    fn make_room(&mut self) {
        let dropped = self.marks.values().filter(|mark| !mark.pending);
        self.floor = dropped.map(|mark| mark.step).fold(self.floor, u64::max);
        self.marks.retain(|_, mark| mark.pending);
        self.generation += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_asked_for_before_the_link_was_lost_is_not_learned() {
        let marks = Marks::default();
        let asked = marks.generation();
        marks.forget();
        marks.learn("tag", 5, asked);
        assert_eq!(marks.stamp("tag", None), None);
        marks.learn("tag", 5, marks.generation());
        marks.learn("tag", 4, marks.generation());
        assert_eq!(marks.stamp("tag", None), Some(5));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(marks.stamp("tag", Some(Duration::from_secs(1))), None);
    }

    #[tokio::test]
    async fn a_mark_the_store_was_not_told_of_outdates_all_of_it() {
        let marks = Marks::default();
        marks.set("tag", None, 3);
        marks.forget();
        assert_eq!(marks.stamp("tag", None), Some(u64::MAX));
        assert!(marks.is_outdated(&[Arc::from("tag")], 2));
        assert!(!marks.is_outdated(&[Arc::from("tag")], 3));
        marks.set("tag", Some(9), 0);
        assert_eq!(marks.stamp("tag", None), Some(9));
    }

    #[tokio::test]
    async fn what_was_invalidated_stays_so_when_the_link_is_lost() {
        let marks = Marks::default();
        marks.set("tag", Some(5), 3);
        marks.forget();
        assert_eq!(marks.stamp("tag", None), None);
        assert!(marks.is_outdated(&[Arc::from("tag")], 2));
        assert!(!marks.is_outdated(&[Arc::from("tag")], 3));
    }

    #[tokio::test]
    async fn too_many_marks_are_forgotten_together() {
        let marks = Marks::default();
        assert!((0..MOST).all(|mark| !marks.set(&mark.to_string(), Some(1), 1)));
        assert!(marks.set("one more", Some(1), 1));
        assert_eq!(marks.stamp("0", None), None);
        assert_eq!(marks.stamp("one more", None), Some(1));
        assert!(marks.is_outdated(&[Arc::from("0")], 0), "what it ended does not come back");
        assert!(!marks.is_outdated(&[Arc::from("0")], 1));
    }
}
