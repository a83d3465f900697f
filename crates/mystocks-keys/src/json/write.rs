//! Writing JSON as Python's `json.dumps` does.

use std::fmt::Write as _;

use crate::json::{Json, float};

pub(crate) fn dumps(value: &Json, sorted: bool) -> String {
    let mut out = String::with_capacity(USUAL);
    write(&mut out, value, sorted);
    out
}

/// What most texts of the platform need, in bytes.
const USUAL: usize = 256;

pub(crate) fn write(out: &mut String, value: &Json, sorted: bool) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Int(number) => append(out, format_args!("{number}")),
        Json::Float(number) => float::write(out, *number),
        Json::Str(text) => string(out, text),
        Json::Utf16(text) => {
            out.push('"');
            for unit in char::decode_utf16(text.units().iter().copied()) {
                match unit {
                    Ok(c) => character(out, c),
                    Err(lone) => append(out, format_args!("\\u{:04x}", lone.unpaired_surrogate())),
                }
            }
            out.push('"');
        }
        Json::Array(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                separate(out, position);
                write(out, item, sorted);
            }
            out.push(']');
        }
        Json::Object(fields) if sorted => {
            let mut fields: Vec<&(String, Json)> = fields.iter().collect();
            // The bytes of UTF-8 sort as the code points do.
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            object(out, fields.into_iter(), sorted);
        }
        Json::Object(fields) => object(out, fields.iter(), sorted),
    }
}

fn object<'a>(out: &mut String, fields: impl Iterator<Item = &'a (String, Json)>, sorted: bool) {
    out.push('{');
    for (position, (name, value)) in fields.enumerate() {
        separate(out, position);
        string(out, name);
        out.push_str(": ");
        write(out, value, sorted);
    }
    out.push('}');
}

fn separate(out: &mut String, position: usize) {
    if position > 0 {
        out.push_str(", ");
    }
}

pub(crate) fn string(out: &mut String, text: &str) {
    out.push('"');
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
        out.push_str(text);
    } else {
        for c in text.chars() {
            character(out, c);
        }
    }
    out.push('"');
}

fn character(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        ' '..='~' => out.push(c),
        _ => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                append(out, format_args!("\\u{unit:04x}"));
            }
        }
    }
}

fn append(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
}
