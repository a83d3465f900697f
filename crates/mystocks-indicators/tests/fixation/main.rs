//! Fixation in memory, with time that is paused: when rows are written, and what becomes of them in trouble.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod files;
mod strategies;
mod trouble;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use mystocks_bus::MemoryLog;
use mystocks_cache::{Keyspace, MemoryStore};
use mystocks_indicators::{Error, ErrorKind, Fixation, FixationTarget, HeldRow, HotRow, MemoryHotRows};
use tokio::time::{Instant, sleep_until};

/// A target that can be put in trouble.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moody {
    pub(crate) kept: MemoryHotRows,
    mood: Arc<Mood>,
}

#[derive(Debug, Default)]
struct Mood {
    is_down: AtomicBool,
    /// Writes, and then says that it failed.
    loses_answers: AtomicBool,
    panics: AtomicBool,
    /// Refuses rows whose key begins with `bad`.
    is_strict: AtomicBool,
    hangs: AtomicBool,
    calls: AtomicU64,
}

impl Moody {
    pub(crate) fn down(&self, is: bool) {
        self.mood.is_down.store(is, Ordering::SeqCst);
    }

    pub(crate) fn loses_answers(&self, is: bool) {
        self.mood.loses_answers.store(is, Ordering::SeqCst);
    }

    pub(crate) fn panics(&self, is: bool) {
        self.mood.panics.store(is, Ordering::SeqCst);
    }

    pub(crate) fn strict(&self, is: bool) {
        self.mood.is_strict.store(is, Ordering::SeqCst);
    }

    /// Has calls from now on wait for ever.
    pub(crate) fn hangs(&self, is: bool) {
        self.mood.hangs.store(is, Ordering::SeqCst);
    }

    pub(crate) fn calls(&self) -> u64 {
        self.mood.calls.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl FixationTarget for Moody {
    async fn upsert(&self, rows: &[HeldRow]) -> Result<u64, Error> {
        let is = |mood: &AtomicBool| mood.load(Ordering::SeqCst);
        self.mood.calls.fetch_add(1, Ordering::SeqCst);
        let away = || Error::new(ErrorKind::Source, "write hot rows", "moody").with_detail("it is away");
        if is(&self.mood.hangs) {
            std::future::pending::<()>().await;
        }
        if is(&self.mood.is_down) {
            return Err(away());
        }
        assert!(!is(&self.mood.panics), "a bug of the target");
        if is(&self.mood.is_strict)
            && let Some(bad) = rows.iter().find(|held| held.row.key.starts_with("bad"))
        {
            return Err(Error::new(ErrorKind::InvalidArgument, "write hot rows", &*bad.row.key));
        }
        let written = self.kept.upsert(rows).await?;
        if is(&self.mood.loses_answers) { Err(away()) } else { Ok(written) }
    }
}

/// A log, a store and a target of one test.
#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub(crate) log: MemoryLog,
    pub(crate) store: MemoryStore,
    pub(crate) target: Moody,
}

impl World {
    /// Makes a fixation as another process would have it.
    pub(crate) fn fixation(&self) -> Fixation {
        Fixation::new(self.store.clone(), &Keyspace::default(), self.log.clone(), self.target.clone())
    }
}

pub(crate) fn quote(key: &str, number: i64) -> HotRow {
    let at = Timestamp::from_microsecond(1_735_800_000_000_000 + number).unwrap();
    HotRow::new("quote", key, at, [("price", 10.0 + number as f64 / 100.0)])
}

pub(crate) fn quotes(numbers: std::ops::Range<i64>) -> Vec<HotRow> {
    numbers.map(|number| quote(&format!("{:06}", number % 7), number)).collect()
}

/// Returns rows as the target gives them back.
pub(crate) fn sorted(mut rows: Vec<HotRow>) -> Vec<HotRow> {
    rows.sort_by(|a, b| (&a.kind, a.at, &a.key).cmp(&(&b.kind, b.at, &b.key)));
    rows
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Waits until so long after `begun`.
pub(crate) async fn at(begun: Instant, after: Duration) {
    sleep_until(begun + after).await;
}
