//! Matches a text against a glob as the Redis server does.

/// Returns whether the whole of `text` matches the glob `pattern` as the Redis server decides it: on bytes, with `*`, `?`, `[…]` and `\`.
///
/// Takes at most |pattern| × |text| steps.
///
/// ```
/// use mystocks_keys::glob_matches;
///
/// assert!(glob_matches(b"events:market:*", b"events:market:600519.SH"));
/// assert!(!glob_matches(b"events:task[s]", b"events:task"));
/// ```
pub fn glob_matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut rest, mut left) = (pattern, text);
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', after @ ..] = rest {
            star = Some((after, left));
            rest = after;
            continue;
        }
        let Some((&byte, tail)) = left.split_first() else {
            return rest.is_empty();
        };
        if let Some(after) = one(rest, byte) {
            (rest, left) = (after, tail);
            continue;
        }
        // Only the last star needs another try: whatever an earlier one could give it, it can take itself.
        let Some((after, [_, from @ ..])) = star else {
            return false;
        };
        star = Some((after, from));
        (rest, left) = (after, from);
    }
}

/// Matches one byte and returns what is left of the pattern.
fn one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    match pattern {
        [] => None,
        [b'?', rest @ ..] => Some(rest),
        [b'[', rest @ ..] => class(rest, byte),
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => (*literal == byte).then_some(rest),
    }
}

/// Matches one byte against a class; one without its `]` ends with the pattern, as in the server.
fn class(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    let (negated, mut rest) = match pattern {
        [b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut found = false;
    loop {
        rest = match rest {
            [] => break,
            [b'\\', literal, rest @ ..] => {
                found |= *literal == byte;
                rest
            }
            [b']', after @ ..] => {
                rest = after;
                break;
            }
            [low, b'-', high, rest @ ..] => {
                found |= (low.min(high)..=low.max(high)).contains(&&byte);
                rest
            }
            [literal, rest @ ..] => {
                found |= *literal == byte;
                rest
            }
        };
    }
    (found != negated).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::glob_matches;

    #[test]
    fn reads_the_syntax_of_the_server() {
        let table: &[(&str, &str, bool)] = &[
            ("", "", true),
            ("", "a", false),
            ("*", "anything", true),
            ("**", "", true),
            ("a*", "a", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbbd", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*ab", "aab", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("?", "", false),
            ("[abc]", "b", true),
            ("[abc]", "d", false),
            ("[^abc]", "d", true),
            ("[^abc]", "a", false),
            ("[a-c]x", "bx", true),
            ("[c-a]x", "bx", true),
            ("[a-c]", "d", false),
            ("[a\\-c]", "b", false),
            ("[a\\-c]", "-", true),
            ("[\\]]", "]", true),
            ("[a", "a", true),
            ("[^", "a", true),
            ("[", "[", false),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("a\\", "a\\", true),
            ("贵*", "贵州茅台", true),
            ("???", "贵", true),
            ("?", "贵", false),
        ];
        for &(pattern, text, expected) in table {
            assert_eq!(
                glob_matches(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern:?} against {text:?}"
            );
        }
    }

    #[test]
    fn a_pattern_made_to_explode_does_not() {
        let pattern = "a*".repeat(2_000) + "b";
        let text = "a".repeat(10_000);
        assert!(!glob_matches(pattern.as_bytes(), text.as_bytes()));
    }
}
