//! Bars in a folder of files, one for each symbol.

mod listing;
mod stamp;

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use mystocks_ta::{CleaningPolicy, RawBar};

use self::listing::Listing;
use self::stamp::Stamp;
use crate::error::{Error, ErrorKind};
use crate::source::{BarSource, LoadedBars};
use crate::symbol::Symbol;
use crate::version::{SeriesVersion, policy_words};

/// Bars in a folder of files of one format; what [`CsvBars`](crate::CsvBars) says of its files holds of all.
///
/// Cheap to clone; the clones share what they remember.
#[derive(Debug, Clone)]
pub(crate) struct FolderBars {
    folder: Arc<Path>,
    format: Format,
    policy: CleaningPolicy,
    limits: FileLimits,
    memory: Arc<Mutex<Memory>>,
}

/// How the bars of one symbol stand in a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Format {
    /// What the names of its files end in, with the dot.
    pub(crate) ending: &'static str,
    /// Reads the rows of one symbol; on failure says what is wrong, and where.
    pub(crate) parse: Parse,
}

type Parse = fn(&[u8], &Symbol, &FileLimits) -> Result<Vec<RawBar>, String>;

/// How much of a file is read before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileLimits {
    pub(crate) file_bytes: u64,
    /// The longest line, for formats that have lines.
    pub(crate) line_bytes: usize,
}

#[derive(Debug, Default)]
struct Memory {
    /// Of files that were settled when they were read.
    versions: HashMap<Symbol, (Stamp, SeriesVersion)>,
    /// The last of these in full: after a cold `version` comes a `load` of the same file.
    recent: VecDeque<(Symbol, Stamp, LoadedBars)>,
    reads: u64,
}

/// How many whole series are remembered.
const RECENT: usize = 4;
/// How often a file that changes while it is read is begun again.
const ATTEMPTS: usize = 3;

impl FolderBars {
    pub(crate) fn open(folder: PathBuf, format: Format, limits: FileLimits) -> Result<Self, Error> {
        fs::read_dir(&folder).map_err(|error| {
            Error::new(ErrorKind::InvalidArgument, "open the folder", folder.to_string_lossy())
                .with_detail(format!("expected a folder of files SYMBOL{}", format.ending))
                .with_source(error)
        })?;
        let policy = CleaningPolicy::default();
        Ok(Self { folder: folder.into(), format, policy, limits, memory: Arc::default() })
    }

    pub(crate) fn with_policy(self, policy: CleaningPolicy) -> Self {
        Self { policy, memory: Arc::default(), ..self }
    }

    pub(crate) fn with_limits(self, limits: FileLimits) -> Self {
        Self { limits, ..self }
    }

    /// Returns how many times a file was read so far.
    pub(crate) fn reads(&self) -> u64 {
        self.memory().reads
    }

    /// Lists what has the ending, in any case, and is not among the symbols: each with its name in the folder and the reason, sorted by name.
    pub(crate) async fn skipped(&self) -> Result<Vec<(String, String)>, Error> {
        Ok(self.listing().await?.skipped)
    }

    fn path(&self, symbol: &Symbol) -> PathBuf {
        self.folder.join(format!("{symbol}{}", self.format.ending))
    }

    fn stamp(&self, symbol: &Symbol) -> Option<Stamp> {
        fs::metadata(self.path(symbol)).ok().and_then(|metadata| Stamp::of(&metadata))
    }

    /// Reads, parses, cleans and digests one file, and remembers it if it is settled.
    fn read(&self, symbol: &Symbol) -> Result<LoadedBars, Error> {
        let path = self.path(symbol);
        let file = path.to_string_lossy();
        for _ in 0..ATTEMPTS {
            self.memory().reads += 1;
            // Before the stamp is taken: a write after it then has a later time stamp or shows in the second stamp.
            let now = SystemTime::now();
            let content = match self.content(&path) {
                Ok(Some(content)) => content,
                Ok(None) => continue,
                Err(Refused::Error(error)) => return Err(error),
                Err(Refused::Io(error)) if is_absent(&error) => {
                    self.memory().versions.remove(symbol);
                    return Err(self.unknown(symbol));
                }
                Err(Refused::Io(error)) => return Err(unavailable(&file).with_source(error)),
            };
            let raw = (self.format.parse)(&content.bytes, symbol, &self.limits)
                .map_err(|wrong| Error::new(ErrorKind::Malformed, "read bars", &*file).with_detail(wrong))?;
            let (bars, report) = mystocks_ta::clean(raw, &self.policy);
            let loaded =
                LoadedBars { version: SeriesVersion::of(&bars, &self.policy), bars: Arc::new(bars), report };
            if let Some(stamp) = content.stamp.filter(|stamp| stamp.is_settled(now)) {
                self.memory().remember(symbol, stamp, &loaded);
            }
            return Ok(loaded);
        }
        Err(Error::new(ErrorKind::Changing, "read bars", file)
            .with_detail("replace the file by renaming a finished one over it"))
    }

    /// Returns the bytes of a file, or `None` when it changed while it was read.
    fn content(&self, path: &Path) -> Result<Option<Content>, Refused> {
        // Asked by path first: opening a named pipe would wait for its writer.
        if !fs::metadata(path)?.is_file() {
            return Err(Refused::Error(
                Error::new(ErrorKind::Malformed, "read bars", path.to_string_lossy())
                    .with_detail("expected a regular file"),
            ));
        }
        let mut file = File::open(path)?;
        let before = file.metadata()?;
        let limit = self.limits.file_bytes;
        let mut bytes = Vec::new();
        if before.len() <= limit {
            bytes.reserve(usize::try_from(before.len()).unwrap_or(0));
            (&mut file).take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        }
        if before.len() > limit || bytes.len() as u64 > limit {
            return Err(Refused::Error(
                Error::new(ErrorKind::Malformed, "read bars", path.to_string_lossy())
                    .with_detail(format!("expected a file of at most {limit} bytes")),
            ));
        }
        let stamp = Stamp::of(&before);
        if stamp != Stamp::of(&file.metadata()?) {
            return Ok(None);
        }
        Ok(Some(Content { bytes, stamp }))
    }

    fn unknown(&self, symbol: &Symbol) -> Error {
        Error::unknown_symbol(
            symbol,
            &Listing::of(&self.folder, self.format.ending).unwrap_or_default().symbols,
        )
    }

    async fn listing(&self) -> Result<Listing, Error> {
        let (folder, ending) = (Arc::clone(&self.folder), self.format.ending);
        self.elsewhere(move || Listing::of(&folder, ending))
            .await?
            .map_err(|error| unavailable(&self.folder.to_string_lossy()).with_source(error))
    }

    async fn read_elsewhere(&self, symbol: &Symbol) -> Result<LoadedBars, Error> {
        let (bars, symbol) = (self.clone(), symbol.clone());
        self.elsewhere(move || bars.read(&symbol)).await?
    }

    /// Runs `work` on a thread that may wait for the disk.
    async fn elsewhere<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| unavailable(&self.folder.to_string_lossy()).with_source(error))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl BarSource for FolderBars {
    async fn symbols(&self) -> Result<Vec<Symbol>, Error> {
        Ok(self.listing().await?.symbols)
    }

    async fn version(&self, symbol: &Symbol) -> Result<SeriesVersion, Error> {
        if let Some(stamp) = self.stamp(symbol)
            && let Some((held, version)) = self.memory().versions.get(symbol)
            && *held == stamp
        {
            return Ok(version.clone());
        }
        Ok(self.read_elsewhere(symbol).await?.version)
    }

    async fn load(&self, symbol: &Symbol) -> Result<LoadedBars, Error> {
        if let Some(stamp) = self.stamp(symbol)
            && let Some(loaded) = self.memory().recent(symbol, stamp)
        {
            return Ok(loaded);
        }
        self.read_elsewhere(symbol).await
    }

    fn fingerprint(&self) -> String {
        format!("files *{}; {}", self.format.ending, policy_words(&self.policy))
    }
}

impl Memory {
    fn remember(&mut self, symbol: &Symbol, stamp: Stamp, loaded: &LoadedBars) {
        self.versions.insert(symbol.clone(), (stamp, loaded.version.clone()));
        self.recent.retain(|(other, ..)| other != symbol);
        self.recent.truncate(RECENT - 1);
        self.recent.push_front((symbol.clone(), stamp, loaded.clone()));
    }

    fn recent(&self, symbol: &Symbol, stamp: Stamp) -> Option<LoadedBars> {
        self.recent
            .iter()
            .find(|(other, held, _)| other == symbol && *held == stamp)
            .map(|(_, _, loaded)| loaded.clone())
    }
}

struct Content {
    bytes: Vec<u8>,
    stamp: Option<Stamp>,
}

enum Refused {
    Io(io::Error),
    Error(Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn unavailable(place: &str) -> Error {
    Error::new(ErrorKind::Source, "read bars", place)
}
