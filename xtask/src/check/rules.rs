//! The table of the rules.

use anyhow::Result;

use super::ground::Ground;
use super::{
    Offence, absences, arrows, conformance, documents, duplicates, files, keys, leftovers, licences, metrics,
    seams, tools,
};

pub(super) struct Rule {
    pub(super) name: &'static str,
    /// What to do about an offence.
    pub(super) fix: &'static str,
    pub(super) find: Find,
}

type Find = fn(&Ground) -> Result<Vec<Offence>>;

/// Quick ones first: who broke an arrow need not wait for clippy.
pub(super) const RULES: [Rule; 21] = [
    rule(
        "arrows",
        "depend along the arrows of ARCHITECTURE.md, or give the port to the crate that calls it",
        arrows::find,
    ),
    rule("lints", "say `[lints] workspace = true` in the manifest", files::lints),
    rule("sizes", "give the part that wants its own room a file of its own", files::sizes),
    rule("heads", "start the file with a `//!` line that says what it holds", files::heads),
    rule("names", "name the file for the one noun it holds", files::names),
    rule("unfinished", "finish it, or take it out", leftovers::unfinished),
    rule("unsafe", "use a safe interface; the workspace forbids `unsafe`", leftovers::no_unsafe),
    rule("keys", "let mystocks-keys build the key or channel", keys::find),
    rule("absences", "take it as an argument, or leave it to the service", absences::find),
    rule("seams", "at most six methods, no type parameters", seams::shape),
    rule("conformance", "add a line for the type to the crate's tests/conformance.rs", conformance::find),
    rule("error kinds", "fold kinds that callers handle alike: at most eight", seams::error_kinds),
    rule(
        "crates in the docs",
        "say in README.md and ARCHITECTURE.md what the crate is for",
        documents::crates,
    ),
    rule("links", "link every page of docs/ from README.md, and only to what is there", documents::links),
    rule("metrics", "explain it in docs/observability.md, or take it out of there", metrics::find),
    rule(
        "licences",
        "drop the dependency, or allow its licence in deny.toml and xtask alike",
        licences::find,
    ),
    rule("duplicates", "bring the dependency to one version, or excuse it with a reason", duplicates::find),
    rule("fmt", "run `cargo fmt`", tools::fmt),
    rule("clippy", "see above", tools::clippy),
    rule("rustdoc", "see above", tools::rustdoc),
    rule("features", "see above: each feature compiles alone, and so does none", tools::features),
];

const fn rule(name: &'static str, fix: &'static str, find: Find) -> Rule {
    Rule { name, fix, find }
}
