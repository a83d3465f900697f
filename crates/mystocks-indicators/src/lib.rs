//! Technical indicators of stocks, computed once and read through three tiers.
//!
//! A [`BarSource`] knows the daily bars; [`CsvBars`] reads them from a folder, [`MemoryBars`] holds what is put in. An
//! [`IndicatorService`] over it answers indicators of the registry of `mystocks-ta`: from this process's memory (L1), from
//! the store that all processes share (L2), or by loading the bars and computing (L3). The version of the bars is part of
//! every key, so new or revised bars are never answered with old numbers, whatever is cached where.
//!
//! ```
//! use jiff::civil::date;
//! use mystocks_cache::{MemoryStore, Tier};
//! use mystocks_indicators::{DateRange, IndicatorService, MemoryBars, Symbol};
//! use mystocks_ta::RawBar;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let stock = Symbol::new("600519.SH")?;
//! let bar = |day, close| RawBar {
//!     date: date(2024, 1, day), open: close, high: close + 1.0, low: close - 1.0, close, volume: Some(100.0),
//! };
//! let bars = MemoryBars::new();
//! bars.insert(stock.clone(), vec![bar(2, 10.0), bar(3, 12.0), bar(4, 14.0)]);
//!
//! let service = IndicatorService::builder(bars.clone()).store(MemoryStore::new()).build()?;
//! let period = [("timeperiod", 2.into())];
//! let sma = service.get(&stock, "SMA", &period, DateRange::since(date(2024, 1, 3))).await?;
//! assert_eq!(sma.label(), "SMA(timeperiod=2)");
//! assert_eq!(sma.dates(), [date(2024, 1, 3), date(2024, 1, 4)]);
//! assert_eq!(sma.values("sma"), Some(&[11.0, 13.0][..]));
//! assert_eq!(sma.tier(), Tier::L3);
//! assert_eq!(service.get(&stock, "SMA", &period, DateRange::ALL).await?.tier(), Tier::L1);
//!
//! bars.revise(&stock, bar(4, 20.0))?;
//! let revised = service.get(&stock, "SMA", &period, DateRange::ALL).await?;
//! assert_eq!(revised.values("sma").and_then(|values| values.last()), Some(&16.0));
//! # service.shutdown().await;
//! # Ok::<(), mystocks_indicators::Error>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod announcer;
mod builder;
#[cfg(feature = "conformance")]
pub mod conformance;
mod costs;
mod counts;
mod csv;
mod daily;
mod day;
mod error;
mod fault;
mod fixation;
mod folder_bars;
mod group;
mod kernel;
mod key;
mod load;
mod look;
mod memory;
mod memory_results;
mod metric;
mod near;
mod packed_bars;
#[cfg(feature = "parquet")]
mod parquet_bars;
#[cfg(feature = "postgres")]
pub mod postgres;
mod range;
mod read;
mod request;
mod result;
mod results;
mod series;
mod service;
mod source;
mod symbol;
mod task_record;
mod tdengine;
mod ticks;
mod ticks_memory;
mod trusted;
mod version;
mod way;

pub use announcer::Announcements;
pub use builder::IndicatorServiceBuilder;
pub use counts::WayCounts;
pub use csv::{CsvBars, CsvLimits};
pub use daily::{DailyJob, DailyProgress, DailyReport, DailyTask, DailyWorker};
pub use error::{Error, ErrorKind};
#[cfg(feature = "parquet")]
pub use fixation::ParquetHotRows;
pub use fixation::{
    CsvHotRows, Fixation, FixationState, FixationStrategy, FixationTarget, FixationWorker, HeldRow, HotRow,
    MemoryHotRows,
};
pub use memory::MemoryBars;
pub use memory_results::{MemoryResults, StoredResult};
#[cfg(feature = "parquet")]
pub use parquet_bars::ParquetBars;
pub use range::DateRange;
pub use request::IndicatorRequest;
pub use result::{IndicatorResult, ReadDetail};
pub use results::{ResultRow, Results};
pub use service::IndicatorService;
pub use source::{BarSource, LoadedBars};
pub use symbol::Symbol;
pub use task_record::{TaskRecord, TaskStatus};
pub use tdengine::{TdengineTable, TdengineTicks, TdengineValue};
pub use ticks::{Side, Tick, TickRange, TickSource, Ticks};
pub use ticks_memory::MemoryTicks;
pub use version::SeriesVersion;
pub use way::{Reading, Way};
