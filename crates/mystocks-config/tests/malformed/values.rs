//! Values of the wrong type, misspelt keys, references.

use mystocks_config::ErrorKind::{InvalidValue, UnknownKey, Unresolved};
use mystocks_config::Loader;

use crate::{PORT, check, listed};

const DB: &str = "a database number such as 0 or 1";
const TIME: &str =
    "a time of at least 1 ms and at most 36500d, such as 30 (seconds), 500ms, 30s, 5m, 1h or 1d";
const PREFIX: &str =
    "1 to 128 bytes without spaces, control characters and { } * ? [ ] \\, something before every colon";
const CONNECTIONS: &str = "a whole number from 1 to 10000";
const SWITCH: &str = "true or false (also 1, 0, yes, no, on, off)";
const HOST: &str = "a host name or an IP address";

#[test]
fn values_of_the_wrong_type_or_out_of_range() {
    let long = format!("REDIS_LOCK_PREFIX={}", "x".repeat(129));
    let cases = [
        ("REDIS_PORT=abc", PORT),
        ("REDIS_PORT=70000", PORT),
        ("REDIS_PORT=-1", PORT),
        ("REDIS_PORT=+1", PORT),
        ("REDIS_PORT=0", PORT),
        ("REDIS_PORT=", PORT),
        ("REDIS_PORT=6379.0", PORT),
        ("REDIS_HOST=", HOST),
        ("REDIS_HOST=redis://localhost", HOST),
        ("REDIS_HOST=a b", HOST),
        ("REDIS_DB=-1", DB),
        ("REDIS_DB=one", DB),
        ("REDIS_DB=4294967296", DB),
        ("REDIS_APP_CACHE_DB=1.5", DB),
        ("REDIS_MAX_CONNECTIONS=0", CONNECTIONS),
        ("REDIS_MAX_CONNECTIONS=10001", CONNECTIONS),
        ("REDIS_MAX_CONNECTIONS=99999999999999999999999", CONNECTIONS),
        ("REDIS_CACHE_TTL=0", TIME),
        ("REDIS_CACHE_TTL=-5", TIME),
        ("REDIS_CACHE_TTL=0.0001", TIME),
        ("REDIS_CACHE_TTL=0.5ms", TIME),
        ("REDIS_CACHE_TTL=5 weeks", TIME),
        ("REDIS_CACHE_TTL=1e9", TIME),
        ("REDIS_CACHE_TTL=36501d", TIME),
        ("REDIS_CACHE_TTL=99999999999999999999", TIME),
        ("REDIS_CACHE_TTL=999999999999999999h", TIME),
        ("REDIS_CACHE_TTL=nan", TIME),
        ("REDIS_CACHE_TTL=５", TIME),
        ("REDIS_SOCKET_TIMEOUT=0s", TIME),
        ("REDIS_SOCKET_CONNECT_TIMEOUT=.", TIME),
        ("REDIS_LOCK_DEFAULT_TIMEOUT=0ms", TIME),
        ("REDIS_SESSION_TTL=s", TIME),
        ("REDIS_FIXATION_INTERVAL_SECONDS=0", TIME),
        ("REDIS_ENABLE_CACHE=maybe", SWITCH),
        ("ENABLE_LOCK=2", SWITCH),
        ("REDIS_DECODE_RESPONSES=", SWITCH),
        ("REDIS_CACHE_PREFIX=", PREFIX),
        ("REDIS_CACHE_PREFIX=:", PREFIX),
        ("REDIS_CACHE_PREFIX=a::", PREFIX),
        ("REDIS_CACHE_PREFIX=my{x}:", PREFIX),
        ("REDIS_LOCK_PREFIX=lock*:", PREFIX),
        ("REDIS_SESSION_PREFIX=a b", PREFIX),
        ("REDIS_PUBSUB_CHANNEL_PREFIX=\"a\\n\"", PREFIX),
        (long.as_str(), PREFIX),
    ];
    for (line, expected) in cases {
        let key = line.split('=').next().unwrap();
        let text = format!("# first\n\n{line}\nREDIS_ENABLE_PUBSUB=true\n");
        check(".env", text.as_bytes(), 3, InvalidValue, key, expected);
    }
}

#[test]
fn misspelt_keys() {
    let cases = [
        ("REDIS_PROT", "a key of docs/configuration.md, the nearest is REDIS_PORT"),
        ("redis_pasword", "a key of docs/configuration.md, the nearest is REDIS_PASSWORD"),
        ("REDIS_CASHE_TTL", "a key of docs/configuration.md, the nearest is REDIS_CACHE_TTL"),
        ("REDIS_MAX_CONECTIONS", "a key of docs/configuration.md, the nearest is REDIS_MAX_CONNECTIONS"),
        ("REDIS_XYZZY", "a key of docs/configuration.md"),
    ];
    for (name, expected) in cases {
        let key = name.to_uppercase();
        check(".env", format!("A=1\n{name}=1").as_bytes(), 2, UnknownKey, &key, expected);
        check("mystocks.toml", format!("\n\n{name} = 1").as_bytes(), 3, UnknownKey, &key, expected);
        let error = Loader::new().environment([(name, "1")]).load().unwrap_err();
        let wanted = (UnknownKey, key, "the environment".to_string(), expected.to_string());
        assert_eq!(listed(&error, ""), [wanted]);
    }
}

#[test]
fn references_that_cannot_be_filled_in() {
    let unclosed = "a } after every ${ (a ${ that is meant stands as $${)";
    let name = "a name of letters, digits and _ between ${ and }";
    let mut doubling = String::from("V0=\n");
    for i in 1..40 {
        doubling += &format!("V{i}=${{V{}}}${{V{}}}\n", i - 1, i - 1);
    }
    doubling += "CELERY_BROKER_URL=${V39}";
    let mut growing = format!("W0={}\n", "x".repeat(60_000));
    growing += "CELERY_BROKER_URL=${W0}${W0}";
    let cases = [
        ("\nREDIS_URL=redis://${REDIS_HOST", 2, "REDIS_URL", unclosed),
        ("REDIS_HOST=${}", 1, "REDIS_HOST", name),
        ("REDIS_HOST=${A B}", 1, "REDIS_HOST", name),
        (
            "REDIS_URL=redis://${REDIS_HOTS}/1",
            1,
            "REDIS_URL",
            "${REDIS_HOTS} to be defined, the nearest is REDIS_HOST",
        ),
        ("CELERY_BROKER_URL=${NOWHERE}", 1, "CELERY_BROKER_URL", "${NOWHERE} to be defined"),
        (
            "A=${B}\nB=${REDIS_HOST}\nREDIS_HOST=${A}",
            3,
            "REDIS_HOST",
            "no cycle of references (REDIS_HOST -> A -> B -> REDIS_HOST)",
        ),
        (
            "REDIS_CACHE_PREFIX=${REDIS_CACHE_PREFIX}x",
            1,
            "REDIS_CACHE_PREFIX",
            "no cycle of references (REDIS_CACHE_PREFIX -> REDIS_CACHE_PREFIX)",
        ),
        (&doubling, 41, "CELERY_BROKER_URL", "at most 256 references in all"),
        (&growing, 2, "CELERY_BROKER_URL", "at most 65536 bytes"),
    ];
    for (text, line, key, expected) in cases {
        check(".env", text.as_bytes(), line, Unresolved, key, expected);
    }
}

#[test]
fn the_port_of_a_kubernetes_service_is_explained() {
    let variables = [("REDIS_PORT", "tcp://10.0.0.1:6379")];
    let text = Loader::new().environment(variables).load().unwrap_err().to_string();
    assert!(text.contains("switch enableServiceLinks off"), "{text}");
}
