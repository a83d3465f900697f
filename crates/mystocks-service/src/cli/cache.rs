//! What can be asked of the cache.

use clap::{Args, Subcommand};

use crate::cli::{BarsFrom, Format};

#[derive(Debug, Subcommand)]
pub(crate) enum Cache {
    /// Prints how many keys the cache has, and how often services found what they looked for.
    Stats(Format),
    /// Prints the entry of a key, with or without the prefix of the cache.
    Get {
        /// Such as quote:600519; an entry of this project's own by its whole name.
        key: String,
        #[command(flatten)]
        format: Format,
    },
    /// Removes the entry of a key, or all whose keys match a pattern.
    Invalidate {
        /// A key, or a pattern in the syntax of Redis (quote:*), behind the prefix of the cache.
        #[arg(value_name = "KEY|PATTERN")]
        what: String,
        #[command(flatten)]
        format: Format,
    },
    /// Computes what is not in the cache yet, so that services find it there.
    Warm(Warm),
}

#[derive(Debug, Args)]
pub(crate) struct Warm {
    /// Only these symbols, with commas between them. Default: all that have bars.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) symbols: Option<Vec<String>>,
    /// Only these indicators, with their default parameters and commas between them. Default: the nine of the platform.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) indicators: Option<Vec<String>>,
    #[command(flatten)]
    pub(crate) source: BarsFrom,
    #[command(flatten)]
    pub(crate) format: Format,
}
