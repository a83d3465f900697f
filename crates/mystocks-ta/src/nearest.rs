//! Suggestions for misspelt names.

/// Returns up to three of `known` that resemble `name`, the nearest first; case does not count.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    const ENOUGH: f64 = 0.7;
    const LONGEST: usize = 64;
    // The comparison is quadratic, and the name comes from outside.
    let name: String = name.chars().take(LONGEST).collect::<String>().to_lowercase();
    let mut scored: Vec<(f64, &str)> = known
        .map(|known| (strsim::jaro_winkler(&name, &known.to_lowercase()), known))
        .filter(|(score, _)| *score >= ENOUGH)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().take(3).map(|(_, known)| known).collect()
}
