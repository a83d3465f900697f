//! One spelling for each query.

use std::fmt::Write as _;

/// Returns the canonical spelling of `query`: pairs percent-decoded, sorted by name, and encoded again.
///
/// Values of one name keep their order, for it may matter to who reads them. `+` stays `+`: whether it means a space is not
/// known here. A query with a `%` that begins no escape stays as it is.
pub(crate) fn canonical(query: &str) -> String {
    let pairs = query.as_bytes().split(|byte| *byte == b'&').map(pair);
    let Some(mut pairs) = pairs.collect::<Option<Vec<_>>>() else {
        // No canonical spelling has such a '%', so it cannot be mistaken for one.
        return query.to_owned();
    };
    pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut text = String::with_capacity(query.len());
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            text.push('&');
        }
        encode(name, &mut text);
        if let Some(value) = value {
            text.push('=');
            encode(value, &mut text);
        }
    }
    text
}

/// A decoded character, where an escaped `+` is another than the bare one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Byte(u8),
    Plus,
}

type Pair = (Vec<Unit>, Option<Vec<Unit>>);

fn pair(text: &[u8]) -> Option<Pair> {
    let mut halves = text.splitn(2, |byte| *byte == b'=');
    let name = decode(halves.next().unwrap_or_default())?;
    let value = halves.next().map(decode);
    match value {
        Some(value) => Some((name, Some(value?))),
        None => Some((name, None)),
    }
}

fn decode(text: &[u8]) -> Option<Vec<Unit>> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut units = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        units.push(match byte {
            b'%' => {
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                Unit::Byte(u8::try_from(high * 16 + low).ok()?)
            }
            b'+' => Unit::Plus,
            byte => Unit::Byte(*byte),
        });
    }
    Some(units)
}

fn encode(units: &[Unit], text: &mut String) {
    for unit in units {
        match unit {
            Unit::Plus => text.push('+'),
            Unit::Byte(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) => {
                text.push(char::from(*byte));
            }
            Unit::Byte(byte) => {
                // Writing to a string does not fail.
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn equal_queries_are_spelled_alike() {
        for (query, expected) in [
            ("b=2&a=1", "a=1&b=2"),
            ("a=%41%7e%2f/", "a=A~%2F%2F"),
            ("%61=1", "a=1"),
            ("a=2&b=x&a=1", "a=2&a=1&b=x"),
            ("a=b=c", "a=b%3Dc"),
            ("a=%C3%A9", "a=%C3%A9"),
            ("", ""),
        ] {
            assert_eq!(canonical(query), expected);
        }
    }

    #[test]
    fn different_queries_stay_different() {
        let queries = [
            "a=1&a=2", "a=2&a=1", "a", "a=", "a&", "a+b", "a%2Bb", "a%20b", "a=1%262", "a=1&2", "a%3Db=c",
            "a=b=c", "%zz", "%25zz", "%", "%25", "%%41%42", "%AB", "",
        ];
        let mut spelled: Vec<String> = queries.iter().map(|query| canonical(query)).collect();
        spelled.sort();
        spelled.dedup();
        assert_eq!(spelled.len(), queries.len());
    }

    type Model = Vec<(Vec<u8>, Option<Vec<u8>>)>;

    fn pairs() -> impl Strategy<Value = Model> {
        let text = prop::collection::vec(prop::sample::select(b"ab&=+%/ \xff".to_vec()), 0..3);
        prop::collection::vec((text.clone(), prop::option::of(text)), 0..4)
    }

    /// Spells the model, each byte escaped or bare as `escape` has it.
    fn spell(model: &Model, mut escape: impl FnMut() -> bool) -> String {
        let mut half = |bytes: &[u8]| -> String {
            bytes
                .iter()
                .map(|byte| match byte {
                    b'a' | b'b' | b'/' if !escape() => char::from(*byte).to_string(),
                    byte => format!("%{byte:02x}"),
                })
                .collect()
        };
        let pairs = model.iter().map(|(name, value)| match value {
            Some(value) => format!("{}={}", half(name), half(value)),
            None => half(name),
        });
        pairs.collect::<Vec<_>>().join("&")
    }

    /// What a query says whatever its spelling: the values of each name, in order.
    fn meaning(model: &Model) -> BTreeMap<Vec<u8>, Vec<Option<Vec<u8>>>> {
        let mut meaning = BTreeMap::<_, Vec<_>>::new();
        // The empty query and one empty pair are the same text.
        let empty = vec![(Vec::new(), None)];
        for (name, value) in if model.is_empty() { &empty } else { model } {
            meaning.entry(name.clone()).or_default().push(value.clone());
        }
        meaning
    }

    proptest! {
        #[test]
        fn any_text_has_one_spelling_that_stays(query in "([ab&=+%/0-9A-F]|\\PC){0,12}") {
            let once = canonical(&query);
            prop_assert_eq!(canonical(&once), once);
        }

        #[test]
        fn two_queries_are_spelled_alike_exactly_when_they_say_the_same(
            one in pairs(), other in pairs(), bits in prop::collection::vec(any::<bool>(), 1..20),
        ) {
            let mut bits = bits.into_iter().cycle();
            let alike = canonical(&spell(&one, || bits.next().unwrap_or(true))) == canonical(&spell(&other, || false));
            prop_assert_eq!(alike, meaning(&one) == meaning(&other));
        }

        #[test]
        fn the_order_of_names_does_not_matter(model in pairs(), swaps in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
            let mut other = model.clone();
            for swap in swaps {
                let at = if other.len() < 2 { continue } else { swap.index(other.len() - 1) };
                if other[at].0 != other[at + 1].0 {
                    other.swap(at, at + 1);
                }
            }
            prop_assert_eq!(canonical(&spell(&model, || true)), canonical(&spell(&other, || false)));
        }
    }
}
