//! The pages: every crate is named, every page is linked, every link leads somewhere.

use std::path::Path;

use anyhow::Result;

use super::Offence;
use super::ground::{File, Ground, name};
use crate::workspace;

pub(super) fn crates(ground: &Ground) -> Result<Vec<Offence>> {
    let names: Vec<&str> = ground.members().map(name).collect();
    Ok(["README.md", "ARCHITECTURE.md"]
        .into_iter()
        .flat_map(|page| unnamed(page, ground.text(page), &names))
        .collect())
}

fn unnamed(page: &str, text: &str, names: &[&str]) -> Vec<Offence> {
    // The package mystocks-tests is known by its folder.
    let is_named = |name: &str| text.contains(name) || (name == "mystocks-tests" && text.contains("tests/"));
    names
        .iter()
        .filter(|name| !is_named(name))
        .map(|name| Offence::new(page, format!("does not name {name}")))
        .collect()
}

fn pages(ground: &Ground) -> impl Iterator<Item = &File> {
    ground.files.iter().filter(|file| file.path.ends_with(".md"))
}

pub(super) fn links(ground: &Ground) -> Result<Vec<Offence>> {
    let root = workspace::root();
    let readme = ground.text("README.md");
    let mut found: Vec<Offence> = pages(ground)
        .filter(|page| is_unlinked(&page.path, readme))
        .map(|page| Offence::new(&page.path, "README.md has no link to it"))
        .collect();
    for page in pages(ground) {
        found.extend(dead_links(page, |path| root.join(path).exists()));
    }
    Ok(found)
}

fn is_unlinked(path: &str, readme: &str) -> bool {
    // Decisions are many: a link to their folder is enough.
    let wanted = if path.starts_with("docs/decisions/") { "](docs/decisions" } else { &format!("]({path}") };
    path.starts_with("docs/") && !readme.contains(wanted)
}

fn dead_links(page: &File, exists: impl Fn(&Path) -> bool) -> Vec<Offence> {
    let folder = Path::new(&page.path).parent().unwrap_or(Path::new(""));
    let mut found = Vec::new();
    for (at, line) in page.text.lines().enumerate() {
        for rest in line.split("](").skip(1) {
            let target = rest.split([')', '#', ' ']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains(':') && !exists(&folder.join(target)) {
                found.push(Offence::new(page.line(at + 1), format!("links to {target}, which is not there")));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_that_a_page_forgets_is_found() {
        let names = ["mystocks-cache", "mystocks-tests", "xtask"];
        assert_eq!(unnamed("README.md", "mystocks-cache, tests/, xtask", &names), []);
        assert_eq!(unnamed("README.md", "tests/, xtask", &names).len(), 1);
        assert_eq!(unnamed("README.md", "", &names).len(), 3);
    }

    #[test]
    fn a_page_without_a_link_and_a_link_without_a_page_are_found() {
        assert!(is_unlinked("docs/a.md", "see docs/a.md"));
        assert!(!is_unlinked("docs/a.md", "[a](docs/a.md#part)"));
        assert!(!is_unlinked("docs/decisions/0001-a.md", "[why](docs/decisions/)"));
        let page = File {
            path: "docs/a.md".to_owned(),
            text: "[b](b.md#x) [c](c.md) [d](https://d) [e](#e)".to_owned(),
        };
        let dead = dead_links(&page, |path| path == Path::new("docs/b.md"));
        assert_eq!(dead, [Offence::new("docs/a.md:1", "links to c.md, which is not there")]);
    }
}
