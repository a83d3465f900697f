//! Hot rows in CSV files.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use mystocks_bus::Id;

use super::folder::{self, Format, Most, Sheet};
use super::row::{HeldRow, HotRow};
use super::target::FixationTarget;
use crate::error::Error;

/// Hot rows in a folder of CSV files, `KIND/YYYY-MM-DD.csv` for each kind and day (in UTC).
///
/// The columns are `at` (RFC 3339, microseconds, UTC), `key`, `put` (the row's [`place`](HeldRow::place)) and `fields` (one JSON object), in the order of time and key. Each call writes
/// the files of its days anew, under another name, and renames them: a reader finds a file as it was or as it is to be, and so does who comes after a
/// crash. So give [`Fixation::batch`](super::Fixation::batch) as many rows as can be, and write seldom. Processes that share the folder wait for each other (a
/// lock on `.lock`); on a network file system they may not.
///
/// A file that is torn or was made by somebody else is never overwritten: writing fails with [`ErrorKind::Malformed`](crate::ErrorKind::Malformed), which names file
/// and line, and goes on when it was taken away or put right. One that was cut at the end of a line is not told from a shorter one.
///
/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct CsvHotRows {
    folder: Arc<Path>,
}

impl CsvHotRows {
    /// Opens `folder`, which is made when it is not there.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when it cannot be made or written.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        Ok(Self { folder: folder::open(folder.into())? })
    }
}

#[async_trait]
impl FixationTarget for CsvHotRows {
    async fn upsert(&self, rows: &[HeldRow]) -> Result<u64, Error> {
        folder::upsert_elsewhere::<Csv>(&self.folder, rows).await
    }
}

struct Csv;

const HEADER: &str = "at,key,put,fields\n";

impl Format for Csv {
    const ENDING: &'static str = "csv";

    fn read(bytes: &[u8], most: Most) -> Result<Sheet, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is no UTF-8".to_owned())?;
        let lines = text.strip_prefix(HEADER).ok_or("its first line is not `at,key,put,fields`")?;
        let (mut sheet, mut held) = (Sheet::new(), 0);
        let mut last = None;
        // Fields are JSON in ASCII, and keys have no control characters: a line is a row.
        for (index, line) in lines.split_inclusive('\n').enumerate() {
            let row = line.strip_suffix('\n').and_then(row);
            let Some((identity, (place, fields))) = row else {
                return Err(format!("line {} is no row", index + 2));
            };
            if last.as_ref().is_some_and(|last| *last >= identity) {
                return Err(format!("line {} is out of order", index + 2));
            }
            last = Some(identity.clone());
            held += Most::of_row(&identity.1, &fields);
            sheet.insert(identity, (place, fields));
            most.check(sheet.len(), held)?;
        }
        Ok(sheet)
    }

    fn write(sheet: &Sheet) -> Result<Vec<u8>, String> {
        let mut text = HEADER.to_owned();
        for ((at, key), (place, fields)) in sheet {
            let at = Timestamp::from_microsecond(*at).map_err(|error| error.to_string())?;
            // Writing to a string cannot fail.
            let _ = write!(text, "{at:.6},");
            quote(&mut text, key);
            let _ = write!(text, ",{place},");
            quote(&mut text, fields);
            text.push('\n');
        }
        Ok(text.into_bytes())
    }
}

/// Reads one line; `None` when it is not one that [`Csv::write`] writes.
fn row(line: &str) -> Option<((i64, String), (Id, String))> {
    let (at, rest) = line.split_once(',')?;
    let (key, rest) = unquote(rest)?;
    let (place, rest) = rest.strip_prefix(',')?.split_once(',')?;
    let (fields, rest) = unquote(rest)?;
    let at: Timestamp = at.parse().ok()?;
    let is_row = rest.is_empty() && HotRow::fields_of(&fields).is_some();
    is_row.then_some(((at.as_microsecond(), key), (place.parse().ok()?, fields)))
}

fn quote(text: &mut String, field: &str) {
    if !field.contains([',', '"']) {
        text.push_str(field);
        return;
    }
    text.push('"');
    text.push_str(&field.replace('"', "\"\""));
    text.push('"');
}

/// Takes a field off the front; returns it and what follows.
fn unquote(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(',').unwrap_or(text.len());
        let (field, rest) = text.split_at_checked(end)?;
        return (!field.contains('"')).then(|| (field.to_owned(), rest));
    };
    let mut field = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('"')?;
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None => return Some((field, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Most = Most { rows: 100, bytes: 10_000 };

    #[test]
    fn a_file_holds_no_more_than_it_may() {
        folder::tests::holds_no_more_than_it_may::<Csv>();
    }

    fn sheet() -> Sheet {
        let fields = [r#"{"name": "a, \"b\""}"#, "{}", r#"{"price": 10.5}"#];
        let keys = ["600519.SH", "a,\"b\"", "茅台"];
        let rows = keys.iter().zip(fields).zip([1, 1, 1_700_000_000_000_001]);
        let place = Id { millis: 1_700_000_000_001, sequence: 7 };
        rows.map(|((key, fields), at)| ((at, (*key).to_owned()), (place, fields.to_owned()))).collect()
    }

    #[test]
    fn what_is_written_is_read_and_is_plain_csv() {
        let bytes = Csv::write(&sheet()).unwrap();
        assert_eq!(Csv::read(&bytes, ANY), Ok(sheet()));
        let text = String::from_utf8(bytes).unwrap();
        assert!(
            text.ends_with("2023-11-14T22:13:20.000001Z,茅台,1700000000001-7,\"{\"\"price\"\": 10.5}\"\n"),
            "{text}"
        );
    }

    #[test]
    fn a_file_that_was_cut_or_changed_is_an_error() {
        let bytes = Csv::write(&sheet()).unwrap();
        for end in 0..bytes.len() {
            let is_line = end >= HEADER.len() && bytes[end - 1] == b'\n';
            assert_eq!(Csv::read(&bytes[..end], ANY).is_ok(), is_line, "{end}");
        }
        for foreign in [
            "",
            "date,open\n",
            "at,key,put,fields\nx,a,1-0,{}\n",
            "at,key,put,fields\n2024-01-02T00:00:00Z,a,1-0,[]\n",
            "at,key,put,fields\n2024-01-02T00:00:00Z,a,1,{}\n",
        ] {
            assert!(Csv::read(foreign.as_bytes(), ANY).is_err(), "{foreign}");
        }
        let line = "2024-01-02T00:00:00Z,a,1-0,{}\n";
        assert!(Csv::read(format!("{HEADER}{line}").as_bytes(), ANY).is_ok());
        assert!(Csv::read(format!("{HEADER}{line}{line}").as_bytes(), ANY).is_err());
        assert!(Csv::read(b"at,key,put,fields\n\xff\n", ANY).is_err());
    }
}
