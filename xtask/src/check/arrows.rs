//! Which crate may import which: the arrows of ARCHITECTURE.md.

use anyhow::Result;
use serde_json::Value;

use super::Offence;
use super::ground::{Ground, is_library, name};
use crate::workspace::{list, text};

/// From and to, without `mystocks-`; `?` is an edge that only a feature draws.
const ARROWS: [(&str, &[&str]); 10] = [
    ("config", &[]),
    ("keys", &[]),
    ("ta", &[]),
    ("redis-core", &["config", "keys"]),
    ("cache", &["config", "keys", "redis-core?"]),
    ("bus", &["config", "keys", "redis-core?"]),
    ("lock", &["config", "keys", "redis-core?"]),
    ("session", &["config", "keys", "redis-core?"]),
    ("indicators", &["ta", "cache", "bus", "lock"]),
    ("testkit", &[]),
];
/// What only programs use.
const FOR_PROGRAMS: [&str; 4] = ["anyhow", "tracing-subscriber", "clap", "indicatif"];

pub(super) fn find(ground: &Ground) -> Result<Vec<Offence>> {
    Ok(ground.members().flat_map(offences).collect())
}

fn offences(package: &Value) -> Vec<Offence> {
    let from = name(package);
    let refused = list(package, "dependencies").iter().filter_map(|edge| refuse(from, edge));
    refused.map(|why| Offence::new(format!("{from}/Cargo.toml"), why)).collect()
}

fn refuse(from: &str, edge: &Value) -> Option<String> {
    let to = name(edge);
    let is_dev = text(edge, "kind") == "dev";
    let Some(short) = to.strip_prefix("mystocks-") else {
        let for_programs = is_library(from) && !is_dev && FOR_PROGRAMS.contains(&to);
        return for_programs.then(|| format!("{to} is for programs, not for libraries"));
    };
    if from == to || (is_dev && short == "testkit") {
        return None;
    }
    let drawn = match from {
        "mystocks-service" if !is_dev => !matches!(short, "testkit" | "bench"),
        "mystocks-tests" | "mystocks-bench" => true,
        _ => {
            let targets = ARROWS
                .iter()
                .find(|(name, _)| from.strip_prefix("mystocks-") == Some(name))
                .map_or(&[][..], |(_, to)| to);
            let is_optional = is_dev || edge.get("optional").and_then(Value::as_bool).unwrap_or(false);
            if targets.contains(&format!("{short}?").as_str()) && !is_optional {
                return Some(format!("{from} -> {to} must be optional: only a feature draws it"));
            }
            targets.iter().any(|target| target.trim_end_matches('?') == short)
        }
    };
    (!drawn).then(|| format!("{from} -> {to} is not drawn"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(from: &str, to: &str, kind: Option<&str>, optional: bool) -> bool {
        refuse(from, &json!({ "name": to, "kind": kind, "optional": optional })).is_some()
    }

    #[test]
    fn an_edge_that_is_not_drawn_is_refused() {
        assert!(refused("mystocks-cache", "mystocks-bus", None, false));
        assert!(refused("mystocks-cache", "mystocks-testkit", None, false));
        assert!(refused("mystocks-cache", "mystocks-bus", Some("dev"), false));
        assert!(refused("mystocks-cache", "mystocks-redis-core", None, false));
        assert!(refused("mystocks-config", "mystocks-keys", None, false));
        assert!(refused("mystocks-service", "mystocks-testkit", None, false));
        assert!(refused("mystocks-new", "mystocks-keys", None, false));
        assert!(refused("xtask", "mystocks-keys", None, false));
        assert!(refused("mystocks-cache", "anyhow", None, false));
    }

    #[test]
    fn the_drawn_edges_pass() {
        assert!(!refused("mystocks-cache", "mystocks-redis-core", None, true));
        assert!(!refused("mystocks-cache", "mystocks-testkit", Some("dev"), false));
        assert!(!refused("mystocks-cache", "mystocks-cache", Some("dev"), false));
        assert!(!refused("mystocks-indicators", "mystocks-ta", None, false));
        assert!(!refused("mystocks-service", "mystocks-indicators", None, false));
        assert!(!refused("mystocks-tests", "mystocks-service", Some("dev"), false));
        assert!(!refused("mystocks-cache", "moka", None, false));
    }
}
