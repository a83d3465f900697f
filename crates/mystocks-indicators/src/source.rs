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
    /// - Equal versions mean equal bars, always: one revised value, one bar more or one less gives another version.
    /// - While nothing is written the version stays the same, in every process and after every restart. Whether bars that
    ///   are put back after a change have their old version again is up to the source: a digest of the content gives it
    ///   again, one of time stamps does not.
    /// - A symbol without bars is [`ErrorKind::UnknownSymbol`](crate::ErrorKind) and names the nearest ones.
    async fn version(&self, symbol: &Symbol) -> Result<SeriesVersion, Error>;

    /// Reads the cleaned bars of `symbol` with the version of exactly these bars.
    ///
    /// # Behavior
    /// - The returned version belongs to the returned bars even when the content changes meanwhile.
    /// - While nothing changes it is the one [`version`](Self::version) gives.
    /// - A symbol without bars is [`ErrorKind::UnknownSymbol`](crate::ErrorKind).
    async fn load(&self, symbol: &Symbol) -> Result<LoadedBars, Error>;

    /// Returns for each of `symbols`, in the order asked, what [`version`](Self::version) would.
    ///
    /// A source that can answer for many at once does; as it stands here each is asked for, one by one.
    async fn versions(&self, symbols: &[Symbol]) -> Vec<Result<SeriesVersion, Error>> {
        let mut versions = Vec::with_capacity(symbols.len());
        for symbol in symbols {
            versions.push(self.version(symbol).await);
        }
        versions
    }

    /// Reads for each of `symbols`, in the order asked, what [`load`](Self::load) would.
    ///
    /// Each series is whole and of one state; two series may be of different states. A source that can read many at once
    /// does; as it stands here each is read, one by one. All series are in memory together: ask for some hundred at a time.
    async fn load_many(&self, symbols: &[Symbol]) -> Vec<Result<LoadedBars, Error>> {
        let mut loaded = Vec::with_capacity(symbols.len());
        for symbol in symbols {
            loaded.push(self.load(symbol).await);
        }
        loaded
    }

    /// Returns what bars these are, for people to read: `daily_kline; adjustment=forward; …`.
    ///
    /// # Behavior
    /// - Two sources that would give other bars, or other versions of them, from the same data (adjusted or cleaned otherwise) return other texts.
    /// - It stays the same, in every process: no host, folder or password is part of it.
    /// - Who shares work with others compares it, so that no result is of two kinds of bars. As it stands here it is empty and tells nothing apart.
    fn fingerprint(&self) -> String {
        String::new()
    }
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
    async fn versions(&self, symbols: &[Symbol]) -> Vec<Result<SeriesVersion, Error>> {
        (**self).versions(symbols).await
    }
    async fn load_many(&self, symbols: &[Symbol]) -> Vec<Result<LoadedBars, Error>> {
        (**self).load_many(symbols).await
    }
    fn fingerprint(&self) -> String {
        (**self).fingerprint()
    }
}
