//! From the bytes of one Parquet file to raw bars, or to the row and column that are wrong.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use jiff::civil::Date;
use mystocks_ta::RawBar;
use parquet::basic::{LogicalType, TimeUnit};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};

use crate::day;
use crate::symbol::Symbol;

const NEEDED: [&str; 6] = ["date", "open", "high", "low", "close", "volume"];
/// More than four thousand years of days: a file of some bytes can say that it has billions of rows.
const MOST_ROWS: usize = 1 << 20;
const DAY_NANOS: i64 = 86_400_000_000_000;

/// Reads the rows of `content`, all of `symbol`.
pub(super) fn parse(content: &[u8], symbol: &Symbol) -> Result<Vec<RawBar>, String> {
    // The crate's decoders are not free of panics on files that lie.
    let read = || read(Bytes::copy_from_slice(content), symbol);
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err("expected a Parquet file".to_owned()))
}

fn read(content: Bytes, symbol: &Symbol) -> Result<Vec<RawBar>, String> {
    let reader =
        SerializedFileReader::new(content).map_err(|error| format!("expected a Parquet file: {error}"))?;
    let schema = reader.metadata().file_metadata().schema_descr();
    let names: Vec<&str> = schema.columns().iter().map(|column| column.name()).collect();
    let find = |name: &str| names.iter().position(|column| column.eq_ignore_ascii_case(name));
    let missing: Vec<&str> = NEEDED.into_iter().filter(|name| find(name).is_none()).collect();
    if !missing.is_empty() {
        return Err(format!("there is no column {}, expected {}", missing.join(", "), NEEDED.join(", ")));
    }
    let places = NEEDED.map(|name| find(name).unwrap_or_default());
    let of_symbol = find("symbol");
    let date = schema.columns().get(places[0]).and_then(|column| column.logical_type_ref());
    let is_nanos = matches!(date, Some(LogicalType::Timestamp(time)) if time.unit == TimeUnit::NANOS);
    let mut bars = Vec::new();
    let rows = reader.get_row_iter(None).map_err(|error| format!("it cannot be read: {error}"))?;
    for (index, row) in rows.enumerate() {
        if index >= MOST_ROWS {
            return Err(format!("expected at most {MOST_ROWS} rows"));
        }
        let at = |what: String| format!("row {}{what}", index + 1);
        let row = row.map_err(|error| at(format!(": {error}")))?;
        let fields: Vec<&Field> = row.get_column_iter().map(|(_, field)| field).collect();
        if fields.len() != names.len() {
            return Err(at(": expected plain columns, none nested".to_owned()));
        }
        if of_symbol.is_some_and(|place| !is_text(&row, place, symbol.as_str())) {
            return Err(at(format!(
                ", column \"symbol\": another symbol, expected {symbol} as in the file's name"
            )));
        }
        let field = |column: usize| places.get(column).and_then(|place| fields.get(*place)).copied();
        let number = |column: usize| {
            let name = NEEDED.get(column).copied().unwrap_or_default();
            number(field(column))
                .ok_or_else(|| at(format!(", column \"{name}\": expected a finite number, or null")))
        };
        let date = field(0).and_then(|field| date_of(field, is_nanos)).ok_or_else(|| {
            at(", column \"date\": expected a day of the calendar, a timestamp at midnight or YYYY-MM-DD"
                .to_owned())
        })?;
        bars.push(RawBar {
            date,
            open: number(1)?.unwrap_or(f64::NAN),
            high: number(2)?.unwrap_or(f64::NAN),
            low: number(3)?.unwrap_or(f64::NAN),
            close: number(4)?.unwrap_or(f64::NAN),
            volume: number(5)?,
        });
    }
    if bars.is_empty() {
        return Err("there is no row, expected at least one row of bars".to_owned());
    }
    Ok(bars)
}

fn is_text(row: &Row, place: usize, text: &str) -> bool {
    matches!(row.get_column_iter().nth(place), Some((_, Field::Str(found))) if found == text)
}

/// Returns a finite number or that it is missing; `None` for anything else.
fn number(field: Option<&Field>) -> Option<Option<f64>> {
    let number = match field? {
        Field::Null => return Some(None),
        Field::Double(number) => *number,
        Field::Float(number) => f64::from(*number),
        Field::Int(number) => f64::from(*number),
        Field::UInt(number) => f64::from(*number),
        #[expect(clippy::cast_precision_loss, reason = "a volume beyond 2^53 shares is near enough")]
        Field::Long(number) => *number as f64,
        #[expect(clippy::cast_precision_loss, reason = "a volume beyond 2^53 shares is near enough")]
        Field::ULong(number) => *number as f64,
        _ => return None,
    };
    // Programs that know no null for floats write NaN for it.
    if number.is_nan() {
        return Some(None);
    }
    number.is_finite().then_some(Some(number))
}

fn date_of(field: &Field, is_nanos: bool) -> Option<Date> {
    let midnight = |count: i64, of_a_day: i64| {
        (count.rem_euclid(of_a_day) == 0)
            .then(|| day::date(i32::try_from(count.div_euclid(of_a_day)).ok()?))?
    };
    match field {
        Field::Date(number) => day::date(*number),
        Field::TimestampMillis(millis) => midnight(*millis, DAY_NANOS / 1_000_000),
        Field::TimestampMicros(micros) => midnight(*micros, DAY_NANOS / 1_000),
        Field::Long(nanos) if is_nanos => midnight(*nanos, DAY_NANOS),
        Field::Str(text) if text.len() == 10 => text.parse().ok(),
        _ => None,
    }
}
