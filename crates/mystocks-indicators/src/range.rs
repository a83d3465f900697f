//! Which days of a series are wanted.

use std::fmt;
use std::ops::Range;

use jiff::civil::Date;

use crate::error::{Error, ErrorKind};

/// Which days of a series are wanted, both ends included; either end may be open.
///
/// A range only selects: the values inside it are computed from the whole history, so the same day has the same
/// value in every range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct DateRange {
    start: Option<Date>,
    end: Option<Date>,
}

impl DateRange {
    /// The whole history.
    pub const ALL: Self = Self { start: None, end: None };

    /// Makes the range from `start` to `end`, both included.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when `start` is after `end`.
    pub fn new(start: Date, end: Date) -> Result<Self, Error> {
        if start > end {
            return Err(Error::new(ErrorKind::InvalidArgument, "read range", format!("{start}..{end}"))
                .with_detail("the start is after the end; give the earlier day first"));
        }
        Ok(Self { start: Some(start), end: Some(end) })
    }

    /// Makes the range of `start` and every later day.
    pub fn since(start: Date) -> Self {
        Self { start: Some(start), end: None }
    }

    /// Makes the range of `end` and every earlier day.
    pub fn until(end: Date) -> Self {
        Self { start: None, end: Some(end) }
    }

    /// Returns the first wanted day, if that end is not open.
    pub fn start(&self) -> Option<Date> {
        self.start
    }

    /// Returns the last wanted day, if that end is not open.
    pub fn end(&self) -> Option<Date> {
        self.end
    }

    /// Returns where in ascending `days` the wanted ones lie; empty when there are none.
    pub(crate) fn within(&self, days: &[i32]) -> Range<usize> {
        let from = self.start.map_or(0, |start| {
            let start = crate::day::number(start);
            days.partition_point(|day| *day < start)
        });
        let to = self.end.map_or(days.len(), |end| {
            let end = crate::day::number(end);
            days.partition_point(|day| *day <= end)
        });
        from..to.max(from)
    }
}

impl fmt::Display for DateRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(start) = self.start {
            write!(f, "{start}")?;
        }
        f.write_str("..")?;
        if let Some(end) = self.end {
            write!(f, "{end}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn both_ends_are_included_and_either_may_be_open_or_outside() {
        let days: Vec<i32> = [(2024, 1, 2), (2024, 1, 3), (2024, 1, 5)]
            .map(|(y, m, d)| crate::day::number(date(y, m, d)))
            .to_vec();
        let check = |range: DateRange, expected: Range<usize>| {
            assert_eq!(range.within(&days), expected, "{range}");
        };
        let new = |start, end| DateRange::new(start, end).unwrap();
        check(DateRange::ALL, 0..3);
        check(DateRange::since(date(2024, 1, 3)), 1..3);
        check(DateRange::until(date(2024, 1, 3)), 0..2);
        check(new(date(2024, 1, 3), date(2024, 1, 3)), 1..2);
        check(new(date(2024, 1, 4), date(2024, 1, 4)), 2..2);
        check(new(date(2024, 1, 4), date(2024, 1, 9)), 2..3);
        check(DateRange::until(date(2023, 1, 1)), 0..0);
        check(DateRange::since(date(2025, 1, 1)), 3..3);
        assert_eq!(DateRange::ALL.within(&[]), 0..0);
    }

    #[test]
    fn a_range_that_ends_before_it_starts_is_refused() {
        let error = DateRange::new(date(2024, 1, 3), date(2024, 1, 2)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("2024-01-03..2024-01-02"));
    }
}
