//! The stamps of many symbols, computed by the server.

use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type, accepts};

use super::stamp::Stamp;
use crate::symbol::Symbol;

/// Returns the statement that computes the stamps of the symbols in its one parameter; `writer` is what wrote a row, in SQL.
pub(super) fn statement(writer: &str) -> String {
    format!(
        "SELECT symbol::text, count(*), min(day), max(day), sum(day), count(at), max(at), \
         (sum(extract(epoch FROM at)) * 1000000)::text, sum(writer::text::int8)::int8, count(day) \
         FROM (SELECT symbol, {writer} AS writer, \
         CASE WHEN trade_date > '-infinity' AND trade_date < '10000-01-01' THEN trade_date - date '2000-01-01' END AS day, \
         CASE WHEN coalesce(updated_at, created_at) >= '0001-01-01' AND coalesce(updated_at, created_at) < '10000-01-01' \
         THEN coalesce(updated_at, created_at)::timestamp END AS at \
         FROM daily_kline WHERE symbol = ANY($1)) AS written GROUP BY symbol"
    )
}

/// A `timestamp` as it is: microseconds since 2000-01-01.
#[derive(Debug)]
struct Micros(i64);

impl<'a> FromSql<'a> for Micros {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(i64::from_be_bytes(raw.try_into()?)))
    }
    accepts!(TIMESTAMP);
}

/// From 1970-01-01, where the server counts the seconds of a sum from, to 2000-01-01.
const EPOCH_MICROS: i128 = 946_684_800_000_000;

/// Reads a row that the statement gave; without a stamp when a row has no day that can be read.
pub(super) fn read(row: &Row) -> Result<(Symbol, Option<Stamp>), Box<dyn std::error::Error + Sync + Send>> {
    let days = row.try_get::<_, Option<i32>>(2)?.zip(row.try_get::<_, Option<i32>>(3)?);
    let timed: i64 = row.try_get(5)?;
    let seconds: Option<&str> = row.try_get(7)?;
    let whole = seconds.map_or("0", |text| text.split('.').next().unwrap_or(text)).parse::<i128>()?;
    let stamp = Stamp {
        rows: row.try_get(1)?,
        days,
        days_sum: row.try_get::<_, Option<i64>>(4)?.unwrap_or_default(),
        timed,
        newest: row.try_get::<_, Option<Micros>>(6)?.map(|micros| micros.0),
        times_sum: whole - i128::from(timed) * EPOCH_MICROS,
        writers_sum: row.try_get(8)?,
    };
    let is_readable = row.try_get::<_, i64>(9)? == stamp.rows;
    Ok((Symbol::new(row.try_get(0)?)?, is_readable.then_some(stamp)))
}
