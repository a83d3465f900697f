//! Reading Rust just well enough: what is code, what is a string, what is a test.

/// The text of one file, taken apart.
#[derive(Debug)]
pub(super) struct Rust {
    /// Line by line: the code, with comments, strings and the items of `#[cfg(test)]` blanked.
    pub(super) code: Vec<String>,
    /// The string literals outside of them, each with the number of its line.
    pub(super) literals: Vec<(usize, String)>,
}

impl Rust {
    pub(super) fn parse(text: &str) -> Self {
        let (code, literals) = split(text);
        let (code, kept) = without_tests(&code);
        let line_of = |at: usize| text.chars().take(at).filter(|c| *c == '\n').count() + 1;
        let kept_literals = literals.into_iter().filter(|(at, _)| kept.get(*at).copied().unwrap_or(false));
        Self {
            literals: kept_literals.map(|(at, literal)| (line_of(at), literal)).collect(),
            code: code.lines().map(str::to_owned).collect(),
        }
    }

    /// Returns the numbered lines of code that hold `needle` at the start of a word.
    pub(super) fn lines_with<'a>(&'a self, needle: &'a str) -> impl Iterator<Item = usize> + 'a {
        let in_word = |c: char| c.is_alphanumeric() || c == '_';
        let holds =
            move |line: &str| line.match_indices(needle).any(|(at, _)| !line[..at].ends_with(in_word));
        self.code.iter().enumerate().filter(move |(_, line)| holds(line)).map(|(at, _)| at + 1)
    }
}

/// Blanks comments and strings and returns the strings with the position where each starts.
fn split(text: &str) -> (String, Vec<(usize, String)>) {
    let chars: Vec<char> = text.chars().collect();
    let rest_is =
        |at: usize, wanted: &str| wanted.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c));
    let find = |from: usize, wanted: &str| {
        (from..chars.len()).find(|at| rest_is(*at, wanted)).unwrap_or(chars.len())
    };
    let mut code = String::new();
    let mut literals = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let before_is_word = at > 0 && chars[at - 1].is_alphanumeric();
        let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
        let end = if rest_is(at, "//") {
            find(at, "\n")
        } else if rest_is(at, "/*") {
            find(at, "*/") + 2
        } else if chars[at] == 'r' && !before_is_word && chars.get(at + 1 + hashes) == Some(&'"') {
            let from = at + 2 + hashes;
            let close = find(from, &format!("\"{}", "#".repeat(hashes)));
            literals.push((at, chars[from.min(close)..close].iter().collect()));
            close + 1 + hashes
        } else if chars[at] == '"' {
            let mut close = at + 1;
            while close < chars.len() && chars[close] != '"' {
                close += if chars[close] == '\\' { 2 } else { 1 };
            }
            let close = close.min(chars.len());
            literals.push((at, chars[at + 1..close].iter().collect()));
            close + 1
        } else if rest_is(at, "'\\") {
            find(at + 3, "'") + 1
        } else if chars[at] == '\'' && chars.get(at + 2) == Some(&'\'') {
            at + 3
        } else {
            code.push(chars[at]);
            at += 1;
            continue;
        };
        let end = end.min(chars.len());
        code.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
        at = end;
    }
    (code, literals)
}

/// Blanks every item under `#[cfg(test)]` and returns which characters are kept.
fn without_tests(code: &str) -> (String, Vec<bool>) {
    let chars: Vec<char> = code.chars().collect();
    let mut kept = vec![true; chars.len()];
    let marker: Vec<char> = "#[cfg(test)]".chars().collect();
    let mut at = 0;
    while at < chars.len() {
        if !chars[at..].starts_with(&marker) {
            at += 1;
            continue;
        }
        let mut depth = 0_usize;
        for (offset, c) in chars[at..].iter().enumerate() {
            kept[at + offset] = false;
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && matches!(c, '}' | ';') {
                at += offset;
                break;
            }
        }
        at += 1;
    }
    let blanked = chars.iter().zip(&kept).map(|(c, kept)| if *kept || *c == '\n' { *c } else { ' ' });
    (blanked.collect(), kept)
}

#[cfg(test)]
mod tests;
