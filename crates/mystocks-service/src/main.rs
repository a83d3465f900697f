//! The binary `mystocks`: wires the crates of the workspace together.

mod bus;
mod cache;
mod calc;
mod cli;
mod config;
mod daily;
mod demo;
mod lock;
mod metric;
mod platform;
mod say;
mod serve;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::cli::{Cli, Command};

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Verify(arguments) => verify::run(&arguments).await,
        Command::Calc(arguments) => calc::run(&arguments).await,
        Command::Cache(arguments) => cache::run(&arguments).await,
        Command::Lock(arguments) => lock::run(&arguments).await,
        Command::Bus(arguments) => bus::run(&arguments).await,
        Command::Config(cli::Config::Show(format)) => config::show(format),
        Command::Demo(arguments) => demo::run(&arguments).await,
        Command::Daily(arguments) => daily::run(&arguments).await,
        Command::Completions { shell } => completions(shell),
        Command::Serve(arguments) => serve::run(&arguments).await,
        Command::ReadBack(arguments) => demo::read_back(&arguments).await,
    };
    ended.unwrap_or_else(|error| {
        if error.is::<say::NobodyReads>() {
            return ExitCode::SUCCESS;
        }
        say::note(format_args!("failed to {}", one_line(&error)));
        ExitCode::FAILURE
    })
}

fn completions(shell: clap_complete::Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mystocks", &mut script);
    say::line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(ExitCode::SUCCESS)
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
