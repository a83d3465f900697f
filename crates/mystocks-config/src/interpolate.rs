//! `${NAME}` in values.

use crate::file::MAX_LINE;
use crate::keys::{self, PASSWORD};

/// How many references one value may need in all: values that double each other would never end.
const MAX_REFERENCES: usize = 256;

/// Returns the name a text is known by and the text itself.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<(&'a str, &'a str)>;

/// Makes a text that [`fill`] turns back into `text`.
pub(crate) fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

/// Fills in every `${NAME}` and `${NAME:-text when undefined}` of the value of `key`; `$${` stands for `${`.
///
/// The error is what was expected.
pub(crate) fn fill(key: &str, text: &str, lookup: Lookup<'_>) -> Result<String, String> {
    let mut filling = Filling { lookup, open: vec![key.to_string()], references: 0, out: String::new() };
    filling.text(text)?;
    Ok(filling.out)
}

struct Filling<'a> {
    lookup: Lookup<'a>,
    open: Vec<String>,
    references: usize,
    out: String,
}

impl Filling<'_> {
    fn text(&mut self, text: &str) -> Result<(), String> {
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            self.push(before)?;
            if let Some(after) = after.strip_prefix("${") {
                self.push("${")?;
                rest = after;
            } else if let Some(after) = after.strip_prefix('{') {
                let Some((reference, after)) = after.split_once('}') else {
                    return Err("a } after every ${ (a ${ that is meant stands as $${)".into());
                };
                self.reference(reference, text)?;
                rest = after;
            } else {
                self.push("$")?;
                rest = after;
            }
        }
        self.push(rest)
    }

    fn reference(&mut self, reference: &str, text: &str) -> Result<(), String> {
        let (name, fallback) = match reference.split_once(":-") {
            Some((name, fallback)) => (name, Some(fallback)),
            None => (reference, None),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            return Err("a name of letters, digits and _ between ${ and }".into());
        }
        self.references += 1;
        if self.references > MAX_REFERENCES {
            return Err(format!("at most {MAX_REFERENCES} references in all"));
        }
        let Some((name, value)) = (self.lookup)(name) else {
            return match fallback {
                Some(fallback) => self.push(fallback),
                None => Err(self.undefined(name, text)),
            };
        };
        if self.open.iter().any(|open| open == name) {
            let cycle = format!("{} -> {name}", self.open.join(" -> "));
            return Err(format!("no cycle of references ({cycle})"));
        }
        self.open.push(name.to_string());
        self.text(value)?;
        self.open.pop();
        Ok(())
    }

    fn undefined(&self, name: &str, text: &str) -> String {
        // A password with an unescaped `${…}` would show its inside as a name.
        let secret = self.open.iter().any(|open| open == PASSWORD)
            || (text.contains('@') && name.contains(|c: char| c.is_ascii_lowercase()));
        if secret {
            return "every ${NAME} to be defined (a ${ that is meant stands as $${)".to_string();
        }
        let nearest =
            keys::nearest(name).map(|nearest| format!(", the nearest is {nearest}")).unwrap_or_default();
        format!("${{{name}}} to be defined{nearest}")
    }

    fn push(&mut self, text: &str) -> Result<(), String> {
        if self.out.len().saturating_add(text.len()) > MAX_LINE {
            return Err(format!("at most {MAX_LINE} bytes"));
        }
        self.out.push_str(text);
        Ok(())
    }
}
