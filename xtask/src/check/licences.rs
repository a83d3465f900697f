//! The licences of what we build on, against the list that deny.toml holds too.

use anyhow::Result;
use serde_json::Value;

use super::Offence;
use super::ground::{Ground, name};
use super::spdx::allows;
use crate::workspace::{list, text};

pub(super) const ALLOWED: [&str; 10] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

pub(super) fn find(ground: &Ground) -> Result<Vec<Offence>> {
    let mut found: Vec<Offence> = list(&ground.metadata, "packages").iter().filter_map(refuse).collect();
    if listed(ground.text("deny.toml")) != ALLOWED {
        found.push(Offence::new(
            "deny.toml",
            format!("`allow` must be the list of xtask: {}", ALLOWED.join(", ")),
        ));
    }
    Ok(found)
}

fn refuse(package: &Value) -> Option<Offence> {
    let licence = text(package, "license");
    let at = format!("{} {}", name(package), text(package, "version"));
    (!allows(licence)).then(|| Offence::new(at, format!("its licence is \"{licence}\"")))
}

/// Returns the quoted words of the list `allow`.
fn listed(deny: &str) -> Vec<&str> {
    let list = deny
        .split_once("\nallow = [")
        .and_then(|(_, rest)| rest.split_once(']'))
        .map_or("", |(list, _)| list);
    list.split('"').skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_differs_is_found() {
        assert_eq!(listed("[licenses]\nallow = [\n    \"A\",\n    \"B C\",\n]\nx = [\"D\"]\n"), ["A", "B C"]);
        let ground = Ground::of(&[("deny.toml", "[licenses]\nallow = [\"MIT\"]\n")]);
        assert_eq!(find(&ground).unwrap().len(), 1);
    }

    #[test]
    fn a_package_without_an_allowed_licence_is_found() {
        let package = serde_json::json!({ "name": "a", "version": "1.0.0", "license": "GPL-3.0" });
        assert_eq!(refuse(&package), Some(Offence::new("a 1.0.0", "its licence is \"GPL-3.0\"")));
        assert!(refuse(&serde_json::json!({ "name": "a", "version": "1.0.0", "license": null })).is_some());
    }
}
