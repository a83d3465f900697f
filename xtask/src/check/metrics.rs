//! Every metric is explained in docs/observability.md, and nothing else is.

use anyhow::Result;

use super::Offence;
use super::ground::Ground;

const PAGE: &str = "docs/observability.md";

pub(super) fn find(ground: &Ground) -> Result<Vec<Offence>> {
    let recorded: Vec<(String, String)> = ground
        .rust()
        .filter(|file| file.path.ends_with("/src/metric.rs"))
        .flat_map(|file| {
            let literals = file.parse().literals.into_iter();
            literals
                .filter(|(_, text)| text.starts_with("mystocks_"))
                .map(|(line, text)| (file.line(line), text))
                .collect::<Vec<_>>()
        })
        .collect();
    let explained: Vec<&str> = ground.text(PAGE).split('`').filter(|word| is_metric(word)).collect();
    let missing = recorded
        .iter()
        .filter(|(_, name)| !explained.contains(&name.as_str()))
        .map(|(at, name)| Offence::new(at, format!("{PAGE} does not explain {name}")));
    let unknown = explained
        .iter()
        .filter(|name| recorded.iter().all(|(_, recorded)| recorded != *name))
        .map(|name| Offence::new(PAGE, format!("nothing records {name}")));
    Ok(missing.chain(unknown).collect())
}

/// Returns whether `word` has the form of a metric's name: a path of Rust has `::`.
fn is_metric(word: &str) -> bool {
    word.starts_with("mystocks_") && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_that_is_not_explained_and_one_that_is_not_recorded_are_found() {
        let code = ("crates/a/src/metric.rs", "//! x\nconst A: &str = \"mystocks_a_total\";\n");
        let found = |page: &str| -> Vec<String> {
            let offences = find(&Ground::of(&[code, (PAGE, page)])).unwrap();
            offences.iter().map(ToString::to_string).collect()
        };
        assert!(found("| `mystocks_a_total` | of `mystocks_a::b` |").is_empty());
        assert_eq!(
            found("| `mystocks_b_total` |"),
            [
                "crates/a/src/metric.rs:2: docs/observability.md does not explain mystocks_a_total",
                "docs/observability.md: nothing records mystocks_b_total"
            ]
        );
    }
}
