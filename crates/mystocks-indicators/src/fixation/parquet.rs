//! Hot rows in Parquet files.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parquet::basic::{Compression, Type};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::Field;
use parquet::schema::parser::parse_message_type;

use super::folder::{self, Format, Most, Sheet};
use super::row::{HeldRow, HotRow};
use super::target::FixationTarget;
use crate::error::Error;

/// Hot rows in a folder of Parquet files, `KIND/YYYY-MM-DD.parquet` for each kind and day (in UTC).
///
/// The columns are `at` (a timestamp in microseconds, UTC), `key`, `put` (the row's [`place`](HeldRow::place)) and `fields` (texts, the last one JSON object), in the order of time and key, compressed by Snappy. All that
/// [`CsvHotRows`](super::CsvHotRows) says of its files holds of these, and a file that was cut anywhere is an error.
///
/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct ParquetHotRows {
    folder: Arc<Path>,
}

impl ParquetHotRows {
    /// Opens `folder`, which is made when it is not there.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) when it cannot be made or written.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        Ok(Self { folder: folder::open(folder.into())? })
    }
}

#[async_trait]
impl FixationTarget for ParquetHotRows {
    async fn upsert(&self, rows: &[HeldRow]) -> Result<u64, Error> {
        folder::upsert_elsewhere::<Parquet>(&self.folder, rows).await
    }
}

struct Parquet;

const SCHEMA: &str = "message hot_rows { REQUIRED INT64 at (TIMESTAMP(MICROS, true)); REQUIRED BYTE_ARRAY key (UTF8); \
     REQUIRED BYTE_ARRAY put (UTF8); REQUIRED BYTE_ARRAY fields (UTF8); }";
const COLUMNS: [(&str, Type); 4] =
    [("at", Type::INT64), ("key", Type::BYTE_ARRAY), ("put", Type::BYTE_ARRAY), ("fields", Type::BYTE_ARRAY)];

impl Format for Parquet {
    const ENDING: &'static str = "parquet";

    fn read(bytes: &[u8], most: Most) -> Result<Sheet, String> {
        unpanicked(|| read(Bytes::copy_from_slice(bytes), most))
    }

    fn write(sheet: &Sheet) -> Result<Vec<u8>, String> {
        unpanicked(|| write(sheet).map_err(|error| format!("it cannot be written: {error}")))
    }
}

/// The crate's decoders are not free of panics on files that lie.
fn unpanicked<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err("it is no Parquet file that can be read".to_owned()))
}

fn read(bytes: Bytes, most: Most) -> Result<Sheet, String> {
    let wrong = |error: ParquetError| format!("it cannot be read: {error}");
    let reader = SerializedFileReader::new(bytes).map_err(wrong)?;
    let schema = reader.metadata().file_metadata().schema_descr();
    let columns = schema.columns().iter().map(|column| (column.name(), column.physical_type()));
    if schema.name() != "hot_rows" || !columns.eq(COLUMNS) {
        return Err("its columns are not `at`, `key`, `put` and `fields` of hot rows".to_owned());
    }
    let (mut sheet, mut held) = (Sheet::new(), 0);
    for (index, row) in reader.get_row_iter(None).map_err(wrong)?.enumerate() {
        let row = row.map_err(wrong)?;
        let mut columns = row.get_column_iter().map(|(_, field)| field);
        let mut next = || columns.next();
        let (
            Some(Field::TimestampMicros(at)),
            Some(Field::Str(key)),
            Some(Field::Str(put)),
            Some(Field::Str(text)),
        ) = (next(), next(), next(), next())
        else {
            return Err(format!("row {} is none of hot rows", index + 1));
        };
        let Ok(place) = put.parse() else { return Err(format!("row {} has no place", index + 1)) };
        if HotRow::fields_of(text).is_none() {
            return Err(format!("row {} has no JSON object", index + 1));
        }
        held += Most::of_row(key, text);
        sheet.insert((*at, key.clone()), (place, text.clone()));
        // Of rows that say the same there may be any number.
        most.check(index + 1, held)?;
    }
    Ok(sheet)
}

fn write(sheet: &Sheet) -> Result<Vec<u8>, ParquetError> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    let at: Vec<i64> = sheet.keys().map(|(at, _)| *at).collect();
    let keys: Vec<ByteArray> = sheet.keys().map(|(_, key)| key.as_str().into()).collect();
    let places: Vec<ByteArray> = sheet.values().map(|(place, _)| place.to_string().as_str().into()).collect();
    let fields: Vec<ByteArray> = sheet.values().map(|(_, text)| text.as_str().into()).collect();
    if let Some(mut column) = group.next_column()? {
        column.typed::<Int64Type>().write_batch(&at, None, None)?;
        column.close()?;
    }
    for texts in [&keys, &places, &fields] {
        if let Some(mut column) = group.next_column()? {
            column.typed::<ByteArrayType>().write_batch(texts, None, None)?;
            column.close()?;
        }
    }
    group.close()?;
    writer.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Most = Most { rows: 100, bytes: 10_000 };

    #[test]
    fn a_file_holds_no_more_than_it_may() {
        folder::tests::holds_no_more_than_it_may::<Parquet>();
    }

    #[test]
    fn a_file_that_was_cut_or_changed_is_an_error_or_what_it_was() {
        let place = mystocks_bus::Id { millis: 1_700_000_000_001, sequence: 7 };
        let row = |at, key: &str| ((at, key.to_owned()), (place, r#"{"price": 10.5}"#.to_owned()));
        let sheet: Sheet = [row(-1, "a"), row(1, "b"), row(1_700_000_000_000_001, "茅台")].into();
        let bytes = Parquet::write(&sheet).unwrap();
        assert_eq!(Parquet::read(&bytes, ANY), Ok(sheet.clone()));
        for end in 0..bytes.len() {
            assert!(Parquet::read(&bytes[..end], ANY).is_err(), "{end}");
        }
        for place in 0..bytes.len() {
            let mut other = bytes.clone();
            other[place] ^= 0x55;
            // Whatever it says, it says it without a panic.
            let _ = Parquet::read(&other, ANY);
        }
        assert!(Parquet::read(b"at,key,fields\n", ANY).is_err());
    }
}
