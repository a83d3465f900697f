//! A market in PostgreSQL.

use std::time::Duration;

use mystocks_testkit::{PLATFORM_TABLES, PostgresServer, RedisServer};
use mystocks_tests::spawn;
use tokio::process::{Child, Command};
use tokio_postgres::{Client, NoTls};

pub(crate) struct Market {
    pub(crate) postgres: PostgresServer,
    pub(crate) redis: RedisServer,
    pub(crate) client: Client,
    _connection: tokio_util::task::AbortOnDropHandle<()>,
}

impl Market {
    /// `symbols` symbols of `days` bars each.
    pub(crate) async fn new(symbols: u32, days: u32) -> Self {
        let postgres = PostgresServer::builder().sql(PLATFORM_TABLES).start().await;
        let (client, connection) = tokio_postgres::connect(&postgres.url(), NoTls).await.unwrap();
        let connection = spawn(async move { drop(connection.await) });
        let fill = format!(
            "INSERT INTO daily_kline (symbol, trade_date, open, high, low, close, volume, adj_factor, created_at, updated_at)
             SELECT 'sh.' || to_char(600000 + s, 'FM000000'), date '2024-01-01' + d,
                    p, p + 0.5, p - 0.5, p + 0.1, 1000 + s + d, 1, now(), now()
             FROM generate_series(0, {symbols} - 1) s, generate_series(0, {days} - 1) d,
                  LATERAL (SELECT (20 + (s % 50) + ((d * (s % 7 + 3)) % 97) * 0.05)::numeric(10, 4)) AS price(p)"
        );
        client.batch_execute(&fill).await.unwrap();
        client.batch_execute("ANALYZE daily_kline").await.unwrap();
        Self { postgres, redis: RedisServer::start().await, client, _connection: connection }
    }

    /// Starts `mystocks daily ARGUMENTS…` on it.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(mystocks_tests::program::mystocks());
        command.arg("daily").args(arguments).env("DATABASE_URL", self.postgres.url());
        command.env("REDIS_URL", self.redis.url()).current_dir(std::env::temp_dir());
        command.stdout(std::process::Stdio::piped()).kill_on_drop(true);
        command.spawn().unwrap()
    }

    /// Returns the one number that `sql` selects.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.client.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Waits until so many rows of results are recorded.
    pub(crate) async fn recorded(&self, rows: i64) {
        while self.number("SELECT count(*) FROM indicator_data").await < rows {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
