//! Which files of a folder are those of symbols.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

use crate::symbol::Symbol;

/// What has the ending of a format in a folder, in any case; both sorted.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) symbols: Vec<Symbol>,
    /// Names of files, each with why it is no symbol's.
    pub(super) skipped: Vec<(String, String)>,
}

impl Listing {
    pub(super) fn of(folder: &Path, ending: &str) -> io::Result<Self> {
        let mut listing = Self::default();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let Some(name) = path.file_name() else { continue };
            let shown = name.to_string_lossy();
            if !shown.to_ascii_lowercase().ends_with(ending) {
                continue;
            }
            // The name first: a wrong one is to be put right whatever the file is.
            match symbol(name, ending) {
                Ok(symbol) if path.is_file() => listing.symbols.push(symbol),
                Ok(_) => listing.skipped.push((shown.into_owned(), "expected a regular file".to_owned())),
                Err(reason) => listing.skipped.push((shown.into_owned(), reason)),
            }
        }
        listing.symbols.sort_unstable();
        listing.skipped.sort_unstable();
        Ok(listing)
    }
}

fn symbol(name: &OsStr, ending: &str) -> Result<Symbol, String> {
    let name = name.to_str().ok_or("expected a name in UTF-8")?;
    let text =
        name.strip_suffix(ending).ok_or_else(|| format!("expected the ending {ending} in lower case"))?;
    Symbol::new(text).map_err(|error| error.detail().unwrap_or_default().to_owned())
}
