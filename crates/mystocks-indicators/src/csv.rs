//! Bars in a folder of CSV files.

mod parse;

use std::path::PathBuf;

use async_trait::async_trait;
use mystocks_ta::CleaningPolicy;

use self::parse::Wrong;
use crate::error::Error;
use crate::folder_bars::{FileLimits, FolderBars, Format};
use crate::source::{BarSource, LoadedBars};
use crate::symbol::Symbol;
use crate::version::SeriesVersion;

/// Bars in a folder of CSV files, one file `SYMBOL.csv` per symbol.
///
/// The first line names the columns: `date`, `open`, `high`, `low`, `close` and `volume` in any order and case; others are
/// ignored, but a column `symbol` must repeat the file's name. Dates are `YYYY-MM-DD`. A blank number is a missing one and
/// left to the cleaning. Whatever else is wrong with a file is [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) naming the file, the line, the column
/// and what was expected. Subfolders are not looked into. What ends in `.csv` and cannot be the file of a symbol is in
/// [`skipped`](Self::skipped).
///
/// # Versions
/// The version is a digest of the cleaned bars. It is remembered with the file's length, inode and time stamps, so asking
/// again costs one `stat`, which is made on the calling thread: the folder should be on a local disk. A file that changed
/// less than two seconds ago is read again each time, because a second write within one tick of the clock would not show.
/// Replace files by renaming a finished one over them: a file written in place can be read half.
///
/// Cheap to clone; the clones share what they remember.
#[derive(Debug, Clone)]
pub struct CsvBars {
    bars: FolderBars,
}

/// How much of a file is read before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CsvLimits {
    /// The largest file, in bytes. Default: 64 MiB.
    pub file_bytes: u64,
    /// The longest line, in bytes. Default: 64 KiB.
    pub line_bytes: usize,
}

impl Default for CsvLimits {
    fn default() -> Self {
        Self { file_bytes: 64 << 20, line_bytes: 64 << 10 }
    }
}

impl From<CsvLimits> for FileLimits {
    fn from(limits: CsvLimits) -> Self {
        Self { file_bytes: limits.file_bytes, line_bytes: limits.line_bytes }
    }
}

const CSV: Format = Format {
    ending: ".csv",
    parse: |bytes, symbol, limits| parse::parse(bytes, symbol, limits.line_bytes).map_err(Wrong::into_detail),
};

impl CsvBars {
    /// Opens `folder`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when it is no folder that can be read.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        Ok(Self { bars: FolderBars::open(folder.into(), CSV, CsvLimits::default().into())? })
    }

    /// Cleans by `policy` instead of the default one.
    #[must_use]
    pub fn with_policy(self, policy: CleaningPolicy) -> Self {
        Self { bars: self.bars.with_policy(policy) }
    }

    /// Refuses files by `limits` instead of the default ones.
    #[must_use]
    pub fn with_limits(self, limits: CsvLimits) -> Self {
        Self { bars: self.bars.with_limits(limits.into()) }
    }

    /// Returns how many times a file was read so far, for measuring.
    pub fn reads(&self) -> u64 {
        self.bars.reads()
    }

    /// Lists what ends in `.csv`, in any case, and is not among the [`symbols`](BarSource::symbols): each with its name in
    /// the folder and the reason, sorted by name.
    ///
    /// # Errors
    /// [`ErrorKind::Source`](crate::ErrorKind::Source) when the folder cannot be read.
    pub async fn skipped(&self) -> Result<Vec<(String, String)>, Error> {
        self.bars.skipped().await
    }
}

#[async_trait]
impl BarSource for CsvBars {
    async fn symbols(&self) -> Result<Vec<Symbol>, Error> {
        self.bars.symbols().await
    }

    async fn version(&self, symbol: &Symbol) -> Result<SeriesVersion, Error> {
        self.bars.version(symbol).await
    }

    async fn load(&self, symbol: &Symbol) -> Result<LoadedBars, Error> {
        self.bars.load(symbol).await
    }

    fn fingerprint(&self) -> String {
        self.bars.fingerprint()
    }
}
