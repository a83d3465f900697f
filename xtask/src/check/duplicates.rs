//! One version of each dependency in what services compile in.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde_json::Value;

use super::Offence;
use super::ground::{Ground, is_library, name};
use crate::workspace::{list, text};

/// What may be there twice, and why.
const EXCUSED: [(&str, &str); 3] = [
    (
        "getrandom",
        "ring, the cryptography of rustls, still asks for 0.2 and ahash, of parquet, for 0.3; all others take 0.4",
    ),
    ("rand", "tower-sessions-core, a feature of mystocks-session, asks for 0.9; tokio-postgres takes 0.10"),
    ("rand_core", "as rand"),
];

pub(super) fn find(ground: &Ground) -> Result<Vec<Offence>> {
    Ok(judge(&versions(&ground.metadata), &EXCUSED))
}

fn judge(versions: &BTreeMap<&str, BTreeSet<&str>>, excused: &[(&str, &str)]) -> Vec<Offence> {
    let twice: Vec<_> = versions.iter().filter(|(_, versions)| versions.len() > 1).collect();
    let is_excused = |name: &str| excused.iter().any(|(excused, _)| *excused == name);
    let unexcused = twice.iter().filter(|(name, _)| !is_excused(name));
    let unexcused = unexcused.map(|(name, versions)| {
        Offence::new(
            **name,
            format!("in versions {}", versions.iter().copied().collect::<Vec<_>>().join(" and ")),
        )
    });
    let stale = excused.iter().filter(|(name, _)| !twice.iter().any(|(twice, _)| *twice == name));
    unexcused.chain(stale.map(|(name, _)| Offence::new(*name, "is there once and needs no excuse"))).collect()
}

/// Returns the versions of everything that the library crates compile in.
fn versions(metadata: &Value) -> BTreeMap<&str, BTreeSet<&str>> {
    let packages: BTreeMap<&str, &Value> =
        list(metadata, "packages").iter().map(|package| (text(package, "id"), package)).collect();
    let nodes = metadata.get("resolve").map_or(&[][..], |resolve| list(resolve, "nodes"));
    let edges: BTreeMap<&str, &[Value]> =
        nodes.iter().map(|node| (text(node, "id"), list(node, "deps"))).collect();
    let mut wanted: Vec<&str> =
        packages.iter().filter(|(_, package)| is_library(name(package))).map(|(id, _)| *id).collect();
    let mut seen = BTreeSet::new();
    let mut versions = BTreeMap::<_, BTreeSet<_>>::new();
    while let Some(id) = wanted.pop() {
        // A macro runs in the compiler, and so does what it depends on.
        if !seen.insert(id) || packages.get(id).is_some_and(|package| is_macro(package)) {
            continue;
        }
        if let Some(package) = packages.get(id) {
            versions.entry(name(package)).or_default().insert(text(package, "version"));
        }
        let normal = edges.get(id).into_iter().flat_map(|deps| deps.iter()).filter(|dep| {
            list(dep, "dep_kinds").iter().any(|kind| kind.get("kind").is_some_and(Value::is_null))
        });
        wanted.extend(normal.map(|dep| text(dep, "pkg")));
    }
    versions
}

fn is_macro(package: &Value) -> bool {
    let targets = list(package, "targets").iter();
    targets.flat_map(|target| list(target, "kind")).any(|kind| kind == "proc-macro")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn two_versions_in_a_library_are_found_and_those_of_tests_are_not() {
        let package =
            |id: &str, name: &str, version: &str| json!({ "id": id, "name": name, "version": version });
        let edge = |to: &str, kind: Value| json!({ "pkg": to, "dep_kinds": [{ "kind": kind }] });
        let metadata = json!({
            "packages": [package("k", "mystocks-keys", "0"), package("a", "a", "0"), package("b1", "b", "1"), package("b2", "b", "2"), package("b3", "b", "3")],
            "resolve": { "nodes": [
                { "id": "k", "deps": [edge("a", Value::Null), edge("b1", Value::Null), edge("b3", json!("dev"))] },
                { "id": "a", "deps": [edge("b2", Value::Null)] },
            ] },
        });
        let versions = versions(&metadata);
        assert_eq!(judge(&versions, &[]), [Offence::new("b", "in versions 1 and 2")]);
        assert_eq!(judge(&versions, &[("b", "because")]), []);
        assert_eq!(
            judge(&versions, &[("b", ""), ("a", "")]),
            [Offence::new("a", "is there once and needs no excuse")]
        );
    }
}
