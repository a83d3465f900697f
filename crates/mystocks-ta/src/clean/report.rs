//! What cleaning did to a series, by kind.

use std::fmt;

use jiff::civil::Date;
use serde::{Serialize, Serializer};

use super::SuspendedDays;

/// What [`clean`](crate::clean) found and did: one [`Tally`] per kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CleaningReport {
    /// Rows given.
    pub rows: usize,
    /// Bars that came of them.
    pub bars: usize,
    /// What the policy said about suspended days.
    pub suspended_days: SuspendedDays,
    /// Rows dropped for a price that is missing, not finite or out of bounds.
    pub unusable_price: Tally,
    /// Volumes taken as blank for being negative, not finite or out of bounds.
    pub unusable_volume: Tally,
    /// Rows that came after a row of a later date, and were sorted in.
    pub unordered: Tally,
    /// Rows dropped for being the same as another of their date.
    pub duplicate_identical: Tally,
    /// Rows replaced by a later given, different one of their date.
    pub duplicate_conflicting: Tally,
    /// Bars whose high or low was widened to hold open and close.
    pub repaired_range: Tally,
    /// Blank volumes on rows with open = high = low = close: taken as suspended days.
    pub blank_volume_suspended: Tally,
    /// Blank volumes on rows that traded: set to 0, so indicators of volume are too low there.
    pub blank_volume_traded: Tally,
    /// Suspended days, kept or dropped as [`suspended_days`](Self::suspended_days) says.
    pub suspended: Tally,
    /// Days with one price and trade; kept.
    pub one_price: Tally,
}

/// How often something was met, and on which date first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Tally {
    /// How often.
    pub count: usize,
    /// The earliest date of it.
    #[serde(serialize_with = "as_text")]
    pub first: Option<Date>,
}

impl CleaningReport {
    pub(super) fn new(suspended_days: SuspendedDays, rows: usize) -> Self {
        Self {
            rows,
            bars: 0,
            suspended_days,
            unusable_price: Tally::default(),
            unusable_volume: Tally::default(),
            unordered: Tally::default(),
            duplicate_identical: Tally::default(),
            duplicate_conflicting: Tally::default(),
            repaired_range: Tally::default(),
            blank_volume_suspended: Tally::default(),
            blank_volume_traded: Tally::default(),
            suspended: Tally::default(),
            one_price: Tally::default(),
        }
    }

    /// Returns every kind with its tally, met or not.
    pub fn tallies(&self) -> [(&'static str, Tally); 10] {
        [
            ("unusable price, dropped", self.unusable_price),
            ("unusable volume, taken as blank", self.unusable_volume),
            ("unordered, sorted", self.unordered),
            ("identical duplicate, dropped", self.duplicate_identical),
            ("conflicting duplicate, last kept", self.duplicate_conflicting),
            ("high or low widened", self.repaired_range),
            ("blank volume, suspended day", self.blank_volume_suspended),
            ("blank volume, set to 0", self.blank_volume_traded),
            (
                match self.suspended_days {
                    SuspendedDays::Keep => "suspended day, kept",
                    SuspendedDays::Drop => "suspended day, dropped",
                },
                self.suspended,
            ),
            ("one-price limit day, kept", self.one_price),
        ]
    }

    /// Returns whether every row became a bar exactly as it was given.
    pub fn is_unchanged(&self) -> bool {
        let changed = [
            self.unusable_volume,
            self.unordered,
            self.repaired_range,
            self.blank_volume_suspended,
            self.blank_volume_traded,
        ];
        self.rows == self.bars && changed.iter().all(|tally| tally.count == 0)
    }
}

impl Tally {
    pub(super) fn add(&mut self, date: Date) {
        self.count += 1;
        self.first = Some(self.first.map_or(date, |first| first.min(date)));
    }
}

/// `3 rows, 2 bars; suspended day, kept: 1 (first 2021-09-24)`: kinds that were not met are left out.
impl fmt::Display for CleaningReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows, {} bars", self.rows, self.bars)?;
        for (kind, tally) in self.tallies() {
            if let Some(first) = tally.first {
                write!(f, "; {kind}: {} (first {first})", tally.count)?;
            }
        }
        Ok(())
    }
}

#[expect(clippy::ref_option, reason = "serde hands the field over by reference")]
fn as_text<S: Serializer>(date: &Option<Date>, serializer: S) -> Result<S::Ok, S::Error> {
    match date {
        Some(date) => serializer.collect_str(date),
        None => serializer.serialize_none(),
    }
}
