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
            if TEXT.iter().any(|text| literal.contains(text)) {
                found.push(Offence::new(file.line(line), format!("spells a key: {literal:?}")));
            }
        }
    }
    Ok(found)
}

fn may_not_spell(file: &File) -> bool {
    let is_conformance = file.path.contains("/src/conformance");
    // The prefixes are settings: their defaults stand in the table of mystocks-config.
    let is_default = file.package() == "mystocks-config";
    file.path.starts_with("crates/")
        && file.package() != "mystocks-keys"
        && !file.is_test()
        && !is_conformance
        && !is_default
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
        assert_eq!(count("crates/mystocks-keys/src/a.rs", spelled), 0);
        assert_eq!(count("crates/mystocks-cache/tests/a.rs", spelled), 0);
        assert_eq!(count("crates/mystocks-cache/src/a.rs", "/// reads `mystocks:a`\nfn f() {}"), 0);
    }
}
