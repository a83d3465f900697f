//! The same values in Rust and in a Python interpreter: equal texts, equal digests.
//!
//! The interpreter is `$PYTHON`, else `python3` from PATH. Without one nothing is compared, which is said on stderr; with
//! `MYSTOCKS_REQUIRE_PYTHON=1` that is a failure.

mod random_json;

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::process::{Command, Stdio};

use fastrand::Rng;
use mystocks_keys::{Json, digest8};

const VALUES: usize = 2_000;

#[test]
fn python_writes_reads_and_digests_the_same() {
    let mut rng = Rng::with_seed(random_json::seed());
    let values: Vec<Json> = (0..VALUES).map(|_| random_json::value(&mut rng, 4, true)).collect();
    let Some(answers) = ask_python(&values) else {
        return;
    };
    let answers: Vec<&str> = answers.lines().collect();
    assert_eq!(answers.len(), VALUES);
    let mut read_back = 0;
    for (value, answer) in values.iter().zip(answers) {
        let fields: Vec<&str> = answer.split('\t').collect();
        let [dumps, sorted, digest, other] = fields[..] else {
            panic!("four fields, not {answer:?}");
        };
        assert_eq!(value.dumps(), dumps);
        assert_eq!(value.dumps_sorted(), sorted);
        assert_eq!(digest8(value), digest);
        assert_eq!(Json::parse(dumps.as_bytes()).as_ref(), Ok(value));
        if other != "-" {
            assert_eq!(Json::parse(&unhex(other)).as_ref(), Ok(value));
            read_back += 1;
        }
    }
    assert!(read_back > VALUES / 2, "only {read_back} values had a spelling in UTF-8");
}

fn ask_python(values: &[Json]) -> Option<String> {
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let spawned = Command::new(&python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python_peer.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match spawned {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let required = std::env::var_os("MYSTOCKS_REQUIRE_PYTHON").is_some_and(|value| value == "1");
            assert!(!required, "no python3: install one or point $PYTHON at it");
            // Straight to stderr: the test harness would keep what is printed from a green run's output.
            let said = b"mystocks-keys: NOT COMPARED with Python: no python3 on PATH and no $PYTHON\n";
            std::io::stderr().write_all(said).expect("stderr is open");
            return None;
        }
        spawned => spawned.expect("python3 starts"),
    };
    let mut lines = String::new();
    for value in values {
        tokens(&mut lines, value);
        lines.pop();
        lines.push('\n');
    }
    // The peer reads everything before it answers, or both would wait on full pipes.
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = child.wait_with_output().expect("python3 ends");
    let written = writer.join().expect("the writer does not panic");
    written.expect("the peer reads all of its input");
    assert!(output.status.success(), "the peer failed: {}", output.status);
    Some(String::from_utf8(output.stdout).expect("the peer answers in ASCII"))
}

fn tokens(out: &mut String, value: &Json) {
    match value {
        Json::Null => out.push_str("n "),
        Json::Bool(value) => out.push_str(if *value { "t " } else { "f " }),
        Json::Int(number) => {
            write!(out, "i{number} ").expect("a String takes all");
        }
        Json::Float(number) => {
            write!(out, "d{:016x} ", number.to_bits()).expect("a String takes all");
        }
        Json::Str(text) => units(out, text.encode_utf16()),
        Json::Utf16(text) => units(out, text.units().iter().copied()),
        Json::Array(items) => {
            write!(out, "[{} ", items.len()).expect("a String takes all");
            items.iter().for_each(|item| tokens(out, item));
        }
        Json::Object(fields) => {
            write!(out, "{{{} ", fields.len()).expect("a String takes all");
            for (name, value) in fields {
                units(out, name.encode_utf16());
                tokens(out, value);
            }
        }
    }
}

fn units(out: &mut String, units: impl Iterator<Item = u16>) {
    out.push('s');
    units.for_each(|unit| write!(out, "{unit:04x}").expect("a String takes all"));
    out.push(' ');
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("the peer answers in hex");
    (0..text.len()).step_by(2).map(byte).collect()
}
