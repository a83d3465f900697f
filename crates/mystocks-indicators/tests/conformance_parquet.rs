//! Parquet files as a source of bars and as a target of hot rows.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::{Date, date};
use mystocks_indicators::conformance::Rig;
use mystocks_indicators::conformance::fixation::{FixationRig, held};
use mystocks_indicators::{
    BarSource, ErrorKind, FixationTarget, HotRow, ParquetBars, ParquetHotRows, Symbol,
    bar_source_conformance, content_version_conformance, fixation_conformance,
};
use mystocks_ta::RawBar;
use parquet::basic::Compression;
use parquet::data_type::{ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::Field;
use parquet::schema::parser::parse_message_type;
use tempfile::TempDir;

/// One column as a test gives it; missing values are `None`.
enum Column {
    Day(Vec<i32>),
    Time(Vec<i64>),
    Text(Vec<&'static str>),
    Number(Vec<Option<f64>>),
    Whole(Vec<i64>),
}

fn write(path: &Path, schema: &str, columns: &[Column], compression: Compression) {
    let schema = Arc::new(parse_message_type(&format!("message schema {{ {schema} }}")).unwrap());
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut writer =
        SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for column in columns {
        let mut into = group.next_column().unwrap().unwrap();
        match column {
            Column::Day(days) => into.typed::<Int32Type>().write_batch(days, None, None),
            Column::Time(times) | Column::Whole(times) => {
                into.typed::<Int64Type>().write_batch(times, None, None)
            }
            Column::Text(texts) => {
                let texts: Vec<_> = texts.iter().map(|text| (*text).into()).collect();
                into.typed::<ByteArrayType>().write_batch(&texts, None, None)
            }
            Column::Number(numbers) => {
                let there: Vec<f64> = numbers.iter().copied().flatten().collect();
                let levels: Vec<i16> = numbers.iter().map(|number| i16::from(number.is_some())).collect();
                into.typed::<DoubleType>().write_batch(&there, Some(&levels), None)
            }
        }
        .unwrap();
        into.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
}

const PRICES: &str =
    "OPTIONAL DOUBLE open; OPTIONAL DOUBLE high; OPTIONAL DOUBLE low; OPTIONAL DOUBLE close;";

fn days_of(date: Date) -> i32 {
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
    i32::try_from(midnight.as_second() / 86_400).unwrap()
}

fn put(path: &Path, bars: &[RawBar]) {
    let column = |pick: fn(&RawBar) -> f64| Column::Number(bars.iter().map(|bar| Some(pick(bar))).collect());
    let columns = [
        Column::Number(bars.iter().map(|bar| bar.volume).collect()),
        Column::Day(bars.iter().map(|bar| days_of(bar.date)).collect()),
        column(|bar| bar.open),
        column(|bar| bar.high),
        column(|bar| bar.low),
        column(|bar| bar.close),
    ];
    let schema = format!("OPTIONAL DOUBLE volume; REQUIRED INT32 date (DATE); {PRICES}");
    write(path, &schema, &columns, Compression::SNAPPY);
}

struct BarsRig(TempDir, ParquetBars);

impl BarsRig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bars = ParquetBars::open(folder.path()).unwrap();
        Self(folder, bars)
    }

    fn path(&self, symbol: &Symbol) -> std::path::PathBuf {
        self.0.path().join(format!("{symbol}.parquet"))
    }
}

#[async_trait]
impl Rig for BarsRig {
    fn source(&self) -> Arc<dyn BarSource> {
        Arc::new(self.1.clone())
    }

    async fn another(&self, _: &Symbol) -> Arc<dyn BarSource> {
        Arc::new(ParquetBars::open(self.0.path()).unwrap())
    }

    async fn put(&self, symbol: &Symbol, bars: &[RawBar]) {
        put(&self.path(symbol), bars);
    }

    async fn remove(&self, symbol: &Symbol) {
        fs::remove_file(self.path(symbol)).unwrap();
    }
}

mod bars {
    use super::*;

    bar_source_conformance!(BarsRig::new());
    content_version_conformance!(BarsRig::new());
}

fn prices(count: usize) -> Vec<Column> {
    let of = |price: f64| Column::Number(vec![Some(price); count]);
    vec![of(10.0), of(12.0), of(9.0), of(11.0)]
}

async fn load(folder: &Path, symbol: &str) -> Result<Vec<(Date, f64)>, mystocks_indicators::Error> {
    let bars = ParquetBars::open(folder).unwrap().load(&Symbol::new(symbol).unwrap()).await?.bars;
    Ok(bars.dates().iter().copied().zip(bars.volume().iter().copied()).collect())
}

/// What other programs write: dates as timestamps of any unit or as text, whole numbers, no compression.
#[tokio::test]
async fn the_dates_and_numbers_of_other_programs_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let days = [19_724_i64, 19_725];
    let nanos = days.map(|day| day * 86_400_000_000_000).to_vec();
    let dates = [
        ("REQUIRED INT64 Date (TIMESTAMP(NANOS, false));", Column::Time(nanos)),
        (
            "REQUIRED INT64 Date (TIMESTAMP(MICROS, true));",
            Column::Time(days.map(|day| day * 86_400_000_000).to_vec()),
        ),
        (
            "REQUIRED INT64 Date (TIMESTAMP(MILLIS, true));",
            Column::Time(days.map(|day| day * 86_400_000).to_vec()),
        ),
        ("REQUIRED INT32 Date (DATE);", Column::Day(vec![19_724, 19_725])),
        ("REQUIRED BYTE_ARRAY Date (UTF8);", Column::Text(vec!["2024-01-02", "2024-01-03"])),
    ];
    let symbol = "REQUIRED BYTE_ARRAY symbol (UTF8); REQUIRED INT64 VOLUME;";
    let path = folder.path().join("600519.parquet");
    for (schema, dates) in dates {
        let mut columns = vec![dates];
        columns.extend(prices(2));
        columns.extend([Column::Text(vec!["600519"; 2]), Column::Whole(vec![100, 1 << 40])]);
        write(&path, &format!("{schema} {PRICES} {symbol}"), &columns, Compression::UNCOMPRESSED);
        let expected = [(date(2024, 1, 2), 100.0), (date(2024, 1, 3), (1_u64 << 40) as f64)];
        assert_eq!(load(folder.path(), "600519").await.unwrap(), expected, "{schema}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_file_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("600519.parquet");
    let day = || Column::Day(vec![19_724]);
    let volume = || Column::Whole(vec![100]);
    let with = |first: Vec<Column>, last: Vec<Column>| {
        first.into_iter().chain(prices(1)).chain(last).collect::<Vec<_>>()
    };
    let text = || Column::Text(vec!["x"]);
    let cases = [
        (format!("REQUIRED INT32 date (DATE); {PRICES}"), with(vec![day()], vec![]), "no column volume"),
        (
            format!("REQUIRED INT32 date; {PRICES} REQUIRED INT64 volume;"),
            with(vec![day()], vec![volume()]),
            "row 1, column \"date\"",
        ),
        (
            format!("REQUIRED INT32 date (DATE); {PRICES} REQUIRED BYTE_ARRAY volume (UTF8);"),
            with(vec![day()], vec![text()]),
            "row 1, column \"volume\"",
        ),
        (
            format!(
                "REQUIRED INT32 date (DATE); {PRICES} REQUIRED INT64 volume; REQUIRED BYTE_ARRAY symbol (UTF8);"
            ),
            with(vec![day()], vec![volume(), text()]),
            "another symbol",
        ),
        (
            format!("REQUIRED INT64 date (TIMESTAMP(MICROS, true)); {PRICES} REQUIRED INT64 volume;"),
            with(vec![Column::Time(vec![86_400_000_001])], vec![volume()]),
            "midnight",
        ),
    ];
    for (schema, columns, reason) in cases {
        write(&path, &schema, &columns, Compression::SNAPPY);
        let error = load(folder.path(), "600519").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        assert!(
            error.to_string().contains("600519.parquet") && error.to_string().contains(reason),
            "{error}"
        );
    }
    put(&path, &[]);
    assert!(load(folder.path(), "600519").await.unwrap_err().to_string().contains("no row"));
    let bar = RawBar { date: date(2024, 1, 2), open: 10.0, high: 12.0, low: 9.0, close: 11.0, volume: None };
    put(&path, &[bar]);
    let whole = fs::read(&path).unwrap();
    assert!(load(folder.path(), "600519").await.is_ok());
    for content in
        [b"date,open\n".to_vec(), Vec::new(), whole[..whole.len() / 2].to_vec(), whole[4..].to_vec()]
    {
        fs::write(&path, content).unwrap();
        let error = load(folder.path(), "600519").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    }
    fs::write(folder.path().join("a b.parquet"), "").unwrap();
    let bars = ParquetBars::open(folder.path()).unwrap();
    assert_eq!(bars.skipped().await.unwrap()[0].0, "a b.parquet");
    let small = bars.with_file_bytes(3);
    fs::write(&path, whole).unwrap();
    let error = small.load(&Symbol::new("600519").unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("at most 3 bytes"), "{error}");
}

/// A small file can hold any number of rows that say the same.
#[tokio::test]
async fn more_rows_than_there_can_be_days_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("600519.parquet");
    let count = (1 << 20) + 1;
    let mut columns = vec![Column::Day(vec![19_724; count])];
    columns.extend(prices(count));
    columns.push(Column::Whole(vec![100; count]));
    let schema = format!("REQUIRED INT32 date (DATE); {PRICES} REQUIRED INT64 volume;");
    write(&path, &schema, &columns, Compression::SNAPPY);
    assert!(fs::metadata(&path).unwrap().len() < 1 << 16);
    let error = load(folder.path(), "600519").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    assert!(error.to_string().contains("at most 1048576 rows"), "{error}");
}

struct HotRowsRig(TempDir);

#[async_trait]
impl FixationRig for HotRowsRig {
    fn target(&self) -> Arc<dyn FixationTarget> {
        Arc::new(ParquetHotRows::open(self.0.path()).unwrap())
    }

    fn another(&self) -> Arc<dyn FixationTarget> {
        self.target()
    }

    async fn rows(&self) -> Vec<HotRow> {
        let mut rows = Vec::new();
        for kind in fs::read_dir(self.0.path()).unwrap().map(|kind| kind.unwrap()) {
            if !kind.file_type().unwrap().is_dir() {
                continue;
            }
            for day in fs::read_dir(kind.path()).unwrap() {
                let reader = SerializedFileReader::new(File::open(day.unwrap().path()).unwrap()).unwrap();
                for row in reader.get_row_iter(None).unwrap() {
                    let row = row.unwrap();
                    let fields: Vec<Field> = row.into_columns().into_iter().map(|(_, field)| field).collect();
                    let [Field::TimestampMicros(at), Field::Str(key), Field::Str(_), Field::Str(text)] =
                        &fields[..]
                    else {
                        panic!("{fields:?}");
                    };
                    let (at, fields) =
                        (Timestamp::from_microsecond(*at).unwrap(), HotRow::fields_of(text).unwrap());
                    let kind = kind.file_name().into_string().unwrap();
                    rows.push(HotRow { kind, key: key.clone(), at, fields });
                }
            }
        }
        rows
    }
}

mod hot_rows {
    use super::*;

    fixation_conformance!(HotRowsRig(tempfile::tempdir().unwrap()));
}

#[tokio::test]
async fn a_torn_file_of_hot_rows_is_an_error_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let target = ParquetHotRows::open(folder.path()).unwrap();
    let row = |micros: i64| {
        let at = Timestamp::from_microsecond(1_735_800_000_000_000 + micros).unwrap();
        HotRow::new("quote", "600519", at, [("price", 1.0)])
    };
    assert_eq!(target.upsert(&held(&[row(1), row(2)])).await.unwrap(), 2);
    let path = folder.path().join("quote/2025-01-02.parquet");
    let whole = fs::read(&path).unwrap();
    let foreign = folder.path().join("foreign.parquet");
    put(&foreign, &[]);
    for content in [whole[..whole.len() - 1].to_vec(), fs::read(&foreign).unwrap()] {
        fs::write(&path, &content).unwrap();
        let error = target.upsert(&held(&[row(3)])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        assert_eq!(fs::read(&path).unwrap(), content, "it is left as it is");
    }
    fs::write(&path, whole).unwrap();
    assert_eq!(target.upsert(&held(&[row(2), row(3)])).await.unwrap(), 1);
}
