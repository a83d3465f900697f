//! What tells one state of a symbol's rows from every other without their prices.

use std::ops::Range;

use mystocks_ta::CleaningPolicy;

use super::adjustment::Adjustment;
use crate::symbol::Symbol;
use crate::version::{SeriesVersion, policy_mark};

/// What tells one state of a symbol's rows from every other: computed by the server from all of them, or here from those
/// that were read, to the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stamp {
    pub(super) rows: i64,
    /// The first and last day, since 2000-01-01.
    pub(super) days: Option<(i32, i32)>,
    pub(super) days_sum: i64,
    /// Rows with a time of writing in [`TIMES`].
    pub(super) timed: i64,
    /// The newest of these times, in microseconds since 2000-01-01.
    pub(super) newest: Option<i64>,
    pub(super) times_sum: i128,
    /// The sum of the ids of the transactions that wrote the rows, 0 where these are not looked at.
    pub(super) writers_sum: i64,
}

/// The years 1 to 9999 in microseconds since 2000-01-01. The server knows no sum of infinite times, and rounds the seconds of
/// very distant ones.
const TIMES: Range<i64> = -63_082_281_600_000_000..252_455_616_000_000_000;

impl Stamp {
    /// Adds a row.
    pub(super) fn add(&mut self, day: i32, time: Option<i64>, writer: u32) {
        self.rows += 1;
        self.days = Some(self.days.map_or((day, day), |(first, last)| (first.min(day), last.max(day))));
        self.days_sum += i64::from(day);
        if let Some(time) = time.filter(|time| TIMES.contains(time)) {
            self.timed += 1;
            self.newest = self.newest.max(Some(time));
            self.times_sum += i128::from(time);
        }
        self.writers_sum += i64::from(writer);
    }

    /// Returns the version of `symbol` in this state.
    pub(super) fn version(
        &self,
        symbol: &Symbol,
        adjustment: Adjustment,
        policy: &CleaningPolicy,
    ) -> SeriesVersion {
        // Taken apart whole, so that a new field cannot be forgotten here.
        let Self { rows, days, days_sum, timed, newest, times_sum, writers_sum } = *self;
        let (first, last) = days.unwrap_or_default();
        let mut numbers = Vec::with_capacity(64);
        for number in
            [rows, first.into(), last.into(), days_sum, timed, newest.unwrap_or_default(), writers_sum]
        {
            numbers.extend(number.to_le_bytes());
        }
        numbers.extend(times_sum.to_le_bytes());
        let policy = [policy_mark(policy)];
        let parts = ["daily_kline", symbol.as_str(), adjustment.name()].map(str::as_bytes);
        SeriesVersion::of_stamp(parts.into_iter().chain([&policy[..], &numbers]))
    }
}

#[cfg(test)]
mod tests {
    use mystocks_ta::SuspendedDays;

    use super::*;

    type Row = (i32, Option<i64>, u32);

    fn stamp(rows: &[Row]) -> Stamp {
        let mut stamp = Stamp::default();
        rows.iter().for_each(|(day, time, writer)| stamp.add(*day, *time, *writer));
        stamp
    }

    #[test]
    fn whatever_differs_gives_another_version() {
        let stock = Symbol::new("600519").unwrap();
        let keep = CleaningPolicy::default();
        let rows = [(1, Some(10), 3), (2, Some(20), 3), (4, None, 3)];
        let mut seen = vec![stamp(&rows).version(&stock, Adjustment::None, &keep)];
        let mut changed: Vec<Vec<Row>> = vec![rows[..2].to_vec(), rows[1..].to_vec()];
        let changes: [fn(&mut Row); 4] =
            [|row| row.0 = 3, |row| row.1 = Some(15), |row| row.1 = None, |row| row.2 += 1];
        for change in changes {
            let mut other = rows.to_vec();
            change(&mut other[1]);
            changed.push(other);
        }
        let versions = changed.iter().map(|rows| stamp(rows).version(&stock, Adjustment::None, &keep));
        let other = Symbol::new("600518").unwrap();
        let drop = CleaningPolicy { suspended: SuspendedDays::Drop };
        let same = stamp(&rows);
        let asked = [
            same.version(&other, Adjustment::None, &keep),
            same.version(&stock, Adjustment::Forward, &keep),
            same.version(&stock, Adjustment::Backward, &keep),
            same.version(&stock, Adjustment::None, &drop),
        ];
        for version in versions.chain(asked) {
            assert!(!seen.contains(&version));
            seen.push(version);
        }
        let turned: Vec<_> = rows.iter().rev().copied().collect();
        assert_eq!(stamp(&turned).version(&stock, Adjustment::None, &keep), seen[0]);
    }

    #[test]
    fn infinite_times_and_such_of_no_common_era_are_none() {
        assert_eq!(
            stamp(&[(1, Some(i64::MAX), 0), (1, Some(i64::MIN), 0)]),
            stamp(&[(1, None, 0), (1, None, 0)])
        );
    }
}
