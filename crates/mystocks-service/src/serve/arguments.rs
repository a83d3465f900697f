//! What `mystocks serve` is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::Prices;

/// The HTTP interface. Redis, prefixes and times to live are read from `.env` and the environment, as everywhere.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where to listen. Another address than one of this machine takes credentials.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8020")]
    pub(super) listen: SocketAddr,
    /// The bars: a folder of CSV files, one per symbol, with the columns date, open, high, low, close, volume.
    #[arg(long, value_name = "DIR")]
    pub(super) bars: Option<PathBuf>,
    /// The bars: a PostgreSQL with the tables of the platform. A folder that is named comes first.
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub(super) database: Option<String>,
    /// Which prices of PostgreSQL are answered.
    #[arg(long, value_enum, default_value_t = Prices::None)]
    pub(super) adjustment: Prices,
    /// For how many seconds the version of a symbol's bars is trusted before it is asked for anew.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, value_parser = seconds_or_none)]
    pub(super) trust_versions: f64,
    /// A file of credentials: lines of a name, the SHA-256 of a token in hexadecimal, and rights: read, admin.
    #[arg(long, value_name = "FILE")]
    pub(super) tokens_file: Option<PathBuf>,
    /// Credentials in place of a file.
    #[arg(long = "tokens", env = "MYSTOCKS_TOKENS", hide = true, hide_env_values = true)]
    pub(super) tokens: Option<String>,
    /// How many requests a token, or an address without one, may make in a second; 0 is any number.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub(super) rate: u32,
    /// How many of them may come at once.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) burst: u32,
    /// How many requests are answered at a time; more are turned away.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) concurrency: u16,
    /// How many connections are open at a time; more wait.
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) connections: u16,
    /// The largest body of a request, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 65_536)]
    pub(super) body: usize,
    /// How long an answer may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = seconds)]
    pub(super) timeout: f64,
    /// How long a client may take for the head of a request, for its body, and before it takes more of an answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = seconds)]
    pub(super) patience: f64,
    /// How much is logged to standard error.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(super) log: tracing::level_filters::LevelFilter,
}

impl Arguments {
    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs_f64(self.timeout)
    }

    pub(super) fn patience(&self) -> Duration {
        Duration::from_secs_f64(self.patience)
    }

    pub(super) fn trust(&self) -> Duration {
        Duration::from_secs_f64(self.trust_versions)
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    if (0.001..=3_600.0).contains(&number) { Ok(number) } else { Err("expected 0.001 to 3600".to_owned()) }
}

fn seconds_or_none(text: &str) -> Result<f64, String> {
    if text.parse::<f64>().is_ok_and(|number| number == 0.0) { Ok(0.0) } else { seconds(text) }
}
