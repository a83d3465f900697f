//! What a command says, on its standard output; a reader that is gone ends it quietly.

use std::fmt::{self, Display};
use std::io::{self, Write};

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::signal;

/// Nobody reads what is printed any more, as when the output goes through `head`.
#[derive(Debug)]
pub(crate) struct NobodyReads;

impl Display for NobodyReads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("print: nobody reads it any more")
    }
}

impl std::error::Error for NobodyReads {}

/// Prints one line, or several.
pub(crate) fn line(text: impl Display) -> Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(NobodyReads.into()),
        written => written.context("print"),
    }
}

/// Prints an answer as one JSON document or as text.
pub(crate) fn answer(json: bool, machine: &Value, human: impl FnOnce() -> String) -> Result<()> {
    if json { line(machine) } else { line(human()) }
}

/// Tells the person at the terminal something that is no part of the answer.
pub(crate) fn note(text: impl Display) {
    // Who has closed it does not want to hear it.
    let _ = writeln!(io::stderr().lock(), "mystocks: {text}");
}

/// Lays rows out in columns.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns `count` of what is called `one` and `many`: `1 key`, `3 keys`.
pub(crate) fn count(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Waits until somebody wants the program to end.
pub(crate) async fn interrupted() {
    let terminated = async {
        match signal::unix::signal(signal::unix::SignalKind::terminate()) {
            Ok(mut stream) => {
                stream.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = signal::ctrl_c() => {}
        () = terminated => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_stands_in_them() {
        let rows =
            [vec!["a".to_owned(), "é".to_owned(), "x".to_owned()], vec!["bcd".to_owned(), "fg".to_owned()]];
        assert_eq!(table(&rows), "a    é   x\nbcd  fg");
        assert_eq!(table(&[]), "");
    }
}
