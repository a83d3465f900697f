//! Turning rows as sources deliver them into bars, with every intervention counted.

mod report;

use jiff::civil::Date;

pub use report::{CleaningReport, Tally};

use crate::bars::{Bars, is_price, is_volume};

/// One daily row as a source delivers it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RawBar {
    /// The trading date.
    pub date: Date,
    /// The opening price; NaN when missing.
    pub open: f64,
    /// The highest price; NaN when missing.
    pub high: f64,
    /// The lowest price; NaN when missing.
    pub low: f64,
    /// The closing price; NaN when missing.
    pub close: f64,
    /// The volume; `None` when blank.
    pub volume: Option<f64>,
}

/// What [`clean`] does where more than one answer is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CleaningPolicy {
    /// What becomes of suspended days.
    pub suspended: SuspendedDays,
}

/// What becomes of suspended days: rows with open = high = low = close and no volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SuspendedDays {
    /// They stay bars like all others, so that results equal those of a program that computes on the rows as they are.
    #[default]
    Keep,
    /// They are left out, so that periods count days with trade.
    Drop,
}

/// Makes bars of `raw` and says what it did.
///
/// In this order:
/// 1. a row with a price that is missing, not finite, or outside [`MIN_PRICE`](crate::MIN_PRICE)`..=`[`MAX_PRICE`](crate::MAX_PRICE) is dropped;
/// 2. a volume that is negative, not finite or beyond [`MAX_VOLUME`](crate::MAX_VOLUME) becomes a blank one;
/// 3. rows are sorted by date;
/// 4. of rows with one date the last given stays, whether they are identical or contradict each other (two counts);
/// 5. where high < max(open, close) or low > min(open, close), the range is widened to hold them;
/// 6. a blank volume becomes 0: on a row with open = high = low = close that makes a suspended day, on any other a traded day
///    of unknown volume (two counts);
/// 7. suspended days stay or go, as `policy` says; days with one price and trade (limit days) stay and are counted.
///
/// No rows, or no row that survives, give empty bars.
pub fn clean(raw: Vec<RawBar>, policy: &CleaningPolicy) -> (Bars, CleaningReport) {
    let mut report = CleaningReport::new(policy.suspended, raw.len());
    let mut rows = admit(raw, &mut report);
    // Stable: among rows of one date the order given decides which is the last.
    rows.sort_by_key(|row| row.date);
    let rows = one_per_date(rows, &mut report);
    let mut bars = Bars::default();
    for row in rows {
        if let Some((row, volume)) = settle(row, policy, &mut report) {
            bars.dates.push(row.date);
            bars.open.push(row.open);
            bars.high.push(row.high);
            bars.low.push(row.low);
            bars.close.push(row.close);
            bars.volume.push(volume);
        }
    }
    report.bars = bars.len();
    (bars, report)
}

fn admit(raw: Vec<RawBar>, report: &mut CleaningReport) -> Vec<RawBar> {
    let mut latest = None;
    let mut rows = raw;
    rows.retain_mut(|row| {
        if latest.is_some_and(|latest| row.date < latest) {
            report.unordered.add(row.date);
        }
        latest = latest.max(Some(row.date));
        if ![row.open, row.high, row.low, row.close].into_iter().all(is_price) {
            report.unusable_price.add(row.date);
            return false;
        }
        if row.volume.is_some_and(|volume| !is_volume(volume)) {
            report.unusable_volume.add(row.date);
            row.volume = None;
        }
        true
    });
    rows
}

fn one_per_date(rows: Vec<RawBar>, report: &mut CleaningReport) -> Vec<RawBar> {
    let mut kept: Vec<RawBar> = Vec::with_capacity(rows.len());
    for row in rows {
        match kept.last_mut() {
            Some(last) if last.date == row.date => {
                if *last == row {
                    report.duplicate_identical.add(row.date);
                } else {
                    report.duplicate_conflicting.add(row.date);
                    *last = row;
                }
            }
            _ => kept.push(row),
        }
    }
    kept
}

fn settle(mut row: RawBar, policy: &CleaningPolicy, report: &mut CleaningReport) -> Option<(RawBar, f64)> {
    let (top, bottom) = (row.open.max(row.close), row.open.min(row.close));
    if row.high < top || row.low > bottom {
        report.repaired_range.add(row.date);
        row.high = row.high.max(top);
        row.low = row.low.min(bottom);
    }
    // open and close lie within low..=high by now.
    let one_price = row.high <= row.low;
    let volume = row.volume.unwrap_or_else(|| {
        if one_price {
            report.blank_volume_suspended.add(row.date);
        } else {
            report.blank_volume_traded.add(row.date);
        }
        0.0
    });
    if one_price && volume > 0.0 {
        report.one_price.add(row.date);
    } else if one_price {
        report.suspended.add(row.date);
        if policy.suspended == SuspendedDays::Drop {
            return None;
        }
    }
    Some((row, volume))
}

#[cfg(test)]
mod tests;
