//! What must not be left in the code.

use anyhow::Result;

use super::Offence;
use super::ground::Ground;

pub(super) fn unfinished(ground: &Ground) -> Result<Vec<Offence>> {
    let code = ["todo!", "unimplemented!", "#[ignore", "#[allow(", "serial_test"];
    let words = ["TODO", "FIXME", "XXX"];
    let mut found = Vec::new();
    for file in ground.rust().filter(|file| !file.path.starts_with("xtask/src/check")) {
        for (at, line) in file.text.lines().enumerate() {
            let marks = code.iter().filter(|mark| line.contains(*mark));
            let word = words
                .iter()
                .filter(|word| line.split(|c: char| !c.is_alphanumeric()).any(|part| part == **word));
            found.extend(marks.chain(word).map(|mark| Offence::new(file.line(at + 1), format!("`{mark}`"))));
        }
    }
    Ok(found)
}

pub(super) fn no_unsafe(ground: &Ground) -> Result<Vec<Offence>> {
    let mut found = Vec::new();
    for file in ground.rust() {
        let rust = file.parse();
        let lines = ["unsafe ", "unsafe{"].into_iter().flat_map(|word| rust.lines_with(word));
        found.extend(lines.map(|line| Offence::new(file.line(line), "`unsafe`")));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rule: fn(&Ground) -> Result<Vec<Offence>>, path: &str, text: &str) -> Vec<String> {
        rule(&Ground::of(&[(path, text)])).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_unfinished_silenced_or_unsafe_is_found() {
        for text in ["// TODO: later", "todo!()", "#[ignore = \"slow\"]", "#[allow(dead_code)]"] {
            assert_eq!(found(unfinished, "a.rs", text).len(), 1, "{text}");
        }
        assert!(found(unfinished, "a.rs", "let todos = 1;").is_empty());
        assert_eq!(found(no_unsafe, "a.rs", "//! x\nunsafe { f() }"), ["a.rs:2: `unsafe`"]);
        assert!(found(no_unsafe, "a.rs", "// unsafe { }\nlet s = \"unsafe \";").is_empty());
    }
}
