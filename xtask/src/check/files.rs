//! Rules about files: their size, first line and name, and what must not stand in them.

use anyhow::Result;

use super::Offence;
use super::ground::Ground;

const MOST_LINES: usize = 400;
/// xtask must not become a second product.
const MOST_LINES_OF_XTASK: usize = 150;
const BANNED: [&str; 6] = ["util", "utils", "helper", "helpers", "common", "misc"];

pub(super) fn sizes(ground: &Ground) -> Result<Vec<Offence>> {
    let most = |path: &str| {
        if path.starts_with("xtask/") { MOST_LINES_OF_XTASK } else { MOST_LINES }
    };
    let too_long = ground
        .rust()
        .map(|file| (file, file.text.lines().count()))
        .filter(|(file, lines)| *lines > most(&file.path));
    Ok(too_long
        .map(|(file, lines)| Offence::new(&file.path, format!("{lines} lines, at most {}", most(&file.path))))
        .collect())
}

pub(super) fn heads(ground: &Ground) -> Result<Vec<Offence>> {
    let headless = ground
        .rust()
        .filter(|file| !file.text.starts_with("//! ") && !file.text.starts_with("#![doc = include_str!"));
    Ok(headless.map(|file| Offence::new(file.line(1), "does not start with `//!`")).collect())
}

pub(super) fn names(ground: &Ground) -> Result<Vec<Offence>> {
    let is_banned =
        |path: &str| path.split('/').any(|part| BANNED.contains(&part.split('.').next().unwrap_or(part)));
    let banned = ground.files.iter().filter(|file| is_banned(&file.path));
    Ok(banned.map(|file| Offence::new(&file.path, "is named for what it is not")).collect())
}

pub(super) fn lints(ground: &Ground) -> Result<Vec<Offence>> {
    let manifests = ground.files.iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    let loose = manifests.filter(|file| !file.text.contains("[lints]\nworkspace = true"));
    Ok(loose.map(|file| Offence::new(&file.path, "does not take the lints of the workspace")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rule: fn(&Ground) -> Result<Vec<Offence>>, path: &str, text: &str) -> Vec<String> {
        rule(&Ground::of(&[(path, text)])).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_past_its_limit_is_found() {
        let lines = |n: usize| "//! x\n".repeat(n);
        assert!(found(sizes, "crates/a/src/b.rs", &lines(400)).is_empty());
        assert_eq!(
            found(sizes, "crates/a/src/b.rs", &lines(401)),
            ["crates/a/src/b.rs: 401 lines, at most 400"]
        );
        assert_eq!(found(sizes, "xtask/src/b.rs", &lines(151)).len(), 1);
    }

    #[test]
    fn a_head_a_name_and_the_lints_are_asked_for() {
        assert_eq!(found(heads, "a.rs", "use b;\n"), ["a.rs:1: does not start with `//!`"]);
        assert!(found(heads, "a.rs", "//! Says what.\n").is_empty());
        for path in ["crates/a/src/utils.rs", "crates/common/src/lib.rs", "tests/helpers/mod.rs"] {
            assert_eq!(found(names, path, "").len(), 1, "{path}");
        }
        assert!(found(names, "crates/a/src/commonly.rs", "").is_empty());
        assert_eq!(found(lints, "crates/a/Cargo.toml", "[package]\n").len(), 1);
        assert!(found(lints, "crates/a/Cargo.toml", "[lints]\nworkspace = true\n").is_empty());
    }
}
