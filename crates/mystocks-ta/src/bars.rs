//! A cleaned series of daily bars.

use jiff::civil::Date;

use crate::error::{Error, ErrorKind};

/// The lowest price a bar may hold.
pub const MIN_PRICE: f64 = 1e-9;
/// The highest price a bar may hold: beyond it sums of squares and money flows lose their meaning in an `f64`.
pub const MAX_PRICE: f64 = 1e15;
/// The largest volume a bar may hold.
pub const MAX_VOLUME: f64 = 1e18;

/// A series of daily bars that every kernel can take as it is.
///
/// All columns have one length; dates ascend strictly; prices lie in [`MIN_PRICE`]`..=`[`MAX_PRICE`] with
/// `low <= open, close <= high`; volumes lie in `0..=`[`MAX_VOLUME`]. Nothing is NaN. Made by [`clean`](crate::clean), which
/// repairs and reports, or by [`Bars::new`], which refuses.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bars {
    pub(crate) dates: Vec<Date>,
    pub(crate) open: Vec<f64>,
    pub(crate) high: Vec<f64>,
    pub(crate) low: Vec<f64>,
    pub(crate) close: Vec<f64>,
    pub(crate) volume: Vec<f64>,
}

impl Bars {
    /// Takes columns that already hold what [`Bars`] promises.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidBars`] naming the first column and row that break the promise.
    pub fn new(
        dates: Vec<Date>,
        open: Vec<f64>,
        high: Vec<f64>,
        low: Vec<f64>,
        close: Vec<f64>,
        volume: Vec<f64>,
    ) -> Result<Self, Error> {
        let bars = Self { dates, open, high, low, close, volume };
        bars.check()?;
        Ok(bars)
    }

    /// Returns the number of bars.
    pub fn len(&self) -> usize {
        self.dates.len()
    }

    /// Returns whether there is no bar.
    pub fn is_empty(&self) -> bool {
        self.dates.is_empty()
    }

    /// Returns the trading dates, strictly ascending.
    pub fn dates(&self) -> &[Date] {
        &self.dates
    }

    /// Returns the opening prices.
    pub fn open(&self) -> &[f64] {
        &self.open
    }

    /// Returns the highest prices.
    pub fn high(&self) -> &[f64] {
        &self.high
    }

    /// Returns the lowest prices.
    pub fn low(&self) -> &[f64] {
        &self.low
    }

    /// Returns the closing prices.
    pub fn close(&self) -> &[f64] {
        &self.close
    }

    /// Returns the volumes, in the unit of the source (shares, mostly).
    pub fn volume(&self) -> &[f64] {
        &self.volume
    }

    fn check(&self) -> Result<(), Error> {
        let invalid = |column: &str, detail: String| {
            Error::new(ErrorKind::InvalidBars, "take the column", column, detail)
        };
        let len = self.dates.len();
        let prices = [("open", &self.open), ("high", &self.high), ("low", &self.low), ("close", &self.close)];
        for (name, column) in prices.into_iter().chain([("volume", &self.volume)]) {
            if column.len() != len {
                let have = column.len();
                return Err(invalid(name, format!("{have} values for {len} dates, expected as many")));
            }
        }
        if let Some(row) = self.dates.windows(2).position(|pair| pair[0] >= pair[1]) {
            return Err(invalid("date", format!("row {} is not after the row before it", row + 1)));
        }
        for (name, column) in prices {
            if let Some(row) = column.iter().position(|price| !is_price(*price)) {
                return Err(invalid(name, format!("row {row} is not from {MIN_PRICE:e} to {MAX_PRICE:e}")));
            }
        }
        if let Some(row) = self.volume.iter().position(|volume| !is_volume(*volume)) {
            return Err(invalid("volume", format!("row {row} is not from 0 to {MAX_VOLUME:e}")));
        }
        let bodies = self.open.iter().zip(&self.close);
        let ranges = self.low.iter().zip(&self.high);
        if let Some(row) = bodies
            .zip(ranges)
            .position(|((open, close), (low, high))| low > &open.min(*close) || high < &open.max(*close))
        {
            return Err(invalid("high", format!("row {row} does not hold low <= open, close <= high")));
        }
        Ok(())
    }
}

pub(crate) fn is_price(value: f64) -> bool {
    (MIN_PRICE..=MAX_PRICE).contains(&value)
}

pub(crate) fn is_volume(value: f64) -> bool {
    (0.0..=MAX_VOLUME).contains(&value)
}
