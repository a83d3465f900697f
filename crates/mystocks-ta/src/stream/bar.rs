//! One bar of a stream.

use jiff::civil::Date;

use crate::bars::{MAX_VOLUME, MIN_PRICE, is_price, is_volume};
use crate::error::{Error, ErrorKind};

/// One daily bar, or the bar of a day that is not over yet.
///
/// Must hold what [`Bars`](crate::Bars) promises: prices from [`MIN_PRICE`](crate::MIN_PRICE) to
/// [`MAX_PRICE`](crate::MAX_PRICE) with `low <= open, close <= high`, and a volume from 0 to [`MAX_VOLUME`](crate::MAX_VOLUME).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// The trading date.
    pub date: Date,
    /// The opening price.
    pub open: f64,
    /// The highest price.
    pub high: f64,
    /// The lowest price.
    pub low: f64,
    /// The closing price; of a day that is not over, the last price.
    pub close: f64,
    /// The volume.
    pub volume: f64,
}

impl Bar {
    pub(super) fn check(&self, after: Option<Date>) -> Result<(), Error> {
        let invalid = |column: &str, detail: String| {
            Err(Error::new(ErrorKind::InvalidBars, "take the column", column, detail))
        };
        if after.is_some_and(|last| self.date <= last) {
            return invalid("date", "the bar is not after the last one".to_owned());
        }
        for (name, price) in
            [("open", self.open), ("high", self.high), ("low", self.low), ("close", self.close)]
        {
            if !is_price(price) {
                let highest = crate::bars::MAX_PRICE;
                return invalid(name, format!("the bar is not from {MIN_PRICE:e} to {highest:e}"));
            }
        }
        if !is_volume(self.volume) {
            return invalid("volume", format!("the bar is not from 0 to {MAX_VOLUME:e}"));
        }
        if self.low > self.open.min(self.close) || self.high < self.open.max(self.close) {
            return invalid("high", "the bar does not hold low <= open, close <= high".to_owned());
        }
        Ok(())
    }
}
