//! What became of every symbol of a run, however often it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::daily::event::{Outcome, Verdict};
use crate::symbol::Symbol;

/// What a daily job came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DailyReport {
    /// How many symbols there were; the three that follow add up to it.
    pub total: u64,
    /// How many were computed.
    pub succeeded: u64,
    /// Which could not be computed, and why.
    pub failed: BTreeMap<Symbol, String>,
    /// For which there was nothing to compute, and why.
    pub skipped: BTreeMap<Symbol, String>,
    /// How many series were computed.
    pub series: u64,
    /// How many rows of results were new or other than those recorded before.
    pub rows: u64,
    /// How many symbols an earlier process had finished before this one took over.
    pub resumed: u64,
    /// How long this process took.
    pub took: Duration,
}

/// How far a daily job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DailyProgress {
    /// How many symbols there are.
    pub total: u64,
    /// How many of them are finished, in whatever way.
    pub finished: u64,
    /// How many of those that are finished failed.
    pub failed: u64,
    /// How many of those that are finished had nothing to compute.
    pub skipped: u64,
}

impl DailyProgress {
    /// Returns the share that is finished, in percent; without any symbol it is all.
    pub fn percent(&self) -> f64 {
        if self.total == 0 {
            return 100.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "symbols are thousands")]
        let share = self.finished as f64 / self.total as f64;
        share * 100.0
    }
}

/// What became of every symbol of a run so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    open: BTreeSet<Symbol>,
    done: BTreeSet<Symbol>,
    report: DailyReport,
}

impl Tally {
    /// Expects an outcome of each of `symbols`, besides those that there are outcomes of.
    pub(super) fn expect(&mut self, symbols: Vec<Symbol>) {
        for symbol in symbols {
            if !self.knows(&symbol) {
                self.open.insert(symbol);
            }
        }
        self.settle();
    }

    /// Takes in what is told, once for each symbol; a symbol that failed and was computed after all was computed.
    pub(super) fn take(&mut self, outcome: Outcome) {
        let Ok(symbol) = Symbol::new(&outcome.symbol) else { return };
        let was_failed = self.report.failed.contains_key(&symbol);
        if self.knows(&symbol) && !(was_failed && outcome.verdict == Verdict::Succeeded) {
            return;
        }
        self.open.remove(&symbol);
        match outcome.verdict {
            Verdict::Succeeded => {
                self.report.failed.remove(&symbol);
                self.done.insert(symbol);
            }
            Verdict::Skipped(reason) => {
                self.report.skipped.insert(symbol, reason);
            }
            Verdict::Failed(reason) => {
                self.report.failed.insert(symbol, reason);
            }
        }
        self.report.series += outcome.computed;
        self.report.rows += outcome.rows;
        self.settle();
    }

    pub(super) fn is_over(&self) -> bool {
        self.open.is_empty()
    }

    /// Returns of which symbols nothing is known yet.
    pub(super) fn open(&self) -> impl Iterator<Item = &Symbol> {
        self.open.iter()
    }

    /// Returns how many symbols there are outcomes of.
    pub(super) fn finished(&self) -> u64 {
        (self.done.len() + self.report.skipped.len() + self.report.failed.len()) as u64
    }

    pub(super) fn progress(&self) -> DailyProgress {
        DailyProgress {
            total: self.report.total,
            finished: self.finished(),
            failed: self.report.failed.len() as u64,
            skipped: self.report.skipped.len() as u64,
        }
    }

    pub(super) fn report(&self, resumed: u64, took: Duration) -> DailyReport {
        DailyReport { resumed, took, ..self.report.clone() }
    }

    fn knows(&self, symbol: &Symbol) -> bool {
        let DailyReport { failed, skipped, .. } = &self.report;
        self.done.contains(symbol) || failed.contains_key(symbol) || skipped.contains_key(symbol)
    }

    fn settle(&mut self) {
        self.report.succeeded = self.done.len() as u64;
        self.report.total = self.finished() + self.open.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols(names: &[&str]) -> Vec<Symbol> {
        names.iter().map(|name| Symbol::new(name).unwrap()).collect()
    }

    fn told(symbol: &str, verdict: Verdict) -> Outcome {
        let computed = if verdict == Verdict::Succeeded { 9 } else { 0 };
        Outcome { symbol: symbol.to_owned(), verdict, computed, rows: computed }
    }

    #[test]
    fn each_symbol_counts_once_however_often_it_is_told() {
        let mut tally = Tally::default();
        tally.take(told("A", Verdict::Succeeded));
        tally.expect(symbols(&["A", "B", "C", "D"]));
        assert_eq!(tally.open().cloned().collect::<Vec<_>>(), symbols(&["B", "C", "D"]));
        for _ in 0..2 {
            tally.take(told("A", Verdict::Succeeded));
            tally.take(told("A", Verdict::Failed("later".into())));
            tally.take(told("B", Verdict::Skipped("no bars".into())));
            tally.take(told("C", Verdict::Failed("broken".into())));
        }
        assert!(!tally.is_over());
        assert_eq!(tally.open().cloned().collect::<Vec<_>>(), symbols(&["D"]));
        let progress = tally.progress();
        assert_eq!((progress.total, progress.finished, progress.failed, progress.skipped), (4, 3, 1, 1));
        assert_eq!(progress.percent(), 75.0);
        tally.take(told("C", Verdict::Succeeded));
        tally.take(told("D", Verdict::Failed("gone".into())));
        assert!(tally.is_over());
        let report = tally.report(1, Duration::from_secs(1));
        assert_eq!((report.total, report.succeeded, report.series, report.rows), (4, 2, 18, 18));
        assert_eq!(
            report.failed.into_iter().collect::<Vec<_>>(),
            [(symbols(&["D"])[0].clone(), "gone".into())]
        );
        assert_eq!(report.skipped.into_values().collect::<Vec<_>>(), ["no bars"]);
    }

    #[test]
    fn no_symbols_are_all_of_them() {
        let mut tally = Tally::default();
        tally.expect(Vec::new());
        assert!(tally.is_over());
        assert_eq!(tally.progress().percent(), 100.0);
    }
}
