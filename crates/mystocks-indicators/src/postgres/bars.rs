//! Daily bars in the platform's table `daily_kline`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::pin::pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{TryFutureExt, TryStreamExt};
use mystocks_ta::CleaningPolicy;

use super::adjustment::Adjustment;
use super::failure::{self, Task, chain};
use super::known::Known;
use super::pool::PostgresPool;
use super::sheet::{COLUMNS, Sheet};
use super::stamp::Stamp;
use super::stamp_query;
use super::tuple::Fields;
use crate::error::{Error, ErrorKind};
use crate::source::{BarSource, LoadedBars};
use crate::symbol::Symbol;
use crate::version::{SeriesVersion, policy_words};

/// Daily bars in the platform's table `daily_kline`, as they are or adjusted by `adj_factor`.
///
/// A missing price, volume or date is handled as in every source: by the cleaning, but for a row without a date, which is
/// [`ErrorKind::Malformed`], as is one with a day that is infinite or beyond the year 9999: of its symbol, and of no other. A batch of any number of symbols is one statement. Names in the table that are no [`Symbol`] are
/// not seen.
///
/// # Versions
/// The version is a digest of the number of rows, the first, the last and the sum of their days, the newest and the sum of
/// `updated_at` (`created_at` where it is missing), and the sum of the ids of the transactions that wrote them (`xmin`), besides
/// the symbol, the adjustment and the cleaning policy. The server computes it from the rows of the symbol without sending one. A load
/// computes it from the very rows it has read, in one statement, which sees one state. It shows every committed change of
/// a row, also one that leaves `updated_at` as it was or is committed late, and deletions. Rows that are rewritten unchanged
/// give another version, as does a restored dump. Two things it relies on: that the table is one that has `xmin`
/// ([`of_view`](Self::of_view) does without), and that of two changes not one undoes in all of these figures what the other did.
///
/// # Errors
/// What the server or the way to it cannot do now is [`ErrorKind::Source`], and a later call finds its own connection. A missing
/// table, column or permission is [`ErrorKind::Malformed`]. Nothing waits longer than the deadline of the pool.
///
/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct PostgresBars {
    pool: PostgresPool,
    policy: CleaningPolicy,
    adjustment: Adjustment,
    versions: Versions,
    known: Known,
}

/// What versions are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Versions {
    TimesAndWriters,
    Times,
    Content,
}

const VOLUME: &str = "volume::int8";
/// The same for a column of another type, which may hold what is no whole number of 64 bits: it is missing then. Of whole ones it would cost a
/// comparison of decimals for each row.
const ANY_VOLUME: &str =
    "CASE WHEN volume::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 THEN volume::int8 END";
/// Each symbol costs one probe of the index, not one look at each of its rows.
const SYMBOLS: &str = "WITH RECURSIVE found AS (\
     (SELECT symbol FROM daily_kline WHERE symbol IS NOT NULL ORDER BY symbol LIMIT 1) \
     UNION ALL \
     SELECT (SELECT symbol FROM daily_kline WHERE symbol > found.symbol ORDER BY symbol LIMIT 1) \
     FROM found WHERE found.symbol IS NOT NULL) \
     SELECT symbol::text FROM found WHERE symbol IS NOT NULL";

impl PostgresBars {
    /// Reads through the connections of `pool`, prices as they were traded, cleaned by the default policy.
    pub fn new(pool: &PostgresPool) -> Self {
        Self {
            pool: pool.clone(),
            policy: CleaningPolicy::default(),
            adjustment: Adjustment::None,
            versions: Versions::TimesAndWriters,
            known: Known::default(),
        }
    }

    /// Reads through the connections of `pool`, all else as before.
    #[must_use]
    pub fn with_pool(self, pool: &PostgresPool) -> Self {
        Self { pool: pool.clone(), known: Known::default(), ..self }
    }

    /// Adjusts prices by `adjustment`.
    #[must_use]
    pub fn with_adjustment(self, adjustment: Adjustment) -> Self {
        Self { adjustment, ..self }
    }

    /// Cleans by `policy` instead of the default one.
    #[must_use]
    pub fn with_policy(self, policy: CleaningPolicy) -> Self {
        Self { policy, ..self }
    }

    /// Makes versions without `xmin`, for a `daily_kline` that is a view: then a change that leaves `updated_at`, the days and
    /// the number of rows as they were is not seen.
    #[must_use]
    pub fn of_view(self) -> Self {
        Self { versions: Versions::Times, ..self }
    }

    /// Makes versions that are digests of the bars: they are the same again after a change is undone and after a restored
    /// dump, but asking for one reads the bars.
    #[must_use]
    pub fn with_content_versions(self) -> Self {
        Self { versions: Versions::Content, ..self }
    }

    pub(super) fn pool(&self) -> &PostgresPool {
        &self.pool
    }

    /// Returns the id of the transaction that wrote a row, in SQL.
    fn writer(&self) -> &'static str {
        if self.versions == Versions::TimesAndWriters { "xmin" } else { "'0'::xid" }
    }

    async fn listed(&self) -> Result<Vec<Symbol>, Error> {
        let session = self.pool.session(Task { operation: "list symbols", subject: "daily_kline" }).await?;
        let rows = session
            .run(async |client| client.query(&client.prepare_cached(SYMBOLS).await?, &[]).await)
            .await?;
        let names =
            rows.iter().map(|row| row.try_get::<_, &str>(0).ok().and_then(|name| Symbol::new(name).ok()));
        let mut symbols: Vec<Symbol> = names.flatten().collect();
        symbols.sort_unstable();
        session.release();
        Ok(symbols)
    }

    /// Answers for each of `symbols` with what was found of it, or with the error that it is unknown.
    async fn answers<T: Clone>(
        &self,
        symbols: &[Symbol],
        mut found: HashMap<Symbol, Result<T, Error>>,
    ) -> Vec<Result<T, Error>> {
        let known = if symbols.iter().any(|symbol| !found.contains_key(symbol)) {
            self.known.symbols(self.listed()).await
        } else {
            Ok(Arc::from([]))
        };
        let mut left: HashMap<&Symbol, usize> = HashMap::new();
        symbols.iter().for_each(|symbol| *left.entry(symbol).or_default() += 1);
        let mut answer = |symbol: &Symbol| {
            let left = left.get_mut(symbol)?;
            *left -= 1;
            if *left == 0 { found.remove(symbol) } else { found.get(symbol).cloned() }
        };
        symbols
            .iter()
            .map(|symbol| {
                answer(symbol).unwrap_or_else(|| match &known {
                    Ok(known) => Err(Error::unknown_symbol(symbol, known.iter())),
                    Err(error) => Err(error.clone()),
                })
            })
            .collect()
    }

    async fn stamps(&self, symbols: &[Symbol]) -> Result<HashMap<Symbol, Result<Stamp, Error>>, Error> {
        let task = Task { operation: "read the version of bars", subject: subject(symbols) };
        let session = self.pool.session(task).await?;
        let statement = stamp_query::statement(self.writer());
        let names: Vec<&str> = symbols.iter().map(Symbol::as_str).collect();
        let rows = session
            .run(async |client| client.query(&client.prepare_cached(&statement).await?, &[&names]).await)
            .await?;
        let stamps = rows.iter().map(stamp_query::read).collect::<Result<Vec<_>, _>>();
        let stamps = stamps.map_err(|error| session.task.error(ErrorKind::Malformed, chain(&*error)))?;
        let unreadable = |symbol: &Symbol| unreadable(session.task.operation, symbol, "trade_date");
        let stamps = stamps.into_iter().map(|(symbol, stamp)| {
            let stamp = stamp.ok_or_else(|| unreadable(&symbol));
            (symbol, stamp)
        });
        let stamps = stamps.collect();
        session.release();
        Ok(stamps)
    }

    async fn read(&self, symbols: &[Symbol]) -> Result<HashMap<Symbol, Result<LoadedBars, Error>>, Error> {
        let mut is_of_values = false;
        match self.read_by(symbols, VOLUME, &mut is_of_values).await {
            // Of all values only a volume can be one that the server cannot hand over.
            Err(_) if is_of_values => self.read_by(symbols, ANY_VOLUME, &mut is_of_values).await,
            read => read,
        }
    }

    /// Reads volumes as `volume` says; `is_of_values` becomes whether it failed by the values of some row.
    async fn read_by(
        &self,
        symbols: &[Symbol],
        volume: &str,
        is_of_values: &mut bool,
    ) -> Result<HashMap<Symbol, Result<LoadedBars, Error>>, Error> {
        let session = self.pool.session(Task { operation: "read bars", subject: subject(symbols) }).await?;
        let mut sheets: HashMap<&str, (&Symbol, Sheet)> =
            symbols.iter().map(|symbol| (symbol.as_str(), (symbol, Sheet::default()))).collect();
        let statement = self.copy(volume, sheets.keys().copied());
        let stream = session.run(async |client| client.copy_out(&statement).await).await?;
        let mut stream = pin!(stream);
        loop {
            let next = stream.try_next().inspect_err(|error| *is_of_values = failure::is_of_values(error));
            let Some(message) = session.wait(next).await? else { break };
            let mut fields = Fields::of(&message);
            let malformed = |column: &str| {
                session
                    .task
                    .error(ErrorKind::Malformed, format!("the column {column} of daily_kline cannot be read"))
            };
            while fields.tuple(COLUMNS).map_err(|()| malformed("symbol"))?.is_some() {
                let name = fields.raw().flatten().and_then(|name| std::str::from_utf8(name).ok());
                let (_, sheet) =
                    name.and_then(|name| sheets.get_mut(name)).ok_or_else(|| malformed("symbol"))?;
                sheet.add(&mut fields).ok_or_else(|| malformed("xmin"))?;
            }
        }
        let operation = session.task.operation;
        session.release();
        let read = sheets.into_values().filter(|(_, sheet)| sheet.stamp.rows > 0 || sheet.fault.is_some());
        let read = read.map(|(symbol, sheet)| match sheet.fault {
            Some(column) => (symbol.clone(), Err(unreadable(operation, symbol, column))),
            None => (symbol.clone(), Ok(self.load_sheet(symbol, sheet))),
        });
        Ok(read.collect())
    }

    fn load_sheet(&self, symbol: &Symbol, sheet: Sheet) -> LoadedBars {
        sheet.load(self.adjustment, &self.policy, |stamp, bars| match self.versions {
            Versions::Content => SeriesVersion::of(bars, &self.policy),
            _ => stamp.version(symbol, self.adjustment, &self.policy),
        })
    }

    /// Returns the statement that reads the rows of `names`, whose characters need no escape; COPY takes no parameters.
    fn copy<'a>(&self, volume: &str, names: impl Iterator<Item = &'a str>) -> String {
        let mut statement = format!(
            "COPY (SELECT symbol::text, trade_date, open::numeric, high::numeric, low::numeric, close::numeric, \
             {volume}, adj_factor::numeric, coalesce(updated_at, created_at)::timestamp, {} \
             FROM daily_kline WHERE symbol IN (",
            self.writer()
        );
        for (place, name) in names.enumerate() {
            let _ = write!(statement, "{}'{name}'", if place == 0 { "" } else { "," });
        }
        statement + ")) TO STDOUT (FORMAT binary)"
    }

    async fn loaded(&self, symbols: &[Symbol]) -> Vec<Result<LoadedBars, Error>> {
        match self.read(symbols).await {
            Ok(found) => self.answers(symbols, found).await,
            Err(error) => symbols.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    async fn seen(&self, symbols: &[Symbol]) -> Vec<Result<SeriesVersion, Error>> {
        if self.versions == Versions::Content {
            return self.loaded(symbols).await.into_iter().map(|loaded| Ok(loaded?.version)).collect();
        }
        match self.stamps(symbols).await {
            Ok(stamps) => {
                let version = |(symbol, stamp): (Symbol, Result<Stamp, Error>)| {
                    let version = stamp.map(|stamp| stamp.version(&symbol, self.adjustment, &self.policy));
                    (symbol, version)
                };
                self.answers(symbols, stamps.into_iter().map(version).collect()).await
            }
            Err(error) => symbols.iter().map(|_| Err(error.clone())).collect(),
        }
    }
}

#[async_trait]
impl BarSource for PostgresBars {
    async fn symbols(&self) -> Result<Vec<Symbol>, Error> {
        self.listed().await
    }

    async fn version(&self, symbol: &Symbol) -> Result<SeriesVersion, Error> {
        only(self.seen(std::slice::from_ref(symbol)).await)
    }

    async fn load(&self, symbol: &Symbol) -> Result<LoadedBars, Error> {
        only(self.loaded(std::slice::from_ref(symbol)).await)
    }

    async fn versions(&self, symbols: &[Symbol]) -> Vec<Result<SeriesVersion, Error>> {
        if symbols.is_empty() { Vec::new() } else { self.seen(symbols).await }
    }

    async fn load_many(&self, symbols: &[Symbol]) -> Vec<Result<LoadedBars, Error>> {
        if symbols.is_empty() { Vec::new() } else { self.loaded(symbols).await }
    }

    fn fingerprint(&self) -> String {
        let versions = match self.versions {
            Versions::TimesAndWriters => "times and writers",
            Versions::Times => "times",
            Versions::Content => "content",
        };
        let (adjustment, policy) = (self.adjustment.name(), policy_words(&self.policy));
        format!("daily_kline; adjustment={adjustment}; {policy}; versions={versions}")
    }
}

fn only<T>(mut answers: Vec<Result<T, Error>>) -> Result<T, Error> {
    answers.pop().unwrap_or_else(|| Err(Error::new(ErrorKind::Source, "read bars", "daily_kline")))
}

fn unreadable(operation: &'static str, symbol: &Symbol, column: &str) -> Error {
    Error::new(ErrorKind::Malformed, operation, symbol.as_str())
        .with_detail(format!("a row of daily_kline has a {column} that cannot be read"))
}

/// Returns what a statement over `symbols` is about.
fn subject(symbols: &[Symbol]) -> &str {
    match symbols {
        [symbol] => symbol.as_str(),
        _ => "daily_kline",
    }
}

#[cfg(test)]
mod tests {
    use mystocks_ta::SuspendedDays;

    use super::*;
    use crate::postgres::PostgresSettings;

    #[tokio::test]
    async fn whatever_makes_other_bars_of_the_same_rows_gives_another_fingerprint() {
        let pool = PostgresPool::new(PostgresSettings::new("postgresql://user:secret@host/market")).unwrap();
        let bars = PostgresBars::new(&pool);
        let expected = "daily_kline; adjustment=none; suspended_days=keep; versions=times and writers";
        assert_eq!(bars.fingerprint(), expected);
        let drop = CleaningPolicy { suspended: SuspendedDays::Drop };
        let others = [
            bars.clone().with_adjustment(Adjustment::Forward),
            bars.clone().with_adjustment(Adjustment::Backward),
            bars.clone().with_policy(drop),
            bars.clone().of_view(),
            bars.clone().with_content_versions(),
        ];
        let seen: std::collections::BTreeSet<String> =
            others.iter().chain([&bars]).map(BarSource::fingerprint).collect();
        assert_eq!(seen.len(), 6, "{seen:?}");
    }
}
