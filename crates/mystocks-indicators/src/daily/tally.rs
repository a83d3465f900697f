//! What became of every symbol of a run, however often it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::daily::event::{Outcome, Verdict};
use crate::symbol::Symbol;
use crate::version::hexadecimal;

/// What a daily job came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DailyReport {
    /// How many symbols there were; the three that follow add up to it, but for skipped ones of a task that was [done before](Self::done_before).
    pub total: u64,
    /// How many were computed.
    pub succeeded: u64,
    /// Which could not be computed, and why.
    pub failed: BTreeMap<Symbol, String>,
    /// For which there was nothing to compute, and why; of one that was [done before](Self::done_before) the first hundred.
    pub skipped: BTreeMap<Symbol, String>,
    /// How many series were computed.
    pub series: u64,
    /// How many rows of results were new or other than those recorded before; at least so many where the database was away in the middle of a symbol.
    pub rows: u64,
    /// How many symbols an earlier process had finished before this one took over, and are finished yet: those whose bars were revised
    /// meanwhile are done again, and count as of then.
    pub resumed: u64,
    /// How long this process took.
    pub took: Duration,
    /// When an earlier run did all of it; then this one did nothing, and the figures are those of that run.
    pub done_before: Option<Timestamp>,
}

impl DailyReport {
    /// How far it is when nothing is left to be done.
    pub(super) fn progress(&self) -> DailyProgress {
        let (failed, skipped) = (self.failed.len() as u64, self.total.saturating_sub(self.succeeded));
        DailyProgress {
            total: self.total,
            finished: self.total,
            failed,
            skipped: skipped.saturating_sub(failed),
        }
    }
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

/// Returns what tells these symbols, each with the version of its bars if it has any, from all others; in ascending order.
pub(super) fn digest<'a>(bars: impl Iterator<Item = (&'a Symbol, Option<&'a str>)>) -> String {
    let mut digest = Sha256::new();
    for (symbol, version) in bars {
        for part in [symbol.as_str(), version.unwrap_or_default()] {
            digest.update(part);
            digest.update([0]);
        }
    }
    hexadecimal(&digest.finalize(), 16)
}

/// What became of every symbol of a run so far: of each what was told last of it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    open: BTreeSet<Symbol>,
    known: BTreeMap<Symbol, Outcome>,
    failed: u64,
    skipped: u64,
}

impl Tally {
    /// Expects an outcome of each of `symbols`, besides those that there are outcomes of.
    pub(super) fn expect(&mut self, symbols: Vec<Symbol>) {
        self.open.extend(symbols.into_iter().filter(|symbol| !self.known.contains_key(symbol)));
    }

    /// Takes in what is told, once for each symbol: of one that failed, or was done again of other bars, the last word.
    pub(super) fn take(&mut self, outcome: Outcome) {
        let Ok(symbol) = Symbol::new(&outcome.symbol) else { return };
        if self.known.get(&symbol).is_some_and(|known| !known.gives_way_to(&outcome)) {
            return;
        }
        self.forget(&symbol);
        self.open.remove(&symbol);
        match &outcome.verdict {
            Verdict::Succeeded => {}
            Verdict::Skipped(_) => self.skipped += 1,
            Verdict::Failed(_) => self.failed += 1,
        }
        self.known.insert(symbol, outcome);
    }

    /// Counts a symbol of which nothing will be told any more as failed, unless something was.
    pub(super) fn bury(&mut self, symbol: &str, reason: &str) {
        if !Symbol::new(symbol).is_ok_and(|symbol| self.known.contains_key(&symbol)) {
            self.take(Outcome::nothing(symbol, Verdict::Failed(format!("it is a dead letter: {reason}"))));
        }
    }

    /// Forgets what is known of `symbol` and expects it anew.
    pub(super) fn reopen(&mut self, symbol: &Symbol) {
        if self.forget(symbol) {
            self.open.insert(symbol.clone());
        }
    }

    fn forget(&mut self, symbol: &Symbol) -> bool {
        let Some(known) = self.known.remove(symbol) else { return false };
        match known.verdict {
            Verdict::Succeeded => {}
            Verdict::Skipped(_) => self.skipped -= 1,
            Verdict::Failed(_) => self.failed -= 1,
        }
        true
    }

    pub(super) fn is_over(&self) -> bool {
        self.open.is_empty()
    }

    /// Returns of which symbols nothing is known yet.
    pub(super) fn open(&self) -> impl Iterator<Item = &Symbol> {
        self.open.iter()
    }

    /// Returns the others, each with the version of the bars that it was computed from.
    pub(super) fn known(&self) -> impl Iterator<Item = (&Symbol, Option<&str>)> {
        self.known.iter().map(|(symbol, outcome)| (symbol, outcome.version.as_deref()))
    }

    /// Returns what tells the bars that all was computed from from all others.
    pub(super) fn bars(&self) -> String {
        digest(self.known())
    }

    /// Returns how many symbols there are outcomes of.
    pub(super) fn finished(&self) -> u64 {
        self.known.len() as u64
    }

    pub(super) fn progress(&self) -> DailyProgress {
        DailyProgress {
            total: self.finished() + self.open.len() as u64,
            finished: self.finished(),
            failed: self.failed,
            skipped: self.skipped,
        }
    }

    pub(super) fn report(&self, resumed: u64, took: Duration) -> DailyReport {
        let mut report =
            DailyReport { total: self.progress().total, resumed, took, ..DailyReport::default() };
        for (symbol, outcome) in &self.known {
            match &outcome.verdict {
                Verdict::Succeeded => report.succeeded += 1,
                Verdict::Skipped(reason) => drop(report.skipped.insert(symbol.clone(), reason.clone())),
                Verdict::Failed(reason) => drop(report.failed.insert(symbol.clone(), reason.clone())),
            }
            report.series += outcome.computed;
            report.rows += outcome.rows;
        }
        report
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
        Outcome { computed, rows: computed, ..Outcome::nothing(symbol, verdict) }
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
    fn of_a_symbol_that_failed_the_last_word_counts_and_nothing_of_the_one_before() {
        let mut tally = Tally::default();
        tally.expect(symbols(&["A", "B", "C"]));
        tally.bury("A", "its worker died");
        tally.take(Outcome { computed: 8, rows: 8, ..told("B", Verdict::Failed("one of nine".into())) });
        tally.bury("B", "its worker died");
        tally.take(told("C", Verdict::Failed("broken".into())));
        let counts = |tally: &Tally| {
            let report = tally.report(0, Duration::ZERO);
            let reasons: Vec<_> = report.failed.into_values().chain(report.skipped.into_values()).collect();
            (report.succeeded, report.series, report.rows, reasons.join(", "))
        };
        assert_eq!(
            counts(&tally),
            (0, 8, 8, "it is a dead letter: its worker died, one of nine, broken".into())
        );
        tally.take(told("A", Verdict::Succeeded));
        tally.take(told("B", Verdict::Succeeded));
        tally.take(told("C", Verdict::Skipped("no bars".into())));
        tally.bury("A", "its worker died");
        assert_eq!(counts(&tally), (2, 18, 18, "no bars".into()));
        let progress = tally.progress();
        assert_eq!((progress.total, progress.finished, progress.failed, progress.skipped), (3, 3, 0, 1));
    }

    #[test]
    fn of_a_symbol_that_was_done_again_of_other_bars_the_last_word_counts() {
        let of = |version: &str, outcome| Outcome { version: Some(version.to_owned()), ..outcome };
        let mut tally = Tally::default();
        tally.take(of("1", told("A", Verdict::Succeeded)));
        tally.take(of("2", Outcome { rows: 5, ..told("A", Verdict::Succeeded) }));
        // Nothing is known of its bars but that they could not be read: it was done before.
        tally.take(told("A", Verdict::Failed("away".into())));
        assert_eq!(tally.known().map(|(_, version)| version).collect::<Vec<_>>(), [Some("2")]);
        let report = tally.report(0, Duration::ZERO);
        assert_eq!((report.total, report.succeeded, report.series, report.rows), (1, 1, 9, 5));
        tally.take(told("A", Verdict::Skipped("it has no bars".into())));
        let report = tally.report(0, Duration::ZERO);
        assert_eq!((report.total, report.succeeded, report.skipped.len(), report.series), (1, 0, 1, 0));
        assert_eq!(tally.progress().skipped, 1);
    }

    #[test]
    fn what_is_reopened_counts_by_what_is_told_then() {
        let mut tally = Tally::default();
        tally.expect(symbols(&["A", "B"]));
        tally.take(told("A", Verdict::Succeeded));
        tally.take(told("B", Verdict::Failed("broken".into())));
        symbols(&["A", "B", "nobody"]).iter().for_each(|symbol| tally.reopen(symbol));
        assert_eq!(tally.open().cloned().collect::<Vec<_>>(), symbols(&["A", "B"]));
        assert_eq!((tally.progress().finished, tally.progress().failed), (0, 0));
        tally.take(told("A", Verdict::Skipped("gone".into())));
        tally.take(told("B", Verdict::Succeeded));
        let report = tally.report(0, Duration::ZERO);
        assert_eq!((report.total, report.succeeded, report.skipped.len(), report.series), (2, 1, 1, 9));
    }

    #[test]
    fn no_symbols_are_all_of_them() {
        let mut tally = Tally::default();
        tally.expect(Vec::new());
        assert!(tally.is_over());
        assert_eq!(tally.progress().percent(), 100.0);
    }
}
