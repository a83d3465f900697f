//! Bars in a folder of Parquet files.

mod parse;

use std::path::PathBuf;

use async_trait::async_trait;
use mystocks_ta::CleaningPolicy;

use crate::error::Error;
use crate::folder_bars::{FileLimits, FolderBars, Format};
use crate::source::{BarSource, LoadedBars};
use crate::symbol::Symbol;
use crate::version::SeriesVersion;

/// Bars in a folder of Parquet files, one file `SYMBOL.parquet` per symbol.
///
/// The columns are `date`, `open`, `high`, `low`, `close` and `volume` in any order and case; others are ignored, but a column `symbol` must repeat the file's
/// name. `date` is a date, a timestamp at midnight, or a text `YYYY-MM-DD`; the others are floats or integers. A null is a missing number and left to the
/// cleaning. Files may be uncompressed or compressed by Snappy, which is what most programs write. Whatever else is wrong with a file is
/// [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) naming the file, the row, the column and what was expected. A file has at most 64 MiB and 1,048,576 rows.
///
/// What [`CsvBars`](crate::CsvBars) says of versions and of replacing files holds here, too. Cheap to clone; the clones share what they remember.
#[derive(Debug, Clone)]
pub struct ParquetBars {
    bars: FolderBars,
}

const PARQUET: Format = Format { ending: ".parquet", parse: |bytes, symbol, _| parse::parse(bytes, symbol) };
const LIMITS: FileLimits = FileLimits { file_bytes: 64 << 20, line_bytes: 0 };

impl ParquetBars {
    /// Opens `folder`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when it is no folder that can be read.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        Ok(Self { bars: FolderBars::open(folder.into(), PARQUET, LIMITS)? })
    }

    /// Cleans by `policy` instead of the default one.
    #[must_use]
    pub fn with_policy(self, policy: CleaningPolicy) -> Self {
        Self { bars: self.bars.with_policy(policy) }
    }

    /// Refuses files of more than so many bytes.
    #[must_use]
    pub fn with_file_bytes(self, file_bytes: u64) -> Self {
        Self { bars: self.bars.with_limits(FileLimits { file_bytes, ..LIMITS }) }
    }

    /// Returns how many times a file was read so far, for measuring.
    pub fn reads(&self) -> u64 {
        self.bars.reads()
    }

    /// Lists what ends in `.parquet`, in any case, and is not among the [`symbols`](BarSource::symbols): each with its name in
    /// the folder and the reason, sorted by name.
    ///
    /// # Errors
    /// [`ErrorKind::Source`](crate::ErrorKind::Source) when the folder cannot be read.
    pub async fn skipped(&self) -> Result<Vec<(String, String)>, Error> {
        self.bars.skipped().await
    }
}

#[async_trait]
impl BarSource for ParquetBars {
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
