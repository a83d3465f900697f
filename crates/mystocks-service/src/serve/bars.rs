//! Where the bars come from, and what is kept of them for answers.

use std::borrow::Cow;
use std::convert::Infallible;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::civil::Date;
use mystocks_cache::{Cache, CacheKey, Keyspace, Policy, packed};
use mystocks_indicators::postgres::{PostgresBars, PostgresPool, PostgresSettings};
use mystocks_indicators::{BarSource, CsvBars, Error, ErrorKind, SeriesVersion, Symbol};
use mystocks_ta::Bars;
use serde::{Deserialize, Serialize};

use super::arguments::Arguments;

/// Of the bars themselves so much is kept in this process, in bytes.
const KEPT: u64 = 64 << 20;
/// How long a name is taken for the present one.
const NAME: Duration = Duration::from_secs(3_600);

/// A source of bars, and what is kept of it.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) bars: Arc<dyn BarSource>,
    postgres: Option<(PostgresBars, PostgresPool)>,
    columns: Cache<ColumnsKey, Columns>,
    names: Cache<Arc<str>, String>,
    /// A symbol that there was, to ask for.
    known: Arc<OnceLock<Symbol>>,
}

impl Source {
    pub(super) fn open(arguments: &Arguments, keyspace: &Keyspace) -> Result<Self> {
        let (bars, postgres): (Arc<dyn BarSource>, _) = match (&arguments.bars, &arguments.database) {
            (Some(folder), _) => (Arc::new(CsvBars::open(folder)?), None),
            (None, Some(url)) => {
                let pool = PostgresPool::new(PostgresSettings {
                    deadline: arguments.timeout(),
                    ..PostgresSettings::new(url)
                })?;
                let bars = PostgresBars::new(&pool).with_adjustment(arguments.adjustment.into());
                (Arc::new(bars.clone()), Some((bars, pool)))
            }
            (None, None) => {
                bail!("find the bars: name a folder with --bars, or a database with DATABASE_URL")
            }
        };
        let policy = Policy { l1_capacity: KEPT, max_entry: 16 << 20, ..Policy::default() };
        // In this process only: in the store stand bars already, those of the service of indicators.
        let columns = Cache::builder("columns", keyspace).policy(policy).build().context("keep bars")?;
        let policy = Policy { ttl: NAME, l1_ttl: NAME, l1_capacity: 1 << 20, ..Policy::default() };
        let names = Cache::builder("names", keyspace).policy(policy).build().context("keep names")?;
        Ok(Self { bars, postgres, columns, names, known: Arc::default() })
    }

    /// Returns the bars of `symbol` of that version; `None` when the source has another one by now.
    pub(super) async fn columns(
        &self,
        symbol: &Symbol,
        version: &SeriesVersion,
    ) -> Result<Option<Arc<Columns>>, Error> {
        let key = ColumnsKey { symbol: symbol.clone(), version: version.clone() };
        if let Some(columns) = self.columns.peek(&key) {
            return Ok(Some(columns));
        }
        let loaded = self.bars.load(symbol).await?;
        if loaded.version != *version {
            return Ok(None);
        }
        let columns = Columns::of(&loaded.bars);
        let kept = self.columns.get_or_compute(&key, |_| async move { Ok::<_, Infallible>(columns) }).await;
        kept.map(Some)
            .map_err(|error| Error::new(ErrorKind::Cache, "keep bars", symbol.as_str()).with_source(error))
    }

    /// Returns what the platform calls `symbol`; the symbol itself where nobody knows more.
    pub(super) async fn name(&self, symbol: &Symbol) -> Arc<String> {
        let Some((bars, _)) = &self.postgres else { return Arc::new(symbol.to_string()) };
        let key: Arc<str> = symbol.as_str().into();
        let (bars, asked) = (bars.clone(), symbol.clone());
        let load = move |_| async move {
            let info = bars.info(&asked).await?;
            Ok::<_, Error>(info.and_then(|info| info.name).unwrap_or_else(|| asked.to_string()))
        };
        match self.names.get_or_compute(&key, load).await {
            Ok(name) => name,
            Err(error) => {
                tracing::debug!(%error, "a name could not be read");
                Arc::new(symbol.to_string())
            }
        }
    }

    /// Asks whether the source answers at all.
    pub(super) async fn probe(&self) -> Result<(), Error> {
        // A folder is listed: a symbol in it would only be missing if the folder were.
        let known = if self.postgres.is_some() { self.known.get() } else { None };
        let Some(symbol) = known else {
            if let Some(first) = self.bars.symbols().await?.into_iter().next() {
                self.known.get_or_init(|| first);
            }
            return Ok(());
        };
        match self.bars.version(symbol).await {
            Err(error) if error.kind() == ErrorKind::Source => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) async fn shutdown(&self) {
        self.columns.shutdown().await;
        self.names.shutdown().await;
        if let Some((_, pool)) = &self.postgres {
            pool.shutdown();
        }
    }
}

/// The bars of one symbol, ready to be written out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Columns {
    dates: Vec<String>,
    #[serde(with = "packed::float64")]
    open: Vec<f64>,
    #[serde(with = "packed::float64")]
    high: Vec<f64>,
    #[serde(with = "packed::float64")]
    low: Vec<f64>,
    #[serde(with = "packed::float64")]
    close: Vec<f64>,
    #[serde(with = "packed::float64")]
    volume: Vec<f64>,
}

impl Columns {
    pub(super) fn of(bars: &Bars) -> Self {
        Self {
            dates: bars.dates().iter().map(Date::to_string).collect(),
            open: bars.open().to_vec(),
            high: bars.high().to_vec(),
            low: bars.low().to_vec(),
            close: bars.close().to_vec(),
            volume: bars.volume().to_vec(),
        }
    }

    /// Returns where the days from `start` to `end` are.
    pub(super) fn within(&self, start: Date, end: Date) -> Range<usize> {
        let (start, end) = (start.to_string(), end.to_string());
        let from = self.dates.partition_point(|day| *day < start);
        let to = self.dates.partition_point(|day| *day <= end);
        from..to.max(from)
    }

    pub(super) fn slice(&self, range: &Range<usize>) -> Ohlcv<'_> {
        Ohlcv {
            dates: self.dates.get(range.clone()).unwrap_or_default(),
            open: self.open.get(range.clone()).unwrap_or_default(),
            high: self.high.get(range.clone()).unwrap_or_default(),
            low: self.low.get(range.clone()).unwrap_or_default(),
            close: self.close.get(range.clone()).unwrap_or_default(),
            volume: self.volume.get(range.clone()).unwrap_or_default(),
            turnover: [],
        }
    }
}

/// Bars as the platform writes them.
#[derive(Debug, Serialize)]
pub(super) struct Ohlcv<'a> {
    dates: &'a [String],
    open: &'a [f64],
    high: &'a [f64],
    low: &'a [f64],
    close: &'a [f64],
    volume: &'a [f64],
    /// The bars have none.
    turnover: [f64; 0],
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ColumnsKey {
    symbol: Symbol,
    version: SeriesVersion,
}

impl CacheKey for ColumnsKey {
    fn segments(&self) -> Vec<Cow<'_, str>> {
        vec![
            Cow::Borrowed(self.symbol.as_str()),
            Cow::Borrowed(self.version.as_str()),
            Cow::Borrowed("columns"),
        ]
    }
}
