//! Every implementation of a seam stands in a conformance matrix.

use anyhow::Result;

use super::Offence;
use super::ground::{File, Ground};
use super::seams::pairs;

/// What is no store of its own, and why.
const EXCUSED: [(&str, &str); 2] = [
    ("Off", "stands for a cache that is switched off: it promises to hold nothing"),
    ("FolderBars", "is what CsvBars and ParquetBars are made of, which both stand in a matrix"),
];

pub(super) fn find(ground: &Ground) -> Result<Vec<Offence>> {
    // tests/conformance.rs, a folder of that name, or a module of a test of its own: tests/postgres/conformance.rs.
    let is_matrix = |file: &&File| {
        file.path.split_once("/tests/").is_some_and(|(_, path)| {
            path.split('/').any(|part| part.trim_end_matches(".rs").starts_with("conformance"))
        })
    };
    let matrices: Vec<&str> = ground.rust().filter(is_matrix).map(|file| file.text.as_str()).collect();
    let is_named = |name: &str| {
        matrices
            .iter()
            .any(|text| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name))
    };
    let mut found = Vec::new();
    for (file, seam) in pairs(ground) {
        for (at, line) in
            file.parse().code.iter().enumerate().filter(|(_, line)| line.trim_start().starts_with("impl"))
        {
            let Some((_, implementor)) = line.split_once(&format!(" {seam} for ")) else {
                continue;
            };
            let path = implementor.split(['<', '{', ' ']).next().unwrap_or_default();
            let implementor = path.rsplit("::").next().unwrap_or_default();
            if !is_named(implementor) && EXCUSED.iter().all(|(name, _)| *name != implementor) {
                found.push(Offence::new(
                    file.line(at + 1),
                    format!("{implementor} implements {seam} and stands in no conformance matrix"),
                ));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(files: &[(&str, &str)]) -> usize {
        find(&Ground::of(files)).unwrap().len()
    }

    #[test]
    fn an_implementation_without_a_matrix_is_found() {
        let code = (
            "crates/mystocks-cache/src/memory.rs",
            "#[async_trait]\nimpl Store for MemoryStore {}\nimpl<S: Store> Store for Arc<S> {}\n",
        );
        let matrix = |text: &'static str| [code, ("crates/mystocks-cache/tests/conformance.rs", text)];
        assert_eq!(count(&[code]), 2);
        assert_eq!(count(&matrix("MemoryStore::new()")), 1);
        assert_eq!(count(&matrix("Arc::new(MemoryStore::new())")), 0);
        assert_eq!(count(&matrix("Arc, MyMemoryStore")), 1);
        let text = "Arc::new(MemoryStore::new())";
        let at = |path| count(&[code, (path, text)]);
        assert_eq!(at("crates/mystocks-cache/tests/redis/conformance.rs"), 0);
        assert_eq!(at("crates/mystocks-cache/tests/redis/main.rs"), 2);
    }
}
