//! Files that break their own syntax.

use mystocks_config::ErrorKind::{self, InvalidValue, Malformed, UnknownKey};
use mystocks_config::Loader;
use tempfile::TempDir;

use crate::{PORT, check};

#[test]
fn lines_that_are_no_dotenv() {
    let no_equals = "NAME=value, a comment or an empty line";
    let no_name = "a name of letters, digits and _ before the =";
    let cases: [(&[u8], usize, &str, &str); 11] = [
        (b"\nREDIS_PORT 6379\n", 2, "-", no_equals),
        (b"export REDIS_PORT", 1, "-", no_equals),
        (b"=value", 1, "-", no_name),
        (b"A=1\n{\"a\"=1}", 2, "-", no_name),
        (b"A=1\nREDIS_HOST=\"abc\nB=2\n", 2, "REDIS_HOST", "a closing quote"),
        (b"A=1\nREDIS_HOST='abc", 2, "REDIS_HOST", "a closing quote"),
        (b"REDIS_HOST='a' b", 1, "REDIS_HOST", "nothing but a # comment after the closing quote"),
        (b"A=1\nB=\xff\xfe\nC=3", 2, "-", "UTF-8 text"),
        (b"A=1\r\nB=2\r\nREDIS_HOST=a\0b", 3, "-", "no NUL byte"),
        (b"REDIS_HOST=a\x07b", 1, "REDIS_HOST", "a value without control characters"),
        (b"A='two\nlines'\nB", 3, "-", no_equals),
    ];
    for (bytes, line, key, expected) in cases {
        check(".env", bytes, line, Malformed, key, expected);
    }
}

#[test]
fn a_line_of_ten_megabytes() {
    let mut bytes = b"REDIS_PORT=6379\nREDIS_HOST=".to_vec();
    bytes.resize(10 << 20, b'x');
    for file in [".env", "mystocks.toml"] {
        check(file, &bytes, 2, Malformed, "-", "a line of at most 65536 bytes");
    }
}

#[test]
fn files_that_are_no_flat_toml() {
    let syntax = "TOML, one KEY = \"value\" a line and no key twice";
    let unknown = "a key of docs/configuration.md";
    let scalar = "a text, a number, true or false";
    let twice = "the key once, not in upper case and in lower case";
    let deep = format!("REDIS_HOST = {}", "[".repeat(10_000));
    let cases: [(&[u8], usize, ErrorKind, &str, &str); 10] = [
        (b"# x\nREDIS_PORT = \n", 2, Malformed, "-", syntax),
        (b"REDIS_PORT = 1\nREDIS_PORT = 2\n", 2, Malformed, "-", syntax),
        (b"REDIS_PORT = 99999999999999999999", 1, Malformed, "-", syntax),
        (b"\n\xff", 2, Malformed, "-", "UTF-8 text"),
        (deep.as_bytes(), 1, Malformed, "-", syntax),
        (b"\n[redis]\nport = 1", 2, UnknownKey, "redis", unknown),
        (b"\nREDIS_HOST = [\"a\"]", 2, InvalidValue, "REDIS_HOST", scalar),
        (b"REDIS_HOST = 2020-01-01", 1, InvalidValue, "REDIS_HOST", scalar),
        (b"REDIS_PORT = 1\nredis_port = 1", 2, Malformed, "REDIS_PORT", twice),
        (b"REDIS_DB = 1\n \"REDIS_PORT\"= -1", 2, InvalidValue, "REDIS_PORT", PORT),
    ];
    for (bytes, line, kind, key, expected) in cases {
        check("mystocks.toml", bytes, line, kind, key, expected);
    }
}

#[test]
fn every_problem_of_every_source_is_reported_at_once() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("mystocks.toml"), "REDIS_CACHE_TTL = 0\n").unwrap();
    std::fs::write(folder.path().join(".env"), "oops\nREDIS_PORT=x\n").unwrap();
    let loader = Loader::in_folder(folder.path()).environment([("REDIS_DB", "tcp")]);
    let error = loader.load().unwrap_err();
    let inside = format!("{}/", folder.path().display());
    let wanted = "load settings: line 1 of .env: malformed, expected NAME=value, a comment or an empty line; \
        REDIS_PORT in line 2 of .env: invalid value, expected a port number from 1 to 65535; \
        REDIS_DB in the environment: invalid value, expected a database number such as 0 or 1; \
        REDIS_CACHE_TTL in line 1 of mystocks.toml: invalid value, expected a time of at least 1 ms and at most 36500d, \
        such as 30 (seconds), 500ms, 30s, 5m, 1h or 1d";
    assert_eq!(error.to_string().replace(&inside, ""), wanted);
    assert_eq!(error.kind(), Malformed);
    assert!(!error.is_retryable());
}
