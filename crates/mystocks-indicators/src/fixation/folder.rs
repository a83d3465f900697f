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

    /// Reads a whole file of at most so much; on failure says what is wrong with it.
    fn read(bytes: &[u8], most: Most) -> Result<Sheet, String>;

    /// Writes a whole file.
    fn write(sheet: &Sheet) -> Result<Vec<u8>, String>;
}

/// Rows of one kind and day: microseconds since the epoch and key; the place, and the fields as JSON.
pub(super) type Sheet = BTreeMap<(i64, String), (Id, String)>;

/// How much a file holds at most: to add to it, all of it is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    pub(super) rows: usize,
    /// Of keys and fields, and 64 for each row.
    pub(super) bytes: usize,
}

/// A file may say in a few bytes that it has billions of rows.
const MOST: Most = Most { rows: 5_000_000, bytes: 1 << 30 };

impl Most {
    /// Returns what a row takes.
    pub(super) fn of_row(key: &str, fields: &str) -> usize {
        key.len() + fields.len() + 64
    }

    /// Refuses what is more than that.
    pub(super) fn check(self, rows: usize, bytes: usize) -> Result<(), String> {
        if rows > self.rows || bytes > self.bytes {
            return Err(format!(
                "more than {} rows or {} bytes are too many for a file",
                self.rows, self.bytes
            ));
        }
        Ok(())
    }
}

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
fn upsert<F: Format>(folder: &Path, rows: &[HeldRow], most: Most) -> Result<u64, Error> {
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
        // No file is twice as large as what it holds.
        if fs::metadata(&path).is_ok_and(|file| file.len() / 2 > most.bytes as u64) {
            return Err(malformed(format!("more than {} bytes are too many for a file", most.bytes)));
        }
        let mut sheet = match fs::read(&path) {
            Ok(bytes) => F::read(&bytes, most).map_err(malformed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Sheet::new(),
            Err(error) => return Err(trouble(&path, error)),
        };
        if let Some((at, _)) = sheet.keys().find(|(at, _)| day_of(*at) != Some(day)) {
            return Err(malformed(format!("it has a row of another day, at {at} µs")));
        }
        let changed = merge(&mut sheet, &rows);
        if changed == 0 {
            // Whoever put it there may have ended before it was sure to stay.
            sync(&home).map_err(|error| trouble(&home, error))?;
            continue;
        }
        let bytes = sheet.iter().map(|((_, key), (_, fields))| Most::of_row(key, fields)).sum();
        most.check(sheet.len(), bytes).map_err(malformed)?;
        written += changed;
        finished.push((home, path.clone(), F::write(&sheet).map_err(malformed)?));
    }
    let mut parts = Vec::with_capacity(finished.len());
    for (home, path, bytes) in finished {
        if !home.is_dir() {
            fs::create_dir_all(&home).and_then(|()| sync(folder)).map_err(|error| trouble(&home, error))?;
        }
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
    let written = tokio::task::spawn_blocking(move || upsert::<F>(&place, &rows, MOST)).await;
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::fixation::HotRow;

    /// Has a format refuse more than a file may hold, before it is written and when it is read.
    pub(in crate::fixation) fn holds_no_more_than_it_may<F: Format>() {
        let folder = tempfile::tempdir().unwrap();
        let rows = |numbers: std::ops::Range<i64>| {
            let row = |micros| {
                HotRow::new("q", "a", jiff::Timestamp::from_microsecond(micros).unwrap(), [("x", 1.5)])
            };
            numbers.map(|micros| HeldRow { row: row(micros), place: Id::FIRST }).collect::<Vec<_>>()
        };
        let of_one = Most::of_row("a", r#"{"x": 1.5}"#);
        for most in [Most { rows: 10, bytes: 1 << 20 }, Most { rows: 1 << 20, bytes: 10 * of_one }] {
            let folder = folder.path().join(format!("{}", most.rows));
            let folder = open(folder).unwrap();
            assert_eq!(upsert::<F>(&folder, &rows(0..10), most).unwrap(), 10);
            let path = folder.join("q/1970-01-01").with_extension(F::ENDING);
            let whole = fs::read(&path).unwrap();
            let less = Most { rows: most.rows.min(9), bytes: most.bytes.min(10 * of_one - 1) };
            for (rows, most) in [(rows(10..11), most), (rows(3..4), less)] {
                let error = upsert::<F>(&folder, &rows, most).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
                assert!(error.to_string().contains("too many for a file"), "{error}");
            }
            assert!(F::read(&whole, less).is_err(), "it is not read to its end");
            assert_eq!(fs::read(&path).unwrap(), whole, "it is left as it is");
            assert_eq!(upsert::<F>(&folder, &rows(0..10), most).unwrap(), 0);
        }
    }
}
