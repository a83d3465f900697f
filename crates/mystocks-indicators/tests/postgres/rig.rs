//! A private PostgreSQL with the platform's tables.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::civil::{Date, date};
use mystocks_indicators::conformance::Rig;
use mystocks_indicators::conformance::results::ResultsRig;
use mystocks_indicators::postgres::{PostgresBars, PostgresPool, PostgresResults, PostgresSettings};
use mystocks_indicators::{BarSource, Results, StoredResult, Symbol};
use mystocks_ta::RawBar;
use mystocks_testkit::{PLATFORM_TABLES, PostgresServer, PostgresServerBuilder};
use tokio_postgres::{Client, NoTls};
use tokio_util::task::TaskTracker;

pub(crate) fn symbol(text: &str) -> Symbol {
    Symbol::new(text).unwrap()
}

pub(crate) fn day(day: i8) -> Date {
    date(2024, 1, day)
}

pub(crate) fn platform() -> PostgresServerBuilder {
    PostgresServer::builder().sql(PLATFORM_TABLES)
}

pub(crate) fn pool(url: &str) -> PostgresPool {
    PostgresPool::new(PostgresSettings::new(url)).unwrap()
}

/// A pool whose calls end soon.
pub(crate) fn hasty(url: &str, max_connections: usize) -> PostgresPool {
    let deadline = Duration::from_millis(500);
    PostgresPool::new(PostgresSettings { deadline, max_connections, ..PostgresSettings::new(url) }).unwrap()
}

/// A client of its own, as the platform has one, until it is dropped.
pub(crate) async fn client(server: &PostgresServer) -> Client {
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await.unwrap();
    // It ends with the client.
    TaskTracker::new().spawn(connection);
    client
}

pub(crate) struct Platform {
    pub(crate) server: PostgresServer,
    pub(crate) client: Client,
    pub(crate) bars: PostgresBars,
}

impl Platform {
    pub(crate) async fn start() -> Self {
        Self::of(platform().start().await).await
    }

    pub(crate) async fn of(server: PostgresServer) -> Self {
        let client = client(&server).await;
        let bars = PostgresBars::new(&pool(&server.url()));
        Self { server, client, bars }
    }

    pub(crate) fn read_by(self, bars: impl FnOnce(PostgresBars) -> PostgresBars) -> Self {
        Self { bars: bars(self.bars), ..self }
    }

    /// Runs `sql`, which may be several statements.
    pub(crate) async fn run(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap();
    }

    /// Inserts rows of `(day of January 2024, close, adj_factor)`, each with one price and a volume of 100.
    pub(crate) async fn insert(&self, symbol: &str, rows: &[(i8, f64, Option<f64>)]) {
        for (of, close, factor) in rows {
            let factor = factor.map_or("NULL".to_owned(), |factor| factor.to_string());
            self.run(&format!(
                "INSERT INTO daily_kline (symbol, trade_date, open, high, low, close, volume, adj_factor, updated_at) \
                 VALUES ('{symbol}', '{}', {close}, {close}, {close}, {close}, 100, {factor}, now())",
                day(*of)
            ))
            .await;
        }
    }
}

#[async_trait]
impl Rig for Platform {
    fn source(&self) -> Arc<dyn BarSource> {
        Arc::new(self.bars.clone())
    }

    async fn another(&self, _: &Symbol) -> Arc<dyn BarSource> {
        let bars = self.bars.clone();
        // Same settings, connections of its own.
        Arc::new(bars.with_pool(&pool(&self.server.url())))
    }

    async fn put(&self, symbol: &Symbol, bars: &[RawBar]) {
        let mut sql = format!("BEGIN; DELETE FROM daily_kline WHERE symbol = '{symbol}';");
        for bar in bars {
            sql += &format!(
                "INSERT INTO daily_kline (symbol, trade_date, open, high, low, close, volume, created_at, updated_at) \
                 VALUES ('{symbol}', '{}', {}, {}, {}, {}, {}, now(), clock_timestamp());",
                bar.date,
                bar.open,
                bar.high,
                bar.low,
                bar.close,
                bar.volume.unwrap()
            );
        }
        self.run(&format!("{sql} COMMIT")).await;
    }

    async fn remove(&self, symbol: &Symbol) {
        self.run(&format!("DELETE FROM daily_kline WHERE symbol = '{symbol}'")).await;
    }
}

#[async_trait]
impl ResultsRig for Platform {
    fn results(&self) -> Arc<dyn Results> {
        Arc::new(PostgresResults::new(&pool(&self.server.url())))
    }

    async fn stored(&self, symbol: &Symbol, code: &str) -> Vec<(Date, StoredResult)> {
        let rows = self
            .client
            .query(
                "SELECT timestamp::date, value, complex_value::text FROM indicator_data \
                 WHERE stock_code = $1 AND indicator_code = $2 ORDER BY timestamp",
                &[&symbol.as_str(), &code],
            )
            .await
            .unwrap();
        let stored = rows
            .iter()
            .map(|row| (row.get(0), StoredResult { value: row.get(1), complex_value: row.get(2) }));
        stored.collect()
    }
}

pub(crate) async fn soon(what: &str, check: impl AsyncFnMut() -> bool) {
    mystocks_testkit::eventually(what, Duration::from_secs(20), check).await;
}
