//! What can be asked of the demo.

use std::path::PathBuf;

use clap::Args;

/// The variable that can hold the URL of Redis: other users of the machine see a command line, but no environment.
pub(crate) const REDIS_VARIABLE: &str = "MYSTOCKS_DEMO_REDIS";

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// A folder of CSV files, one per symbol, with the columns date, open, high, low, close, volume.
    #[arg(long, value_name = "DIR")]
    pub(crate) bars: PathBuf,
    /// The Redis that is L2; without it L2 is in memory.
    #[arg(long, value_name = "URL", env = REDIS_VARIABLE, hide_env_values = true)]
    pub(crate) redis: Option<String>,
    /// Prints one JSON object instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReadBack {
    #[arg(long)]
    pub(crate) bars: PathBuf,
    #[arg(long, env = REDIS_VARIABLE, hide_env_values = true)]
    pub(crate) redis: String,
    /// Under which prefix the first process wrote.
    #[arg(long)]
    pub(crate) prefix: String,
}
