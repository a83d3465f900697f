//! Reading a configuration file as text, within bounds.

use std::io::{ErrorKind as IoErrorKind, Read};
use std::path::PathBuf;

use crate::ErrorKind;
use crate::error::Problem;

const MAX_FILE: u64 = 16 << 20;
/// The longest line of a file and the longest value, in bytes.
pub(crate) const MAX_LINE: usize = 64 << 10;

/// A configuration file that may be read.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) may_be_missing: bool,
}

impl File {
    /// Returns the text without a byte-order mark; `None` when the file may be missing and is.
    pub(crate) fn read(&self) -> Result<Option<String>, Problem> {
        let mut bytes = Vec::new();
        let read =
            std::fs::File::open(&self.path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
        match read {
            Ok(length) if length as u64 > MAX_FILE => {
                return Err(self.unreadable("a file of at most 16 MiB"));
            }
            Ok(_) => {}
            Err(error) if self.may_be_missing && error.kind() == IoErrorKind::NotFound => {
                return Ok(None);
            }
            Err(error) => return Err(self.unreadable("a readable file").with_source(error)),
        }
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let expected = if line.len() > MAX_LINE {
                "a line of at most 65536 bytes"
            } else if line.contains(&0) {
                "no NUL byte"
            } else if std::str::from_utf8(line).is_err() {
                "UTF-8 text"
            } else {
                continue;
            };
            let place = self.line(index + 1);
            return Err(Problem::new(ErrorKind::Malformed, None, place, expected));
        }
        let text = String::from_utf8(bytes)
            .map_err(|error| self.unreadable("UTF-8 text").with_source(error.utf8_error()))?;
        Ok(Some(text.trim_start_matches('\u{feff}').to_string()))
    }

    /// Returns how errors call a line of this file.
    pub(crate) fn line(&self, number: usize) -> String {
        format!("line {number} of {}", self.path.display())
    }

    fn unreadable(&self, expected: &str) -> Problem {
        let place = self.path.display().to_string();
        Problem::new(ErrorKind::Unreadable, None, place, expected)
    }
}
