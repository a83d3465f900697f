//! No key or channel text outside mystocks-keys.

use anyhow::Result;

use super::Offence;
use super::ground::{File, Ground};

/// How the keys and channels of the wire contract can be told apart from other text.
const TEXT: [&str; 13] = [
    "mystocks:",
    "indicator:calc",
    "lock:indicator",
    "task:batch",
    "resource:update",
    "price:update",
    "task:updated",
    "config:reloaded",
    "events:",
    ":lease",
    ":fence",
    ":queue",
    "own:",
];

pub(super) fn find(ground: &Ground) -> Result<Vec<Offence>> {
    let mut found = Vec::new();
    for file in ground.rust().filter(|file| may_not_spell(file)) {
        for (line, literal) in file.parse().literals {
            if TEXT.iter().any(|text| spells(&literal, text)) {
                found.push(Offence::new(file.line(line), format!("spells a key: {literal:?}")));
            }
        }
    }
    Ok(found)
}

/// Returns whether `text` stands in `literal` as a part of a key: prose has a space behind its colon.
fn spells(literal: &str, text: &str) -> bool {
    literal.match_indices(text).any(|(at, _)| {
        let in_word =
            text.starts_with(char::is_alphanumeric) && literal[..at].ends_with(char::is_alphanumeric);
        !in_word && !literal[at + text.len()..].starts_with(char::is_whitespace)
    })
}

fn may_not_spell(file: &File) -> bool {
    let is_conformance = file.path.contains("/src/conformance");
    // The prefixes are settings: their defaults stand in the table of mystocks-config.
    let is_default = file.package() == "mystocks-config";
    // Its baselines are raw clients on purpose.
    let is_raw = file.package() == "mystocks-bench";
    file.path.starts_with("crates/")
        && file.package() != "mystocks-keys"
        && !file.is_test()
        && !is_conformance
        && !is_default
        && !is_raw
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_spelled_elsewhere_is_found() {
        let spelled = "//! x\nlet key = format!(\"mystocks:{a}\");\n";
        let count = |path: &str, text: &str| find(&Ground::of(&[(path, text)])).unwrap().len();
        assert_eq!(count("crates/mystocks-cache/src/a.rs", spelled), 1);
        assert_eq!(count("crates/mystocks-service/src/a.rs", "f(\"events:tasks\")"), 1);
        assert_eq!(
            count("crates/mystocks-cache/src/a.rs", "f(\"a:own:b\", \"mystocks:\", \"{key}:lease\")"),
            3
        );
        assert_eq!(count("crates/mystocks-cache/src/a.rs", "f(\"known: {a}\", \"its own: take\")"), 0);
        assert_eq!(count("crates/mystocks-keys/src/a.rs", spelled), 0);
        assert_eq!(count("crates/mystocks-cache/tests/a.rs", spelled), 0);
        assert_eq!(count("crates/mystocks-cache/src/a.rs", "/// reads `mystocks:a`\nfn f() {}"), 0);
    }
}
