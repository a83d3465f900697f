//! Technical indicators: a registry over TA-Lib, the Chinese market variants, and bar cleaning.
//!
//! Pure computation: no I/O, no async, nothing global but tables that are made once. [`registry()`] knows by abbreviation every one of
//! the 237 functions of the pinned `ta-lib` crate, and 28 indicators that are computed here as the Chinese market defines them, such
//! as `TDX_KDJ`. One abbreviation means one definition: what TA-Lib calls `KDJ` and what Chinese charting programs call so differ in their
//! first 60 bars. docs/indicators.md lists all of them.
//!
//! Values are those of TA-Lib 0.8 (which differ from 0.6 over suspensions). Where nothing moves they are, by its definitions: RSI 50
//! (0 before 0.8.3); STOCH, CCI, WILLR, MFI, ADX and NATR 0; all three Bollinger bands the price. What the formulas of
//! the Chinese market give there stands in [`tdx`].
//!
//! ```
//! use mystocks_ta::{CleaningPolicy, ErrorKind, RawBar, clean, registry};
//!
//! // Thirty days, the last of them suspended with its volume left blank.
//! let rows = (1..=30).map(|day| {
//!     let close = 10.0 + f64::from(day % 7);
//!     let (high, volume) = if day < 30 { (close + 0.5, Some(1_000.0)) } else { (close, None) };
//!     let date = jiff::civil::date(2024, 1, 1).saturating_add(jiff::Span::new().days(day));
//!     RawBar { date, open: close, high, low: close, close, volume }
//! });
//! let (bars, report) = clean(rows.collect(), &CleaningPolicy::default());
//! assert_eq!(report.to_string(), "30 rows, 30 bars; blank volume, suspended day: 1 (first 2024-01-31); \
//!     suspended day, kept: 1 (first 2024-01-31)");
//!
//! let rsi = registry().get("RSI")?;
//! let params = rsi.canonical(&[])?; // the same request as [("timeperiod", 14.into())]
//! assert_eq!(rsi.label(&params), "RSI(timeperiod=14)");
//! let output = rsi.compute(&bars, &params)?;
//! let values = output.get("rsi").unwrap_or_default();
//! assert_eq!((values.len(), rsi.minimum_bars(&params)), (30, 15));
//! assert!(values[13].is_nan() && values[14..].iter().all(|value| (0.0..=100.0).contains(value)));
//!
//! let refused = rsi.canonical(&[("timeperiod", 101.into())]).unwrap_err();
//! assert_eq!(refused.kind(), ErrorKind::BadParameter);
//! assert_eq!(format!("failed to {refused}"), "failed to read the parameter \"RSI.timeperiod\": out of range, expected an integer from 2 to 100");
//! # Ok::<(), mystocks_ta::Error>(())
//! ```

mod bars;
mod canonical;
mod clean;
mod error;
mod finite;
mod indicator;
mod kernels;
mod nearest;
mod output;
mod parameter;
mod params;
mod registry;
mod stream;
mod talib;
pub mod tdx;

pub use bars::{Bars, MAX_PRICE, MAX_VOLUME, MIN_PRICE};
pub use clean::{CleaningPolicy, CleaningReport, RawBar, SuspendedDays, Tally, clean};
pub use error::{Error, ErrorKind};
pub use indicator::{Category, Indicator, Input, Panel};
pub use output::{Output, Series};
pub use parameter::{Kind, Parameter};
pub use params::{Given, Params, Value};
pub use registry::{Registry, daily_defaults, registry};
pub use stream::{Bar, Keep, State, Stream, Values};
