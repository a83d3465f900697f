//! What can be asked of the binary.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// The variable that can hold the URL of Redis: other users of the machine see a command line, but no environment.
pub(crate) const REDIS_VARIABLE: &str = "MYSTOCKS_DEMO_REDIS";

/// Services of the market-data platform.
#[derive(Debug, Parser)]
#[command(name = "mystocks", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Computes the daily indicators of every series of a folder, reads them back from each tier and measures it.
    Demo(Demo),
    /// Reads what a demo stored, as the second process of it.
    #[command(hide = true)]
    ReadBack(ReadBack),
}

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
