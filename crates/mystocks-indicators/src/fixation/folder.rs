//! Hot rows in files, one for each kind and day.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use mystocks_bus::Id;

use super::row::HeldRow;
use crate::error::{Error, ErrorKind};

/// How rows of one kind and day stand in a file.
pub(super) trait Format: Send + Sync + 'static {
    /// What the name of its files ends in.
    const ENDING: &'static str;

    /// Reads a whole file; on failure says what is wrong with it.
    fn read(bytes: &[u8]) -> Result<Sheet, String>;

    /// Writes a whole file.
    fn write(sheet: &Sheet) -> Result<Vec<u8>, String>;
}

/// Rows of one kind and day: microseconds since the epoch and key; the place, and the fields as JSON.
pub(super) type Sheet = BTreeMap<(i64, String), (Id, String)>;

const LOCK: &str = ".lock";

/// Opens `folder`, which is made when it is not there.
pub(super) fn open(folder: PathBuf) -> Result<Arc<Path>, Error> {
    let refuse = |error: io::Error| {
        Error::new(ErrorKind::InvalidArgument, "open the folder", folder.to_string_lossy())
            .with_detail("expected a folder that can be written")
            .with_source(error)
    };
    fs::create_dir_all(&folder).map_err(refuse)?;
    OpenOptions::new().create(true).append(true).open(folder.join(LOCK)).map_err(refuse)?;
    Ok(folder.into())
}

/// Makes `rows` stand in the files of `folder`, and returns how many are new or other.
///
/// All files are read before the first is written, and each is replaced in one step: a process that ends in between leaves each as it was or as it is to be.
pub(super) fn upsert<F: Format>(folder: &Path, rows: &[HeldRow]) -> Result<u64, Error> {
    let trouble = |path: &Path, error: io::Error| {
        Error::new(ErrorKind::Source, "write hot rows", path.to_string_lossy()).with_source(error)
    };
    rows.iter().try_for_each(|held| held.row.check())?;
    let mut days: BTreeMap<(&str, Date), Vec<&HeldRow>> = BTreeMap::new();
    for held in rows {
        days.entry((&held.row.kind, held.row.at.to_zoned(TimeZone::UTC).date())).or_default().push(held);
    }
    let lock_path = folder.join(LOCK);
    // Another process may be at it; the lock ends with its holder.
    let lock = File::options().create(true).append(true).open(&lock_path);
    let lock = lock.map_err(|error| trouble(&lock_path, error))?;
    lock.lock().map_err(|error| trouble(&lock_path, error))?;
    let (mut written, mut finished) = (0, Vec::new());
    for ((kind, day), rows) in days {
        let home = folder.join(kind);
        let path = home.join(format!("{day}.{}", F::ENDING));
        let malformed = |what: String| {
            Error::new(ErrorKind::Malformed, "write hot rows", path.to_string_lossy()).with_detail(format!(
                "{what}; it is left as it is: take it away, or put it right, and what is held is written"
            ))
        };
        let mut sheet = match fs::read(&path) {
            Ok(bytes) => F::read(&bytes).map_err(malformed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Sheet::new(),
            Err(error) => return Err(trouble(&path, error)),
        };
        if let Some((at, _)) = sheet.keys().find(|(at, _)| day_of(*at) != Some(day)) {
            return Err(malformed(format!("it has a row of another day, at {at} µs")));
        }
        let changed = merge(&mut sheet, &rows);
        if changed == 0 {
            continue;
        }
        written += changed;
        finished.push((home, path.clone(), F::write(&sheet).map_err(malformed)?));
    }
    let mut parts = Vec::with_capacity(finished.len());
    for (home, path, bytes) in finished {
        fs::create_dir_all(&home).map_err(|error| trouble(&home, error))?;
        // A hidden name that no reader takes for a day; what an earlier one left there gives way.
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let part = home.join(format!(".{name}.part"));
        write(&part, &bytes).map_err(|error| trouble(&part, error))?;
        parts.push((home, part, path));
    }
    for (home, part, path) in parts {
        fs::rename(&part, &path).map_err(|error| trouble(&path, error))?;
        sync(&home).map_err(|error| trouble(&home, error))?;
    }
    Ok(written)
}

/// Has `rows` stand in `sheet`, of one identity the one that was put last; returns how many are new, other or later than what stood there.
fn merge(sheet: &mut Sheet, rows: &[&HeldRow]) -> u64 {
    let mut last: BTreeMap<(i64, String), &HeldRow> = BTreeMap::new();
    for held in rows {
        let latest = last.entry((held.row.micros(), held.row.key.clone())).or_insert(held);
        if held.place >= latest.place {
            *latest = held;
        }
    }
    let mut changed = 0;
    for (identity, held) in last {
        let text = held.row.text();
        let stands = sheet.get(&identity);
        if stands.is_none_or(|(place, fields)| held.replaces(*place, *fields != text)) {
            sheet.insert(identity, (held.place, text));
            changed += 1;
        }
    }
    changed
}

/// Runs [`upsert`] on a thread that may wait for the disk.
pub(super) async fn upsert_elsewhere<F: Format>(folder: &Arc<Path>, rows: &[HeldRow]) -> Result<u64, Error> {
    let (place, rows) = (Arc::clone(folder), rows.to_vec());
    let written = tokio::task::spawn_blocking(move || upsert::<F>(&place, &rows)).await;
    written.unwrap_or_else(|error| {
        Err(Error::new(ErrorKind::Source, "write hot rows", folder.to_string_lossy()).with_source(error))
    })
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Has the names of a folder on the disk.
fn sync(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn day_of(micros: i64) -> Option<Date> {
    Some(jiff::Timestamp::from_microsecond(micros).ok()?.to_zoned(TimeZone::UTC).date())
}
