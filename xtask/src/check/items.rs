//! Finding an item of Rust and its body.

use super::ground::File;

/// Returns line, what follows the `start`, and the body in braces of every item that starts so.
pub(super) fn items(file: &File, start: &str) -> Vec<(usize, String, String)> {
    let code = file.parse().code.join("\n");
    let mut found = Vec::new();
    for (at, _) in code.match_indices(start) {
        let rest = &code[at + start.len()..];
        let Some((head, body)) = rest.split_once('{') else {
            continue;
        };
        let mut depth = 1_usize;
        let closed = body.char_indices().find(|(_, c)| {
            depth = match c {
                '{' => depth + 1,
                '}' => depth - 1,
                _ => depth,
            };
            depth == 0
        });
        let body = closed.map_or(body, |(end, _)| &body[..end]);
        found.push((code[..at].lines().count().max(1), head.to_owned(), body.to_owned()));
    }
    found
}
