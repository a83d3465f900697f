//! Reading `mystocks.toml`: the same flat keys, line numbers kept.

use figment::providers::{Format, Toml};
use figment::value::{Dict, Num, Value};

use crate::ErrorKind;
use crate::error::Problem;
use crate::file::File;
use crate::keys;
use crate::layer::{Layer, unknown};

/// Reads the layer of a TOML file; the file is ours alone, so every name in it must be a key.
pub(crate) fn read(file: &File, text: &str, problems: &mut Vec<Problem>) -> Layer {
    let mut layer = Layer::new(file.path.display().to_string());
    let dict: Dict = match <Toml as Format>::from_str(text) {
        Ok(dict) => dict,
        Err(error) => {
            // The parser's own message quotes the line, and the line may hold a password.
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.unwrap_or_default().matches('\n').count() + 1;
            let place = file.line(line);
            let expected = "TOML, one KEY = \"value\" a line and no key twice";
            problems.push(Problem::new(ErrorKind::Malformed, None, place, expected));
            return layer;
        }
    };
    for (spelled, value) in &dict {
        let place = file.line(line_of(text, spelled));
        let name = keys::canonical(spelled);
        if keys::find(&name).is_none() {
            problems.push(unknown(&name, &place));
            continue;
        }
        let Some(value) = text_of(value) else {
            let expected = "a text, a number, true or false";
            let kind = ErrorKind::InvalidValue;
            problems.push(Problem::new(kind, Some(&name), place, expected));
            continue;
        };
        if !layer.set(name.clone(), value, &place) {
            let expected = "the key once, not in upper case and in lower case";
            let kind = ErrorKind::Malformed;
            problems.push(Problem::new(kind, Some(&name), place, expected));
        }
    }
    layer
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.clone()),
        Value::Bool(_, value) => Some(value.to_string()),
        Value::Num(_, Num::F64(number)) => Some(number.to_string()),
        Value::Num(_, number) => number.to_i128().map(|number| number.to_string()),
        _ => None,
    }
}

// The parser gives no places of single values, and a flat file needs no more than this.
fn line_of(text: &str, key: &str) -> usize {
    let starts = |line: &str| {
        let line = line.trim_start().trim_start_matches('[');
        let bare = line.trim_start().trim_start_matches(['"', '\'']);
        bare.strip_prefix(key).is_some_and(|rest| {
            rest.trim_start_matches(['"', '\'']).trim_start().starts_with(['=', ']', '.'])
        })
    };
    text.lines().position(starts).unwrap_or_default() + 1
}
