//! The rows of one symbol as they come, until they are bars.

use std::sync::Arc;

use mystocks_ta::{CleaningPolicy, RawBar};

use super::adjustment::Adjustment;
use super::numeric;
use super::stamp::Stamp;
use super::tuple::Fields;
use crate::day;
use crate::source::LoadedBars;

/// The columns that a row is read from, in this order; symbols are told by the first.
pub(super) const COLUMNS: u16 = 10;
/// 2000-01-01 as a day since 1970-01-01.
const EPOCH: i32 = 10_957;

/// The rows of one symbol as they come.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    rows: Vec<Row>,
    pub(super) stamp: Stamp,
    /// The column that could not be read in some row.
    pub(super) fault: Option<&'static str>,
}

#[derive(Debug)]
struct Row {
    bar: RawBar,
    factor: f64,
}

impl Sheet {
    /// Adds the row in `fields`, from behind the symbol on; `None` when it has not as many. A value that cannot be read is a fault of this sheet.
    pub(super) fn add(&mut self, fields: &mut Fields<'_>) -> Option<()> {
        let mut here = fields.clone();
        if self.fault.is_none() {
            match self.take(&mut here) {
                Ok(()) => {
                    *fields = here;
                    return Some(());
                }
                Err(column) => self.fault = Some(column),
            }
        }
        fields.skip(COLUMNS - 1)
    }

    /// Takes in a row; on failure returns the name of the column that cannot be read.
    fn take(&mut self, fields: &mut Fields<'_>) -> Result<(), &'static str> {
        let day = fields.fixed::<4>().flatten().map(i32::from_be_bytes).ok_or("trade_date")?;
        let date = day.checked_add(EPOCH).and_then(day::date).ok_or("trade_date")?;
        let mut price = |column| number(fields).ok_or(column);
        let [open, high, low, close] = [price("open")?, price("high")?, price("low")?, price("close")?];
        let volume = fields.fixed::<8>().ok_or("volume")?.map(i64::from_be_bytes);
        let factor = number(fields).ok_or("adj_factor")?;
        let time = fields.fixed::<8>().ok_or("updated_at")?.map(i64::from_be_bytes);
        let writer = fields.fixed::<4>().ok_or("xmin")?.map_or(0, u32::from_be_bytes);
        self.stamp.add(day, time, writer);
        #[expect(clippy::cast_precision_loss, reason = "cleaning refuses volumes where it would show")]
        let volume = volume.map(|volume| volume as f64);
        self.rows.push(Row { bar: RawBar { date, open, high, low, close, volume }, factor });
        Ok(())
    }

    /// Adjusts and cleans the rows; `version` makes the version of the bars.
    pub(super) fn load(
        mut self,
        adjustment: Adjustment,
        policy: &CleaningPolicy,
        version: impl FnOnce(&Stamp, &mystocks_ta::Bars) -> crate::version::SeriesVersion,
    ) -> LoadedBars {
        // They come in the order of the table.
        self.rows.sort_unstable_by_key(|row| row.bar.date);
        let ratios = adjustment.ratios(self.rows.iter().map(|row| row.factor));
        let adjusted = self.rows.into_iter().zip(ratios).map(|(Row { bar, .. }, ratio)| RawBar {
            open: bar.open * ratio,
            high: bar.high * ratio,
            low: bar.low * ratio,
            close: bar.close * ratio,
            ..bar
        });
        let (bars, report) = mystocks_ta::clean(adjusted.collect(), policy);
        LoadedBars { version: version(&self.stamp, &bars), bars: Arc::new(bars), report }
    }
}

/// Takes a `numeric`; NULL is NaN.
fn number(fields: &mut Fields<'_>) -> Option<f64> {
    match fields.raw()? {
        Some(raw) => numeric::to_f64(raw),
        None => Some(f64::NAN),
    }
}
