//! Folders of bars, made up but never twice the same.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

/// How many days a series has: more than any daily indicator needs.
pub(crate) const DAYS: usize = 150;

/// Makes a folder with one series per symbol.
pub(crate) fn folder(symbols: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (seed, symbol) in (1..).zip(symbols) {
        write(folder.path(), symbol, &csv(seed, None));
    }
    folder
}

/// Puts a finished file in the place of whatever `symbol` had.
pub(crate) fn write(folder: &Path, symbol: &str, text: &str) {
    let unfinished = folder.join(format!("{symbol}.unfinished"));
    fs::write(&unfinished, text).unwrap();
    fs::rename(unfinished, folder.join(format!("{symbol}.csv"))).unwrap();
}

/// Returns the text of the series of `seed`, with the close of one `revised` day a little other.
pub(crate) fn csv(seed: u32, revised: Option<usize>) -> String {
    let mut text = String::from("date,open,high,low,close,volume\n");
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut close = 20.0 + f64::from(seed);
    for day in 0..DAYS {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let open = close;
        close = (open + f64::from(state >> 16) / 32_768.0 - 1.0).max(5.0);
        let shown = if revised == Some(day) { close + 0.125 } else { close };
        let (high, low) = (open.max(shown) + 0.5, open.min(shown) - 0.5);
        let (month, date) = (1 + day / 28, 1 + day % 28);
        let volume = 1_000 + state % 9_000;
        writeln!(text, "2024-{month:02}-{date:02},{open:.4},{high:.4},{low:.4},{shown:.4},{volume}").unwrap();
    }
    text
}
