//! Is the database there, with the tables and columns that are used?

use std::collections::BTreeSet;

use mystocks_indicators::postgres::deadpool_postgres::tokio_postgres::config::Host;
use mystocks_indicators::postgres::deadpool_postgres::tokio_postgres::{Client, Config, Error, NoTls};
use mystocks_indicators::postgres::{PostgresBars, PostgresPool, PostgresSettings};
use mystocks_indicators::{BarSource, ErrorKind, Symbol};

use tokio::time::{Instant, timeout};

use super::{CHECK, Found, Outcome};

/// The tables of the platform, with the columns that bars, results and tasks are read from and written to.
const NEEDED: [(&str, &[&str]); 4] = [
    (
        "daily_kline",
        &[
            "symbol",
            "trade_date",
            "open",
            "high",
            "low",
            "close",
            "volume",
            "adj_factor",
            "created_at",
            "updated_at",
        ],
    ),
    ("symbols_info", &["symbol", "name", "industry", "area", "market", "list_date"]),
    (
        "indicator_data",
        &["timestamp", "stock_code", "indicator_code", "value", "complex_value", "created_at"],
    ),
    (
        "indicator_tasks",
        &[
            "task_id",
            "task_type",
            "status",
            "progress",
            "params",
            "result_summary",
            "error_message",
            "created_at",
            "updated_at",
            "completed_at",
        ],
    ),
];
const COLUMNS: &str = "SELECT table_name::text, column_name::text FROM information_schema.columns \
                       WHERE table_schema = ANY (current_schemas(false)) AND table_name = ANY ($1)";
const SYMBOL: &str = "SELECT symbol::text FROM daily_kline WHERE symbol IS NOT NULL LIMIT 1";

/// Connects, looks at the tables, and asks which content the bars of one symbol have.
pub(super) async fn check(url: &str) -> Outcome {
    let settings = PostgresSettings { deadline: CHECK, ..PostgresSettings::new(url) };
    let pool =
        PostgresPool::new(settings).map_err(|error| format!("DATABASE_URL cannot be used: {error}"))?;
    // It was read before, by the pool.
    let Ok(config) = url.parse::<Config>() else { return Err("DATABASE_URL cannot be read".to_owned()) };
    let place = place(&config);
    let late = || format!("{place} gave no answer within {} s: it hangs or is overloaded", CHECK.as_secs());
    let found = timeout(CHECK, look(&config, &place, &pool)).await.unwrap_or_else(|_| Err(late()));
    pool.shutdown();
    found
}

async fn look(config: &Config, place: &str, pool: &PostgresPool) -> Outcome {
    let began = Instant::now();
    let (client, connection) = config.connect(NoTls).await.map_err(|error| refused(place, config, &error))?;
    let connecting = began.elapsed();
    let looking = async {
        let began = Instant::now();
        let missing = missing(&client)
            .await
            .map_err(|error| format!("the tables of {place} cannot be looked at: {}", said(&error)))?;
        if !missing.is_empty() {
            return Err(format!(
                "{place} lacks {}: create the platform's tables, grant this user rights on them, or \
                 name their schema in DATABASE_URL (?options=-c%20search_path%3DSCHEMA)",
                missing.join(", ")
            ));
        }
        let row = client
            .query_opt(SYMBOL, &[])
            .await
            .map_err(|error| format!("the bars of {place} cannot be read: {}", said(&error)))?;
        Ok((began.elapsed(), row.and_then(|row| row.get::<_, Option<String>>(0))))
    };
    let looked = tokio::select! {
        looked = looking => looked,
        ended = connection => {
            let reason = ended.err().map_or_else(|| "without a reason".to_owned(), |error| said(&error));
            Err(format!("{place} ended the connection: {reason}"))
        }
    };
    let (tables, symbol) = looked?;
    drop(client);

    let began = Instant::now();
    let detail = match symbol {
        Some(symbol) => {
            let known = Symbol::new(&symbol).map_err(|error| error.to_string())?;
            let version = PostgresBars::new(pool).version(&known).await;
            let version =
                version.map_err(|error| format!("the version of {symbol} cannot be asked for: {error}"))?;
            format!("{place} has the tables and columns; {symbol} has the version {version}")
        }
        None => {
            let nobody = Symbol::new("VERIFY").map_err(|error| error.to_string())?;
            match PostgresBars::new(pool).version(&nobody).await {
                Err(error) if error.kind() == ErrorKind::UnknownSymbol => {}
                Err(error) => return Err(format!("versions of bars cannot be asked for: {error}")),
                Ok(_) => return Err("daily_kline has no symbol, and yet the bars of one".to_owned()),
            }
            format!("{place} has the tables and columns; daily_kline is empty")
        }
    };
    Ok(Found {
        detail,
        latencies: vec![("connect", connecting), ("tables", tables), ("version", began.elapsed())],
    })
}

/// Returns the tables that are not there, and the columns that others lack.
async fn missing(client: &Client) -> Result<Vec<String>, Error> {
    let names: Vec<&str> = NEEDED.iter().map(|(table, _)| *table).collect();
    let rows = client.query(COLUMNS, &[&names]).await?;
    let there: BTreeSet<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let mut missing = Vec::new();
    for (table, columns) in NEEDED {
        if !there.iter().any(|(name, _)| name == table) {
            missing.push(format!("the table {table}"));
            continue;
        }
        let lacks = |column: &&&str| !there.contains(&(table.to_owned(), (**column).to_owned()));
        missing.extend(columns.iter().filter(lacks).map(|column| format!("the column {table}.{column}")));
    }
    Ok(missing)
}

fn refused(place: &str, config: &Config, error: &Error) -> String {
    let code = error.code().map(|code| code.code().to_owned()).unwrap_or_default();
    match code.as_str() {
        "28P01" | "28000" => format!(
            "{place} refuses the login of {}: put the right user and password into DATABASE_URL",
            config.get_user().unwrap_or("the default user")
        ),
        "3D000" => format!(
            "{place} has no database {}: put the right name into DATABASE_URL",
            config.get_dbname().unwrap_or_default()
        ),
        "" => format!(
            "nothing answers at {place} ({}): start PostgreSQL there, or put its address into DATABASE_URL",
            said(error)
        ),
        _ => format!("{place} refuses the connection: {}", said(error)),
    }
}

/// Returns what went wrong with every cause, on one line.
fn said(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// Returns where the database is, without user and password.
fn place(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.display().to_string(),
        None => config.get_hostaddrs().first().map(ToString::to_string).unwrap_or_default(),
    };
    format!("PostgreSQL at {host}:{}", config.get_ports().first().unwrap_or(&5432))
}
