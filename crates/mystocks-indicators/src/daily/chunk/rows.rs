//! The rows of a chunk on their way to the database.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use jiff::civil::Date;

use super::Worked;
use crate::daily::event::Verdict;
use crate::error::Error;
use crate::key::SeriesKey;
use crate::results::{ResultRow, Results};
use crate::series::IndicatorSeries;
use crate::symbol::Symbol;

/// So many rows are made and written at once: what a transaction has done within its deadline, and a process has room for.
const MOST: usize = 50_000;

/// Where the rows of one symbol come from.
pub(super) struct Sheet {
    pub(super) symbol: Symbol,
    pub(super) days: Vec<Date>,
    pub(super) codes: Vec<Arc<str>>,
    /// Which series of the chunk are its.
    pub(super) series: Range<usize>,
}

/// Writes rows and notes what became of them.
pub(super) struct Writer<'a> {
    results: &'a dyn Results,
    worked: &'a mut [Worked],
    rows: Vec<ResultRow>,
    /// Whose they are, in their order: the place of the symbol in the chunk, and how many.
    owners: Vec<(usize, usize)>,
    /// Why nothing more is written.
    away: Option<Error>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(results: &'a dyn Results, worked: &'a mut [Worked]) -> Self {
        Self { results, worked, rows: Vec::new(), owners: Vec::new(), away: None }
    }

    /// Adds rows of the symbol at `place`, and writes what there are when there are enough.
    pub(super) async fn add(&mut self, place: usize, rows: impl Iterator<Item = ResultRow>) {
        for row in rows {
            if !self.goes_on(place) {
                return;
            }
            match self.owners.last_mut() {
                Some((owner, count)) if *owner == place => *count += 1,
                _ => self.owners.push((place, 1)),
            }
            self.rows.push(row);
            if self.rows.len() >= MOST {
                self.write().await;
            }
        }
    }

    /// Writes the rest.
    pub(super) async fn finish(mut self) {
        self.write().await;
    }

    /// Whether rows of the symbol are still worth writing; when nothing can be written any more, the symbol is to come again.
    fn goes_on(&mut self, place: usize) -> bool {
        let Some(worked) = self.worked.get_mut(place) else { return false };
        if let Some(error) = &self.away {
            worked.ended = Err(error.clone());
        }
        worked.ended.is_ok() && !worked.is_refused
    }

    /// Writes all rows together; when one cannot be recorded, those of each symbol by themselves, to tell which.
    async fn write(&mut self) {
        let (rows, owners) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.owners));
        if rows.is_empty() {
            return;
        }
        match self.results.write(&rows).await {
            Ok(changed) => self.share(changed, &owners),
            Err(error) if error.is_retryable() => {
                owners.iter().for_each(|(place, _)| self.come_again(*place, &error));
                self.away = Some(error);
            }
            Err(_) => {
                let mut rest = &rows[..];
                for owner in owners {
                    let Some((these, others)) = rest.split_at_checked(owner.1) else { return };
                    rest = others;
                    // Waited for once, and not by each symbol.
                    if !self.goes_on(owner.0) {
                        continue;
                    }
                    match self.results.write(these).await {
                        Ok(changed) => self.share(changed, &[owner]),
                        Err(error) if error.is_retryable() => {
                            self.come_again(owner.0, &error);
                            self.away = Some(error);
                        }
                        Err(error) => self.refuse(owner.0, &error),
                    }
                }
            }
        }
    }

    /// Shares how many rows changed among the symbols: by how many each had, for the database tells the sum only.
    fn share(&mut self, changed: u64, owners: &[(usize, usize)]) {
        let mut left = changed;
        for (place, count) in owners {
            let share = left.min(*count as u64);
            left -= share;
            if let Some(Ok(outcome)) = self.worked.get_mut(*place).map(|worked| worked.ended.as_mut()) {
                outcome.rows += share;
            }
        }
    }

    fn come_again(&mut self, place: usize, error: &Error) {
        if let Some(worked) = self.worked.get_mut(place) {
            worked.ended = Err(error.clone());
        }
    }

    fn refuse(&mut self, place: usize, error: &Error) {
        if let Some(worked) = self.worked.get_mut(place)
            && let Ok(outcome) = &mut worked.ended
        {
            outcome.verdict = Verdict::Failed(error.to_string());
            worked.is_refused = true;
        }
    }
}

impl Sheet {
    /// Returns the rows that are to be recorded, each when it is asked for: what came after what is recorded, and the last day in any case.
    pub(super) fn rows<'a>(
        &'a self,
        series: &'a [(SeriesKey, IndicatorSeries)],
        recorded: Option<&'a HashMap<(Symbol, Arc<str>), Date>>,
    ) -> impl Iterator<Item = ResultRow> + 'a {
        let last = self.days.len().saturating_sub(1);
        let series = series.get(self.series.clone()).unwrap_or_default();
        self.codes.iter().zip(series).flat_map(move |(code, (_, series))| {
            let from = match recorded {
                None => 0,
                Some(recorded) => recorded
                    .get(&(self.symbol.clone(), Arc::clone(code)))
                    .map_or(last, |newest| self.days.partition_point(|day| day <= newest)),
            };
            self.rows_from(code, series, from.min(last))
        })
    }

    fn rows_from<'a>(
        &'a self,
        code: &'a Arc<str>,
        series: &'a IndicatorSeries,
        from: usize,
    ) -> impl Iterator<Item = ResultRow> + 'a {
        let days = self.days.iter().enumerate().skip(from);
        days.filter_map(move |(at, day)| {
            let value = |output: &crate::series::Output| {
                Some((Cow::Owned(output.name.clone()), output.values.get(at).copied()?))
            };
            let values: Vec<(Cow<'static, str>, f64)> =
                series.outputs().iter().map(value).collect::<Option<_>>()?;
            // Days before the first value are no results.
            let has_value = values.iter().any(|(_, value)| value.is_finite());
            has_value.then(|| ResultRow {
                symbol: self.symbol.clone(),
                code: Arc::clone(code),
                day: *day,
                values,
            })
        })
    }
}
