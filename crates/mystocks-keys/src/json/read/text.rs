//! Reading a string, lone surrogates included.

use super::Reader;
use crate::json::error::{JsonError, JsonErrorKind};
use crate::json::{Json, Utf16};

impl Reader<'_> {
    /// Reads a string; the reader stands at its opening quote.
    pub(super) fn string(&mut self) -> Result<Json, JsonError> {
        let start = self.at;
        self.at += 1;
        let mut out = Text::Valid(String::new());
        loop {
            let run = self.at;
            while matches!(self.peek(), Some(byte) if byte >= 0x20 && byte != b'"' && byte != b'\\') {
                self.at += 1;
            }
            let plain = self.since(run);
            match self.peek() {
                // Nearly all strings are one run: they are copied once.
                Some(b'"') if run == start + 1 => {
                    self.at += 1;
                    return Ok(Json::from(plain));
                }
                _ => out.push_str(plain),
            }
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out.finish());
                }
                Some(b'\\') => self.escape(&mut out)?,
                Some(_) => return Err(self.expected("a control character to be escaped")),
                None => {
                    let detail = "a string is never closed";
                    return Err(JsonError::read(JsonErrorKind::Syntax, start, detail));
                }
            }
        }
    }

    fn escape(&mut self, out: &mut Text) -> Result<(), JsonError> {
        self.at += 1;
        let c = match self.peek() {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'u') => return self.unicode_escape(out),
            _ => return Err(self.expected("one of \" \\ / b f n r t u after a backslash")),
        };
        self.at += 1;
        out.push(c);
        Ok(())
    }

    fn unicode_escape(&mut self, out: &mut Text) -> Result<(), JsonError> {
        let unit = self.code_unit()?;
        if (0xD800..0xDC00).contains(&unit) && self.rest().starts_with("\\u") {
            let before = self.at;
            self.at += 1;
            let next = self.code_unit()?;
            if let Some(Ok(c)) = char::decode_utf16([unit, next]).next() {
                out.push(c);
                return Ok(());
            }
            // What follows is not the second half: it is read again on its own.
            self.at = before;
        }
        match char::from_u32(u32::from(unit)) {
            Some(c) => out.push(c),
            None => out.push_lone(unit),
        }
        Ok(())
    }

    /// Reads `uXXXX`; the reader stands at the `u`.
    fn code_unit(&mut self) -> Result<u16, JsonError> {
        let digits = self.text.get(self.at + 1..self.at + 5).unwrap_or_default();
        let unit = digits
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit())
            .then(|| u16::from_str_radix(digits, 16).ok())
            .flatten()
            .ok_or_else(|| self.expected("four hex digits after \\u"))?;
        self.at += 5;
        Ok(unit)
    }
}

/// A string in the making; it becomes UTF-16 at the first lone surrogate.
enum Text {
    Valid(String),
    Broken(Vec<u16>),
}

impl Text {
    fn push_str(&mut self, text: &str) {
        match self {
            Self::Valid(out) => out.push_str(text),
            Self::Broken(out) => out.extend(text.encode_utf16()),
        }
    }

    fn push(&mut self, c: char) {
        self.push_str(c.encode_utf8(&mut [0; 4]));
    }

    fn push_lone(&mut self, unit: u16) {
        if let Self::Valid(text) = self {
            *self = Self::Broken(text.encode_utf16().collect());
        }
        if let Self::Broken(out) = self {
            out.push(unit);
        }
    }

    fn finish(self) -> Json {
        match self {
            Self::Valid(text) => Json::Str(text),
            Self::Broken(units) => Json::Utf16(Utf16::lone(units)),
        }
    }
}
