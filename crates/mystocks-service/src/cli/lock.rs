//! What can be asked of the locks.

use clap::{Args, Subcommand};

use crate::cli::Format;

#[derive(Debug, Subcommand)]
pub(crate) enum Lock {
    /// Prints the locks that are held, of any process and language.
    List {
        /// Only those whose names begin so.
        #[arg(default_value = "")]
        beginning: String,
        #[command(flatten)]
        format: Format,
    },
    /// Prints who holds a lock; ends with 1 when nobody does.
    Info {
        /// The name of what is locked, without the prefix.
        name: String,
        #[command(flatten)]
        format: Format,
    },
    /// Takes a lock from whoever holds it.
    Release(Release),
}

#[derive(Debug, Args)]
pub(crate) struct Release {
    /// The name of what is locked, without the prefix.
    pub(crate) name: String,
    /// Takes it away. Without this it is only said who holds it: a lock is given back by its holder.
    #[arg(long)]
    pub(crate) force: bool,
    /// Does not ask.
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) format: Format,
}
