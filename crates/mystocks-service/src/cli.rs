//! What can be asked of the binary, a file for each command.

pub(crate) mod bars;
mod bus;
mod cache;
mod calc;
mod daily;
mod demo;
mod lock;
mod verify;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use bars::BarsFrom;
pub(crate) use bus::{Bus, DeadLetters, Publish, Replay, Tail};
pub(crate) use cache::{Cache, Warm};
pub(crate) use calc::Calc;
pub(crate) use daily::{Daily, Prices};
pub(crate) use demo::{Demo, REDIS_VARIABLE, ReadBack};
pub(crate) use lock::{Lock, Release};
pub(crate) use verify::Verify;

/// Services of the market-data platform.
///
/// Redis, prefixes and times to live come from mystocks.toml, .env and the environment; `mystocks config show` says what is in force.
#[derive(Debug, Parser)]
#[command(name = "mystocks", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Checks connection, clock, cache, bus, lock and database end to end, and measures them.
    Verify(Verify),
    /// Computes an indicator of a symbol and prints it.
    Calc(Calc),
    /// Looks at the shared cache and changes it.
    #[command(subcommand)]
    Cache(Cache),
    /// Shows who holds which locks, and takes them away.
    #[command(subcommand)]
    Lock(Lock),
    /// Listens to the bus, publishes on it, and looks after dead letters.
    #[command(subcommand)]
    Bus(Bus),
    /// Shows the settings.
    #[command(subcommand)]
    Config(Config),
    /// Computes the daily indicators of every series of a folder, reads them back from each tier and measures it.
    Demo(Demo),
    /// Computes the daily indicators of every symbol in PostgreSQL, once, with as many processes as work for it.
    Daily(Daily),
    /// Prints the completions for a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Answers the HTTP interface of the platform: indicators, the registry, figures of the cache, health and metrics.
    Serve(crate::serve::Arguments),
    /// Reads what a demo stored, as the second process of it.
    #[command(hide = true)]
    ReadBack(ReadBack),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Prints every setting, its value, and where it stands; passwords as ***.
    Show(Format),
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Format {
    /// Prints one JSON document instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_agree_with_each_other() {
        Cli::command().debug_assert();
    }
}
