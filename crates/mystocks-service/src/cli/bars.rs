//! Which bars, and what of them: what several commands ask alike.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use mystocks_indicators::Symbol;
use mystocks_ta::{Indicator, Params, daily_defaults, registry};

use crate::cli::Prices;

/// Where the bars are. A folder that is named wins over a database.
#[derive(Debug, Args)]
pub(crate) struct BarsFrom {
    /// A folder of CSV files, one per symbol, with the columns date, open, high, low, close, volume.
    #[arg(long, value_name = "DIR")]
    pub(crate) bars: Option<PathBuf>,
    /// The PostgreSQL with the bars, used when no folder is named.
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database: Option<String>,
    /// Which prices of the database are computed with.
    #[arg(long, value_enum, default_value_t = Prices::None)]
    pub(crate) adjustment: Prices,
}

/// Reads the symbols of an option; `None` without it.
pub(crate) fn symbols(names: Option<&[String]>) -> Result<Option<Vec<Symbol>>> {
    let read = |names: &[String]| names.iter().map(|name| Symbol::new(name.trim())).collect();
    names.map(read).transpose().context("use --symbols")
}

/// Reads the indicators of an option, each with its default parameters; without it those of the platform.
pub(crate) fn plan(names: Option<&[String]>) -> Result<Vec<(&'static Indicator, Params)>> {
    let Some(names) = names else { return Ok(daily_defaults()) };
    let find = |name: &String| registry().get(name.trim()).map(|found| (found, found.defaults()));
    names.iter().map(find).collect::<Result<_, _>>().context("use --indicators")
}
