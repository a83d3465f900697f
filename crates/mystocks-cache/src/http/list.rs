//! Fields whose values are lists (RFC 9110, section 5.6.1).

use http::{HeaderMap, HeaderName};

/// Returns the members of the list that all lines of `name` make, without the white space around them; a comma within a
/// quoted string separates nothing, and empty members are left out.
pub(crate) fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(name).iter().flat_map(|value| Members { rest: value.as_bytes() })
}

struct Members<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Members<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let (member, rest) = split(self.rest);
            self.rest = rest;
            if !member.is_empty() {
                return Some(member);
            }
        }
        None
    }
}

fn split(text: &[u8]) -> (&[u8], &[u8]) {
    let (mut quoted, mut escaped) = (false, false);
    let comma = text.iter().position(|byte| {
        let separates = *byte == b',' && !quoted;
        if *byte == b'"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && *byte == b'\\' && !escaped;
        separates
    });
    let (member, rest) = text.split_at(comma.unwrap_or(text.len()));
    (member.trim_ascii(), rest.get(1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http::header::CACHE_CONTROL;

    fn read(lines: &[&'static str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CACHE_CONTROL, HeaderValue::from_static(line));
        }
        members(&headers, &CACHE_CONTROL).map(|member| String::from_utf8_lossy(member).into_owned()).collect()
    }

    #[test]
    fn lines_are_one_list_and_quotes_hold_commas() {
        assert_eq!(read(&["a, b=\"x, \\\" y\" ,", ",, \tc"]), ["a", "b=\"x, \\\" y\"", "c"]);
        assert_eq!(read(&["\"open, a", "b"]), ["\"open, a", "b"]);
        assert_eq!(read(&[""]), [""; 0]);
    }
}
