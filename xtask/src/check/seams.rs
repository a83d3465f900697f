//! The shape of the seams and of the errors.

use anyhow::Result;

use super::Offence;
use super::ground::{File, Ground};
use super::items::items;

const SEAMS: [&str; 9] = [
    "Store",
    "Leases",
    "Backplane",
    "Transport",
    "Log",
    "LockBackend",
    "SessionStore",
    "BarSource",
    "Results",
];
const MOST_METHODS: usize = 6;
const MOST_KINDS: usize = 8;

pub(super) fn shape(ground: &Ground) -> Result<Vec<Offence>> {
    let mut found = Vec::new();
    for (file, seam) in pairs(ground) {
        for (line, head, body) in items(file, &format!("pub trait {seam}")) {
            let methods = body.split_whitespace().filter(|word| *word == "fn").count();
            if head.starts_with('<') {
                found.push(Offence::new(file.line(line), format!("the seam {seam} has type parameters")));
            } else if methods > MOST_METHODS && !head.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
                found.push(Offence::new(file.line(line), format!("the seam {seam} has {methods} methods")));
            }
        }
    }
    Ok(found)
}

pub(super) fn error_kinds(ground: &Ground) -> Result<Vec<Offence>> {
    let mut found = Vec::new();
    for file in ground.rust().filter(|file| file.is_library()) {
        for (line, _, body) in items(file, "pub enum ErrorKind") {
            let kinds = body.split(',').filter(|kind| kind.contains(char::is_alphanumeric)).count();
            if kinds > MOST_KINDS {
                found.push(Offence::new(file.line(line), format!("{kinds} kinds of error")));
            }
        }
    }
    Ok(found)
}

pub(super) fn pairs(ground: &Ground) -> impl Iterator<Item = (&File, &'static str)> {
    let sources = ground.rust().filter(|file| file.path.starts_with("crates/") && !file.is_test());
    sources.flat_map(|file| SEAMS.map(|seam| (file, seam)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(rule: fn(&Ground) -> Result<Vec<Offence>>, files: &[(&str, &str)]) -> usize {
        rule(&Ground::of(files)).unwrap().len()
    }

    #[test]
    fn a_wide_or_generic_seam_is_found() {
        let seam =
            |head: &str, n: usize| format!("pub trait Store{head} {{ {} }}", "fn a(&self) { {} } ".repeat(n));
        let found = |text: &str| count(shape, &[("crates/mystocks-cache/src/store.rs", text)]);
        assert_eq!(found(&seam(": Send", 6)), 0);
        assert_eq!(found(&seam("", 7)), 1);
        assert_eq!(found(&seam("<T>", 1)), 1);
    }

    #[test]
    fn a_ninth_kind_of_error_is_found() {
        let kinds =
            |n: usize| format!("pub enum ErrorKind {{\n{}}}", "  /// Says, what.\n  Kind,\n".repeat(n));
        assert_eq!(count(error_kinds, &[("crates/mystocks-cache/src/error.rs", &kinds(8))]), 0);
        assert_eq!(count(error_kinds, &[("crates/mystocks-cache/src/error.rs", &kinds(9))]), 1);
    }
}
