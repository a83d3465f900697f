//! The binary `mystocks`: wires the crates of the workspace together.

mod cli;
mod daily;
mod demo;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

#[tokio::main]
#[expect(clippy::print_stderr, reason = "that is where a program says why it failed")]
async fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Demo(arguments) => demo::run(&arguments).await,
        Command::Daily(arguments) => daily::run(&arguments).await,
        Command::ReadBack(arguments) => demo::read_back(&arguments).await,
    };
    ended.unwrap_or_else(|error| {
        eprintln!("mystocks: failed to {}", one_line(&error));
        ExitCode::FAILURE
    })
}

/// Says `error` and its causes, each once: the errors of the crates repeat their cause in their own message.
fn one_line(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if said.is_empty() {
            said = cause;
        } else if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    // A cause of somebody else's making may have several lines.
    said.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn an_error_is_one_line_and_repeats_nothing() {
        let error = anyhow!("no such file").context("open \"x\": no such file").context("read\n  the bars");
        assert_eq!(one_line(&error), "read the bars: open \"x\": no such file");
    }
}
