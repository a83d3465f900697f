//! What the rules look at: the files of the repository and what cargo says of its packages.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::rust::Rust;
use crate::process::read;
use crate::workspace::{self, list, text};

/// The crates that services import. The others are programs, tests and tools.
const LIBRARIES: [&str; 9] =
    ["config", "keys", "ta", "redis-core", "cache", "bus", "lock", "session", "indicators"];

#[derive(Debug)]
pub(super) struct Ground {
    pub(super) files: Vec<File>,
    /// `cargo metadata` with the resolved graph for this host.
    pub(super) metadata: Value,
}

#[derive(Debug)]
pub(super) struct File {
    /// From the root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

impl Ground {
    pub(super) fn read() -> Result<Self> {
        let version = read(Command::new("rustc").arg("-vV"))?;
        let host = version
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .context("rustc does not say its host")?;
        let mut files = Vec::new();
        walk(&workspace::root(), "", &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files, metadata: workspace::metadata(Some(host))? })
    }

    pub(super) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    /// Returns the text of the file at `path`, empty when there is none.
    pub(super) fn text(&self, path: &str) -> &str {
        self.files.iter().find(|file| file.path == path).map_or("", |file| &file.text)
    }

    /// Returns the packages of this workspace.
    pub(super) fn members(&self) -> impl Iterator<Item = &Value> {
        list(&self.metadata, "packages")
            .iter()
            .filter(|package| package.get("source").is_some_and(Value::is_null))
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File { path: (*path).to_owned(), text: (*text).to_owned() };
        Self { files: files.iter().map(file).collect(), metadata: Value::Null }
    }
}

impl File {
    /// Returns the crate under crates/ that the file belongs to.
    pub(super) fn package(&self) -> &str {
        self.path.strip_prefix("crates/").and_then(|rest| rest.split('/').next()).unwrap_or_default()
    }

    /// Returns whether the file is what services of the platform compile in.
    pub(super) fn is_library(&self) -> bool {
        is_library(self.package()) && !self.is_test()
    }

    /// Returns whether the file runs in tests, benchmarks and examples only.
    pub(super) fn is_test(&self) -> bool {
        let is_test = |part: &str| matches!(part, "tests" | "benches" | "examples" | "tests.rs");
        self.path.split('/').any(is_test)
    }

    pub(super) fn parse(&self) -> Rust {
        Rust::parse(&self.text)
    }

    pub(super) fn line(&self, number: usize) -> String {
        format!("{}:{number}", self.path)
    }
}

/// Returns whether `package` is one that services import.
pub(super) fn is_library(package: &str) -> bool {
    package.strip_prefix("mystocks-").is_some_and(|name| LIBRARIES.contains(&name))
}

/// Returns the name of `package`.
pub(super) fn name(package: &Value) -> &str {
    text(package, "name")
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<File>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("failed to list {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            if !matches!(name.as_str(), "target" | ".git" | "__pycache__") {
                walk(&entry.path(), &format!("{path}/"), files)?;
            }
        } else if name.ends_with(".rs") || name.ends_with(".md") || name.ends_with(".toml") {
            let text = fs::read_to_string(entry.path()).with_context(|| format!("failed to read {path}"))?;
            files.push(File { path, text });
        }
    }
    Ok(())
}
