//! Arbitrary bytes never panic the reader, and what it accepts it writes and reads again.

mod random_json;

use fastrand::Rng;
use mystocks_keys::{Json, JsonErrorKind};
use proptest::prelude::*;

const ROUNDS: usize = 200_000;

#[test]
fn mutated_json_never_panics_and_agrees_with_another_reader() {
    let mut rng = Rng::with_seed(random_json::seed());
    let mut accepted = 0;
    let mut text = Vec::new();
    for round in 0..ROUNDS {
        if round % 20 == 0 {
            text = random_json::value(&mut rng, 4, true).dumps().into_bytes();
        }
        let mut mutant = text.clone();
        for _ in 0..rng.usize(0..4) {
            mutate(&mut rng, &mut mutant);
        }
        accepted += usize::from(check(&mutant));
    }
    assert!(accepted > ROUNDS / 10, "only {accepted} texts were JSON: the mutations are too wild");
    assert!(accepted < ROUNDS * 9 / 10, "{accepted} texts were JSON: the mutations are too tame");
}

fn check(text: &[u8]) -> bool {
    let told = || String::from_utf8_lossy(text).into_owned();
    let other = serde_json::from_slice::<serde_json::Value>(text);
    match Json::parse(text) {
        Ok(value) => {
            assert_eq!(Json::parse(value.dumps().as_bytes()).as_ref(), Ok(&value), "{}", told());
            assert_eq!(value.dumps_sorted().len(), value.dumps().len(), "{}", told());
            // The other reader knows neither of these.
            let dialect = [&b"NaN"[..], b"Infinity", b"\\u", b"e", b"E"];
            let is_dialect = dialect.iter().any(|word| text.windows(word.len()).any(|at| at == *word));
            assert!(other.is_ok() || is_dialect, "accepted what is not JSON: {}", told());
            true
        }
        Err(error) => {
            assert!(error.at().is_some_and(|at| at <= text.len()), "{error}");
            let lone_name = error.kind() == JsonErrorKind::Unsupported;
            assert!(other.is_err() || lone_name, "refused JSON, {error}: {}", told());
            false
        }
    }
}

fn mutate(rng: &mut Rng, text: &mut Vec<u8>) {
    const BITS: [&[u8]; 20] = [
        b"\"",
        b"\\",
        b"\\u",
        b"\\ud800",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"-",
        b"0",
        b"1e999",
        b".5",
        b"NaN",
        b"-Infinity",
        b"null",
        b"\x00",
        b"\xff",
        b" ",
    ];
    let at = rng.usize(0..=text.len());
    match rng.u32(0..4) {
        0 => text.truncate(at),
        1 if at < text.len() => text[at] = rng.u8(..),
        2 if at < text.len() => drop(text.remove(at)),
        _ => drop(text.splice(at..at, BITS[rng.usize(0..BITS.len())].iter().copied())),
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&text);
    }

    #[test]
    fn arbitrary_text_of_json_letters_never_panics(text in "[\\[\\]{}\",:\\\\u0-9a-fNIntr.eE+\\- \n]{0,60}") {
        check(text.as_bytes());
    }
}
