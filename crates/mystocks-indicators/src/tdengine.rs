//! Ticks in TDengine, over whatever connection there is.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::{Error, ErrorKind};
use crate::symbol::Symbol;
use crate::ticks::{Side, Tick, TickRange, TickSource, Ticks, check};

/// Asks a TDengine server, as a connection of the vendor's crate does.
///
/// It stands here because that crate cannot be compiled in (docs/ticks.md says why); who has it implements this with its statements.
#[async_trait]
pub trait TdengineTable: Debug + Send + Sync + 'static {
    /// Runs `sql` with `values` bound to its question marks, in their order, and returns the rows, each with its columns.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] when the server cannot be reached or refuses.
    async fn query(&self, sql: &str, values: &[TdengineValue]) -> Result<Vec<Vec<TdengineValue>>, Error>;
}

/// A value that is bound or comes back.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TdengineValue {
    /// `NULL`.
    Null,
    /// A `TIMESTAMP`, in microseconds since the epoch whatever the precision of the database is.
    Micros(i64),
    /// A number of any kind of `FLOAT` or `DOUBLE`.
    Double(f64),
    /// A number of any kind of integer.
    Int(i64),
    /// A `BINARY` or `NCHAR`.
    Text(String),
}

/// Ticks of a super table with the columns `ts`, `price`, `volume`, `amount`, `side` and the tag `symbol`.
///
/// `side` is 1 for who bought, -1 for who sold, else 0. All that comes from outside is bound, and never part of the SQL's text. It has not been run against a server yet:
/// what is tested is what it asks, and what it makes of the answers.
#[derive(Debug, Clone)]
pub struct TdengineTicks {
    connection: Arc<dyn TdengineTable>,
    table: Arc<str>,
}

impl TdengineTicks {
    /// Reads from `table`, which may name its database (`market.ticks`), over `connection`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when `table` is no plain name.
    pub fn new(connection: impl TdengineTable, table: &str) -> Result<Self, Error> {
        let is_name = |name: &str| {
            (1..=192).contains(&name.len())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && !name.starts_with(|c: char| c.is_ascii_digit())
        };
        if table.split('.').count() > 2 || !table.split('.').all(is_name) {
            return Err(Error::new(ErrorKind::InvalidArgument, "name the table", table).with_detail(
                "expected letters, digits and underscores, or a database, a dot and such a name",
            ));
        }
        Ok(Self { connection: Arc::new(connection), table: table.into() })
    }

    async fn read(&self, rest: &str, symbol: &Symbol, values: &[TdengineValue]) -> Result<Vec<Tick>, Error> {
        let sql =
            format!("SELECT ts, price, volume, amount, side FROM {} WHERE symbol = ?{rest}", self.table);
        let mut bound = vec![TdengineValue::Text(symbol.as_str().to_owned())];
        bound.extend_from_slice(values);
        let rows = self.connection.query(&sql, &bound).await?;
        let malformed = || {
            Error::new(ErrorKind::Malformed, "read ticks", symbol.as_str())
                .with_detail("expected ts, price, volume, amount and side")
        };
        rows.iter().map(|row| tick(row).ok_or_else(malformed)).collect()
    }
}

#[async_trait]
impl TickSource for TdengineTicks {
    async fn symbols(&self) -> Result<Vec<Symbol>, Error> {
        let sql = format!("SELECT DISTINCT symbol FROM {} ORDER BY symbol", self.table);
        let rows = self.connection.query(&sql, &[]).await?;
        let mut symbols = Vec::with_capacity(rows.len());
        for row in rows {
            match row.first() {
                Some(TdengineValue::Text(text)) => symbols.push(Symbol::new(text)?),
                _ => {
                    return Err(Error::new(ErrorKind::Malformed, "read symbols", &*self.table)
                        .with_detail("expected the tag symbol as a text"));
                }
            }
        }
        symbols.sort_unstable();
        Ok(symbols)
    }

    async fn ticks(&self, symbol: &Symbol, range: TickRange, limit: usize) -> Result<Ticks, Error> {
        check(limit, symbol)?;
        // One more tells whether there is a next page. A limit is no value that can be bound.
        let rest = format!(" AND ts >= ? AND ts < ? ORDER BY ts ASC LIMIT {}", limit.saturating_add(1));
        // Of parts of a microsecond none begins before the next one.
        let edge = |at: Timestamp| TdengineValue::Micros(ceil(at));
        let ticks = self.read(&rest, symbol, &[edge(range.from), edge(range.until)]).await?;
        Ticks::page(&ticks, limit, symbol)
    }

    async fn latest(&self, symbol: &Symbol) -> Result<Option<Tick>, Error> {
        Ok(self.read(" ORDER BY ts DESC LIMIT 1", symbol, &[]).await?.first().copied())
    }
}

fn ceil(at: Timestamp) -> i64 {
    let micros = -(-at.as_nanosecond()).div_euclid(1_000);
    i64::try_from(micros).unwrap_or_else(|_| at.as_microsecond())
}

fn tick(row: &[TdengineValue]) -> Option<Tick> {
    let [TdengineValue::Micros(at), price, volume, amount, side] = row else { return None };
    let number = |value: &TdengineValue| match value {
        TdengineValue::Double(number) => Some(*number),
        #[expect(clippy::cast_precision_loss, reason = "no trade has 2^53 shares")]
        TdengineValue::Int(number) => Some(*number as f64),
        TdengineValue::Null => Some(f64::NAN),
        _ => None,
    };
    let side = match side {
        TdengineValue::Int(1) => Side::Buy,
        TdengineValue::Int(-1) => Side::Sell,
        TdengineValue::Int(_) | TdengineValue::Null => Side::Neutral,
        _ => return None,
    };
    let at = Timestamp::from_microsecond(*at).ok()?;
    Some(Tick { at, price: number(price)?, volume: number(volume)?, amount: number(amount)?, side })
}
