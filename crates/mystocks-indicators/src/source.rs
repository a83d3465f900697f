//! The seam between indicators and wherever the daily bars are.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use mystocks_ta::{Bars, CleaningReport};

use crate::error::Error;
use crate::symbol::Symbol;
use crate::version::SeriesVersion;

/// Knows the daily bars of some symbols.
///
/// [`CsvBars`](crate::CsvBars) and [`MemoryBars`](crate::MemoryBars) implement it; the module `conformance` (feature
/// `conformance`) holds one function per promise made below and runs against both.
///
/// # Cancel safety
/// Nothing here changes anything: dropping a future has no effect.
#[async_trait]
pub trait BarSource: Debug + Send + Sync + 'static {
    /// Returns the symbols that have bars, in ascending order.
    async fn symbols(&self) -> Result<Vec<Symbol>, Error>;

    /// Returns which content the bars of `symbol` have now.
    ///
    /// # Behavior
    /// - It is asked before every answer, cached or not, so it should be cheap.
    /// - Equal content has the same version in every process and after every restart; one revised value, one bar
    ///   more or one less gives another.
    /// - A symbol without bars is [`ErrorKind::UnknownSymbol`](crate::ErrorKind) and names the nearest ones.
    async fn version(&self, symbol: &Symbol) -> Result<SeriesVersion, Error>;

    /// Reads the cleaned bars of `symbol` with the version of exactly these bars.
    ///
    /// # Behavior
    /// - The returned version belongs to the returned bars even when the content changes meanwhile.
    /// - While nothing changes it is the one [`version`](Self::version) gives.
    /// - A symbol without bars is [`ErrorKind::UnknownSymbol`](crate::ErrorKind).
    async fn load(&self, symbol: &Symbol) -> Result<LoadedBars, Error>;
}

/// The bars of one symbol as they were read.
#[derive(Debug, Clone)]
pub struct LoadedBars {
    /// The cleaned bars.
    pub bars: Arc<Bars>,
    /// Which content they have.
    pub version: SeriesVersion,
    /// What cleaning did to the raw bars.
    pub report: CleaningReport,
}

#[async_trait]
impl<S: BarSource + ?Sized> BarSource for Arc<S> {
    async fn symbols(&self) -> Result<Vec<Symbol>, Error> {
        (**self).symbols().await
    }
    async fn version(&self, symbol: &Symbol) -> Result<SeriesVersion, Error> {
        (**self).version(symbol).await
    }
    async fn load(&self, symbol: &Symbol) -> Result<LoadedBars, Error> {
        (**self).load(symbol).await
    }
}
