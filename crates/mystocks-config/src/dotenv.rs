//! Reading `.env` text, line numbers kept.

use crate::ErrorKind;
use crate::error::Problem;
use crate::file::File;
use crate::keys;
use crate::layer::{Layer, unknown};

/// A `NAME=value` of the text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) line: usize,
    pub(crate) name: String,
    pub(crate) value: String,
}

/// A line that is no `NAME=value`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) line: usize,
    pub(crate) name: Option<String>,
    pub(crate) expected: &'static str,
}

/// Reads the layer of a `.env` file; keys of other programs are kept, as `${NAME}` may want them.
pub(crate) fn read(file: &File, text: &str, problems: &mut Vec<Problem>) -> Layer {
    let mut layer = Layer::new(file.path.display().to_string());
    for parsed in parse(text) {
        match parsed {
            Ok(entry) => {
                let place = file.line(entry.line);
                let name = keys::canonical(&entry.name);
                let ours = keys::find(&name).is_some() || !name.starts_with("REDIS_");
                if !ours && !keys::belongs_to_others(&name, &entry.value) {
                    problems.push(unknown(&name, &place));
                }
                layer.set(name, entry.value, &place);
            }
            Err(fault) => problems.push(Problem::new(
                ErrorKind::Malformed,
                fault.name.as_deref(),
                file.line(fault.line),
                fault.expected,
            )),
        }
    }
    layer
}

/// Reads the entries of a text in order; a line that cannot be read does not hide the ones after it.
pub(crate) fn parse(text: &str) -> Vec<Result<Entry, Fault>> {
    let mut parsed = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while !rest.is_empty() {
        let (first, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let content = first.trim();
        let mut lines = 1;
        rest = if content.is_empty() || content.starts_with('#') {
            after
        } else {
            let entry = read_entry(rest, line);
            let remaining = entry.as_ref().map_or(after, |(_, remaining)| remaining);
            let used = rest.len().saturating_sub(remaining.len());
            let used = rest.get(..used).unwrap_or_default();
            lines = used.matches('\n').count();
            parsed.push(entry.map(|(entry, _)| entry));
            remaining
        };
        line += lines;
    }
    parsed
}

/// Removes a trailing ` # comment` and the space around what is left.
pub(crate) fn strip_comment(value: &str) -> &str {
    // `KEY=  # comment` is an empty value; `KEY=#fff` is a value.
    let spaced = |(at, _): &(usize, &str)| {
        let before = value.get(..*at).unwrap_or_default();
        before.ends_with([' ', '\t'])
    };
    let end = value.match_indices('#').find(spaced);
    let kept = end.and_then(|(at, _)| value.get(..at));
    kept.unwrap_or(value).trim()
}

fn read_entry(text: &str, line: usize) -> Result<(Entry, &str), Fault> {
    let fault = |name: Option<&str>, expected| Fault { line, name: name.map(str::to_string), expected };
    let (first, after) = text.split_once('\n').unwrap_or((text, ""));
    let Some((name, value)) = first.split_once('=') else {
        return Err(fault(None, "NAME=value, a comment or an empty line"));
    };
    let name = name.trim();
    let name = match name.split_once([' ', '\t']) {
        Some(("export", name)) => name.trim_start(),
        _ => name,
    };
    if !is_name(name) {
        return Err(fault(None, "a name of letters, digits and _ before the ="));
    }
    let entry = |value: String| Entry { line, name: name.to_string(), value };
    let quote = value.trim_start().chars().next();
    let Some(quote @ ('"' | '\'')) = quote else {
        // The character before is the `=`: a comment right behind it needs a space, as everywhere.
        let value = strip_comment(value);
        if value.chars().any(|c| c.is_control() && c != '\t') {
            return Err(fault(Some(name), "a value without control characters"));
        }
        return Ok((entry(value.to_string()), after));
    };
    // A quoted value may go on over the next lines, so it is read from the whole text.
    let (_, quoted) = text.split_once(quote).unwrap_or((text, ""));
    let Some((value, behind)) = read_quoted(quoted, quote) else {
        return Err(fault(Some(name), "a closing quote"));
    };
    let (trailing, after) = behind.split_once('\n').unwrap_or((behind, ""));
    let trailing = trailing.trim();
    if !trailing.is_empty() && !trailing.starts_with('#') {
        return Err(fault(Some(name), "nothing but a # comment after the closing quote"));
    }
    Ok((entry(value), after))
}

fn is_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(inner)
}

fn read_quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == quote {
            return Some((value, chars.as_str()));
        }
        if c != '\\' {
            value.push(c);
            continue;
        }
        match (chars.next()?, quote) {
            ('n', '"') => value.push('\n'),
            ('r', '"') => value.push('\r'),
            ('t', '"') => value.push('\t'),
            (escaped @ ('\\' | '\'' | '"'), '"') | (escaped @ ('\\' | '\''), '\'') => {
                value.push(escaped);
            }
            (other, _) => value.extend(['\\', other]),
        }
    }
    None
}

#[cfg(test)]
mod tests;
