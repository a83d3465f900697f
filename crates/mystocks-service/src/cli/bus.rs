//! What can be asked of the bus.

use clap::{Args, Subcommand};

use crate::cli::Format;

#[derive(Debug, Subcommand)]
pub(crate) enum Bus {
    /// Prints events as they come, a line each, until it is interrupted.
    Tail(Tail),
    /// Publishes an event as it is, and says how many listened.
    Publish(Publish),
    /// Looks after the dead letters of a durable topic.
    #[command(subcommand)]
    Dlq(DeadLetters),
}

#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// Topics without the prefix, or one pattern in the syntax of Redis (events:*). Default: all.
    #[arg(value_name = "TOPIC")]
    pub(crate) topics: Vec<String>,
    /// Ends after so many events.
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// Prints a JSON document a line instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// The topic, without the prefix.
    pub(crate) topic: String,
    /// The event, one JSON object.
    #[arg(value_name = "JSON")]
    pub(crate) event: String,
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// Prints the dead letters of a group, oldest first.
    List {
        /// The durable topic.
        topic: String,
        /// The group that gave them up.
        group: String,
        /// At most so many.
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
        #[command(flatten)]
        format: Format,
    },
    /// Has the dead letters of a group handled again.
    Replay(Replay),
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The durable topic.
    pub(crate) topic: String,
    /// The group that gave them up.
    pub(crate) group: String,
    /// At most so many in a second.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,
    #[command(flatten)]
    pub(crate) format: Format,
}
