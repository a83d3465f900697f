//! Reading JSON in Python's dialect.

mod text;

use crate::json::error::{JsonError, JsonErrorKind};
use crate::json::{Integer, Json};

/// How deeply arrays and objects may be nested.
pub const MAX_DEPTH: usize = 128;

/// The longest text that is read, in bytes. The value made of it takes at most about 40 times as much memory.
pub const MAX_TEXT_BYTES: usize = 16 * 1024 * 1024;

pub(crate) fn parse(text: &[u8]) -> Result<Json, JsonError> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(JsonError::read(
            JsonErrorKind::TooLarge,
            MAX_TEXT_BYTES,
            format!("the text has {} bytes, at most {MAX_TEXT_BYTES} are read", text.len()),
        ));
    }
    let text = std::str::from_utf8(text)
        .map_err(|error| JsonError::read(JsonErrorKind::Syntax, error.valid_up_to(), "expected UTF-8"))?;
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.space();
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.expected("the end of the text")),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'n') => self.word("null", Json::Null),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'N') => self.word("NaN", Json::Float(f64::NAN)),
            Some(b'I') => self.word("Infinity", Json::Float(f64::INFINITY)),
            _ => Err(self.expected("a value")),
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.enter(depth)?;
        let mut items = Vec::new();
        if self.closes(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.closes(b']') {
                return Ok(Json::Array(items));
            }
            self.take(b',', "',' or ']'")?;
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.enter(depth)?;
        let mut fields = Vec::new();
        if self.closes(b'}') {
            return Ok(Json::Object(fields));
        }
        loop {
            self.space();
            let at = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.expected("a name in double quotes"));
            }
            let Json::Str(name) = self.string()? else {
                let detail = "a name holds a lone surrogate; names must be valid Unicode";
                return Err(JsonError::read(JsonErrorKind::Unsupported, at, detail));
            };
            self.space();
            self.take(b':', "':'")?;
            fields.push((name, self.value(depth + 1)?));
            if self.closes(b'}') {
                return Ok(Json::Object(last_of_equal_names(fields)));
            }
            self.take(b',', "',' or '}'")?;
        }
    }

    fn number(&mut self) -> Result<Json, JsonError> {
        let start = self.at;
        let negative = self.skip(b'-');
        if negative && self.peek() == Some(b'I') {
            return self.word("Infinity", Json::Float(f64::NEG_INFINITY));
        }
        if !self.skip(b'0') {
            self.digits()?;
        }
        let mut is_float = self.skip(b'.');
        if is_float {
            self.digits()?;
        }
        if self.skip(b'e') || self.skip(b'E') {
            is_float = true;
            let _sign = self.skip(b'+') || self.skip(b'-');
            self.digits()?;
        }
        let text = self.since(start);
        if is_float {
            let number = text.parse().map_err(|_| self.expected("a number"))?;
            return Ok(Json::Float(number));
        }
        let number: Integer = text.parse().map_err(|error: JsonError| {
            JsonError::read(error.kind(), start, "an integer has more than 4300 digits")
        })?;
        Ok(Json::Int(number))
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.expected("a digit"));
        }
        Ok(())
    }

    fn word(&mut self, word: &'static str, value: Json) -> Result<Json, JsonError> {
        if self.rest().starts_with(word) {
            self.at += word.len();
            return Ok(value);
        }
        Err(self.expected(word))
    }

    fn enter(&mut self, depth: usize) -> Result<(), JsonError> {
        if depth >= MAX_DEPTH {
            let detail = format!("nested more than {MAX_DEPTH} levels deep");
            return Err(JsonError::read(JsonErrorKind::TooDeep, self.at, detail));
        }
        self.at += 1;
        Ok(())
    }

    fn closes(&mut self, bracket: u8) -> bool {
        self.space();
        self.skip(bracket)
    }

    fn take(&mut self, byte: u8, what: &'static str) -> Result<(), JsonError> {
        if self.skip(byte) {
            return Ok(());
        }
        Err(self.expected(what))
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn expected(&self, what: &str) -> JsonError {
        JsonError::read(JsonErrorKind::Syntax, self.at, format!("expected {what}"))
    }
}

/// So many names are compared one by one.
const FEW: usize = 16;

/// Sorting finds equal names whatever they are; a hash map would need defending against chosen names.
fn last_of_equal_names(mut fields: Vec<(String, Json)>) -> Vec<(String, Json)> {
    let is_new =
        |(at, (name, _)): (usize, &(String, Json))| fields.iter().take(at).all(|(before, _)| before != name);
    // Few are compared faster than sorted.
    if fields.len() <= FEW && fields.iter().enumerate().all(is_new) {
        return fields;
    }
    let mut order: Vec<usize> = (0..fields.len()).collect();
    let name = |index: usize| fields.get(index).map(|(name, _)| name.as_str());
    order.sort_by(|&a, &b| name(a).cmp(&name(b)));
    let groups: Vec<(usize, usize)> = order
        .chunk_by(|&a, &b| name(a) == name(b))
        .filter_map(|group| Some((*group.first()?, *group.last()?)))
        .collect();
    if groups.len() == fields.len() {
        return fields;
    }
    let mut kept = vec![false; fields.len()];
    for (first, last) in groups {
        fields.swap(first, last);
        if let Some(keep) = kept.get_mut(first) {
            *keep = true;
        }
    }
    let mut kept = kept.into_iter();
    fields.retain(|_| kept.next().unwrap_or_default());
    fields
}
