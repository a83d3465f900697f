//! Where the workspace is and what `cargo metadata` says of it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Returns the folder of the root manifest.
pub(crate) fn root() -> PathBuf {
    // The built path is the fallback for a binary that is run without cargo.
    let manifest = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().map_or_else(|| manifest.clone(), Path::to_path_buf)
}

/// Returns a `cargo` that runs at the root, the same one that runs xtask.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// Returns `cargo metadata`, with the dependency graph when `graph` names a platform.
pub(crate) fn metadata(graph: Option<&str>) -> Result<Value> {
    let mut command = cargo();
    command.args(["metadata", "--format-version", "1", "--quiet"]);
    match graph {
        Some(platform) => command.args(["--filter-platform", platform]),
        None => command.arg("--no-deps"),
    };
    let output = command.output().context("cargo metadata did not start")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim());
    serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")
}

/// Returns the folder that cargo builds into.
pub(crate) fn target_directory(metadata: &Value) -> PathBuf {
    text(metadata, "target_directory").into()
}

/// Returns the packages of the workspace that have a library.
pub(crate) fn with_library(metadata: &Value) -> Vec<&str> {
    list(metadata, "packages")
        .iter()
        .filter(|package| {
            list(package, "targets")
                .iter()
                .any(|target| list(target, "kind").iter().any(|kind| kind == "lib"))
        })
        .map(|package| text(package, "name"))
        .collect()
}

/// Returns the text under `key`, empty when there is none.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Returns the list under `key`, empty when there is none.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
