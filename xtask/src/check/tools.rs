//! The rules that cargo's own tools hold.

use anyhow::Result;

use super::Offence;
use super::ground::{Ground, name};
use crate::process::run;
use crate::workspace::cargo;

pub(super) fn fmt(_: &Ground) -> Result<Vec<Offence>> {
    Ok(tool(&["fmt", "--all", "--", "--check"], "").into_iter().collect())
}

pub(super) fn clippy(_: &Ground) -> Result<Vec<Offence>> {
    Ok(tool(
        &[
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--features",
            "mystocks-tests/integration,mystocks-indicators/integration",
            "--",
            "-D",
            "warnings",
        ],
        "",
    )
    .into_iter()
    .collect())
}

pub(super) fn rustdoc(_: &Ground) -> Result<Vec<Offence>> {
    let features = ["--features", "mystocks-indicators/integration"];
    let words = [&["doc", "--quiet", "--workspace", "--no-deps"], &features[..]].concat();
    Ok(tool(&words, "-D warnings").into_iter().collect())
}

/// Compiles every crate that has features with none of them, and with each of them alone.
pub(super) fn features(ground: &Ground) -> Result<Vec<Offence>> {
    let mut found = Vec::new();
    for package in ground.members() {
        let features = package.get("features").and_then(|features| features.as_object());
        let Some(features) = features.filter(|features| !features.is_empty()) else {
            continue;
        };
        let alone = features.keys().filter(|feature| *feature != "default").map(|feature| feature.as_str());
        for feature in std::iter::once("").chain(alone) {
            let package = name(package);
            found.extend(tool(
                &["check", "--quiet", "--package", package, "--no-default-features", "--features", feature],
                "",
            ));
        }
    }
    Ok(found)
}

fn tool(words: &[&str], rustdoc_flags: &str) -> Option<Offence> {
    let mut command = cargo();
    if !rustdoc_flags.is_empty() {
        command.env("RUSTDOCFLAGS", rustdoc_flags);
    }
    run(command.args(words)).err().map(|error| Offence::new("cargo", error.to_string()))
}
