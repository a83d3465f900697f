//! A private PostgreSQL with the platform's tables, and a raw client of it.

use anyhow::{Context, Result};
use mystocks_testkit::{PLATFORM_TABLES, PostgresServer};
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

/// A raw client; its connection ends with it.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) client: Client,
    _connection: JoinSet<()>,
}

/// Starts one that holds a market in memory and does nothing by itself while something is measured.
pub(crate) async fn server() -> PostgresServer {
    let builder = PostgresServer::builder().sql(PLATFORM_TABLES);
    let lines = ["shared_buffers = '512MB'", "autovacuum = off", "max_wal_size = '4GB'"];
    lines.into_iter().fold(builder, mystocks_testkit::PostgresServerBuilder::config_line).start().await
}

pub(crate) async fn connect(url: &str) -> Result<Raw> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.context("connect to PostgreSQL")?;
    let mut running = JoinSet::new();
    running.spawn(async move {
        // Whoever asks next is told.
        let _ = connection.await;
    });
    Ok(Raw { client, _connection: running })
}
