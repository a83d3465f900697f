//! What can be asked of the daily job.

use anyhow::Result;
use clap::{Args, ValueEnum};
use jiff::civil::Date;
use mystocks_indicators::Symbol;
use mystocks_indicators::postgres::Adjustment;
use mystocks_ta::{Indicator, Params};

use crate::cli::bars;

/// The daily job. Redis, prefixes and times to live are read from `.env` and the environment, as everywhere.
#[derive(Debug, Args)]
pub(crate) struct Daily {
    /// The PostgreSQL with the bars, in which results and the task are recorded.
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database: String,
    /// The name of the task: the same name goes on with a run that was broken off, and does nothing when the same was done before with success, of the same bars. Default:
    /// daily- and the last day.
    #[arg(long, value_name = "ID")]
    task: Option<String>,
    /// The last day that counts. Default: all bars there are.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) up_to: Option<Date>,
    /// Only these symbols, with commas between them.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    symbols: Option<Vec<String>>,
    /// Only these indicators, with their default parameters and commas between them. Default: the nine of the platform.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    indicators: Option<Vec<String>>,
    /// Records all days, not only those that came after what is recorded.
    #[arg(long)]
    pub(crate) full: bool,
    /// Does a task again that was done before with success, though its bars are the same.
    #[arg(long)]
    pub(crate) again: bool,
    /// Which prices are computed with.
    #[arg(long, value_enum, default_value_t = Prices::None)]
    pub(crate) adjustment: Prices,
    /// How many symbols a worker takes at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    chunk: u16,
    /// Runs no task: works for those that other processes run, until it is interrupted.
    #[arg(long, conflicts_with_all = ["task", "up_to", "symbols", "indicators", "full", "again", "no_worker", "json"])]
    pub(crate) worker: bool,
    /// Runs the task and leaves the work to others.
    #[arg(long)]
    pub(crate) no_worker: bool,
    /// Prints one JSON object instead of a sentence.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Prices {
    /// As they were traded.
    None,
    /// The last day's as it was, earlier ones by the factors since.
    Forward,
    /// The first day's as it was, later ones by the factors since.
    Backward,
}

impl From<Prices> for Adjustment {
    fn from(prices: Prices) -> Self {
        match prices {
            Prices::None => Self::None,
            Prices::Forward => Self::Forward,
            Prices::Backward => Self::Backward,
        }
    }
}

impl Daily {
    pub(crate) fn task_id(&self) -> String {
        let day =
            || self.up_to.unwrap_or_else(|| jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date());
        self.task.clone().unwrap_or_else(|| format!("daily-{}", day()))
    }

    pub(crate) fn chunk(&self) -> usize {
        self.chunk.into()
    }

    pub(crate) fn symbols(&self) -> Result<Option<Vec<Symbol>>> {
        bars::symbols(self.symbols.as_deref())
    }

    pub(crate) fn plan(&self) -> Result<Vec<(&'static Indicator, Params)>> {
        bars::plan(self.indicators.as_deref())
    }
}
