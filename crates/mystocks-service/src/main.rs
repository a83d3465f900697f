//! The binary `mystocks`: wires the crates of the workspace together.

mod cli;
mod demo;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::cli::{Cli, Command};

#[tokio::main]
async fn main() -> Result<ExitCode> {
    match Cli::parse().command {
        Command::Demo(arguments) => demo::run(&arguments).await,
        Command::ReadBack(arguments) => demo::read_back(&arguments).await,
    }
}
