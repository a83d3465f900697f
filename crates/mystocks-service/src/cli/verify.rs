//! What can be asked of the checks.

use clap::Args;

use crate::cli::Format;

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The PostgreSQL to check as well.
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database: Option<String>,
    #[command(flatten)]
    pub(crate) format: Format,
}
