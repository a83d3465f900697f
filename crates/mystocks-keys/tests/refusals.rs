//! What is refused, with the words it is refused with.

use mystocks_keys::{ChannelName, InvalidKey, InvalidKeyKind as Kind, Json, Keyspace, Prefixes};

/// Builds a name with `text` somewhere in it.
type Build = fn(&Keyspace, &str) -> Option<InvalidKey>;

const SEGMENTS: [(&str, Build); 13] = [
    ("stock code", |k, t| k.indicator(t, "SMA", &Json::Null).err()),
    ("indicator code", |k, t| k.indicator("600519", t, &Json::Null).err()),
    ("stock code", |k, t| k.lock_indicator(t, "SMA", &Json::Null).err()),
    ("indicator code", |k, t| k.lock_indicator("600519", t, &Json::Null).err()),
    ("task id", |k, t| k.lock_task(t).err()),
    ("resource type", |k, t| k.lock_resource(t, "1").err()),
    ("resource id", |k, t| k.lock_resource("portfolio", t).err()),
    ("session id", |k, t| k.session(t).err()),
    ("user digest", |k, t| k.session_user(t).err()),
    ("cache name", |k, t| k.own(t, &["a"], None).err()),
    ("key part", |k, t| k.own("bars", &["a", t], Some(&Json::Null)).err()),
    ("task id", |k, t| k.channel(ChannelName::Task(t)).err()),
    ("stock code", |k, t| k.channel(ChannelName::MarketOf(t)).err()),
];

const PATHS: [(&str, Build); 4] = [
    ("cache key", |k, t| k.entry(t).err()),
    ("endpoint", |k, t| k.api(t, &Json::Null).err()),
    ("lock name", |k, t| k.lock(t).err()),
    ("channel name", |k, t| k.channel_named(t).err()),
];

const PATTERN: (&str, Build) = ("pattern", |k, t| k.pattern(t).err());

/// (text, as the message shows it, rule, piece of the message)
type Case = (&'static str, &'static str, Kind, &'static str);

const IN_EVERY_NAME: [Case; 15] = [
    ("", "", Kind::Empty, "it is empty; give at least one character"),
    ("a{b", "a{b", Kind::Brace, "leave out '{' and '}'"),
    ("a}b", "a}b", Kind::Brace, "decides the slot in Redis Cluster"),
    ("{a}", "{a}", Kind::Brace, "it holds a brace"),
    ("a\nb", "a\\nb", Kind::Control, "it holds a control character; leave it out"),
    ("a\r\nDEL x", "a\\r\\nDEL x", Kind::Control, "it holds a control character"),
    ("\0", "\\0", Kind::Control, "it holds a control character"),
    ("a\u{1b}[2J", "a\\u{1b}[2J", Kind::Control, "it holds a control character"),
    ("a\u{7f}", "a\\u{7f}", Kind::Control, "it holds a control character"),
    ("a\u{85}", "a\\u{85}", Kind::Control, "it holds a control character"),
    ("a*", "a*", Kind::Glob, "it holds a glob character"),
    ("a?b", "a?b", Kind::Glob, "leave out '*', '?', '[', ']' and '\\'"),
    ("a[b", "a[b", Kind::Glob, "it holds a glob character"),
    ("a]b", "a]b", Kind::Glob, "it holds a glob character"),
    ("a\\b", "a\\\\b", Kind::Glob, "it holds a glob character"),
];

const IN_PATHS: [Case; 4] = [
    (":a", ":a", Kind::Empty, "it has an empty segment"),
    ("a:", "a:", Kind::Empty, "separate segments by single colons"),
    ("a::b", "a::b", Kind::Empty, "none at the ends"),
    (":", ":", Kind::Empty, "it has an empty segment"),
];

const IN_PATTERNS: [Case; 11] = [
    ("", "", Kind::Empty, "it is empty"),
    ("a::*", "a::*", Kind::Empty, "it has an empty segment"),
    ("*:", "*:", Kind::Empty, "it has an empty segment"),
    ("{a}*", "{a}*", Kind::Brace, "it holds a brace"),
    ("a\n*", "a\\n*", Kind::Control, "it holds a control character"),
    ("a\\", "a\\\\", Kind::Glob, "lone backslash; write '\\\\'"),
    ("*\\\\\\", "*\\\\\\\\\\\\", Kind::Glob, "lone backslash"),
    ("[ab", "[ab", Kind::Glob, "it opens '[' and never closes it; write '\\['"),
    ("[a\\]", "[a\\\\]", Kind::Glob, "it opens '[' and never closes it"),
    ("*a*a*a*a*a*a*a*a*", "*a*a*a*a*a*a*a*a*", Kind::Glob, "more than 8 stars"),
    ("*********", "*********", Kind::Glob, "more than 8 stars"),
];

fn check(build: (&str, Build), (text, shown, kind, piece): Case) {
    let (part, build) = build;
    let Some(error) = build(&Keyspace::default(), text) else {
        panic!("{part} {text:?} was not refused");
    };
    let message = error.to_string();
    assert_eq!((error.kind(), error.part()), (kind, part), "{message}");
    let start = format!("use the {part} \"{shown}\": ");
    assert!(message.starts_with(&start), "{message:?} does not start with {start:?}");
    assert!(message.contains(piece), "{message:?} lacks {piece:?}");
    assert!(!error.is_retryable());
}

#[test]
fn every_segment_refuses_the_whole_table() {
    let colon: Case = ("60:05", "60:05", Kind::Colon, "give a text without ':'");
    for segment in SEGMENTS {
        for case in IN_EVERY_NAME.into_iter().chain([colon]) {
            check(segment, case);
        }
    }
}

#[test]
fn every_path_refuses_the_whole_table() {
    for path in PATHS {
        for case in IN_EVERY_NAME.into_iter().chain(IN_PATHS) {
            check(path, case);
        }
    }
}

#[test]
fn patterns_refuse_what_is_malformed_or_dear() {
    for case in IN_PATTERNS {
        check(PATTERN, case);
    }
    let keys = Keyspace::default();
    for glob in ["*", "indicator:600519:*", "a\\*", "[a-c]?", "[*********]", "*a*a*a*a*a*a*a*"] {
        assert_eq!(keys.pattern(glob).unwrap().as_str(), format!("mystocks:{glob}"));
    }
}

#[test]
fn entries_cannot_reach_other_namespaces() {
    let keys = Keyspace::default();
    for (key, under) in
        [("lock:report", "mystocks:lock:"), ("session:f00", "mystocks:session:"), ("own:bars:600519", "own:")]
    {
        let error = keys.entry(key).unwrap_err();
        assert_eq!(error.kind(), Kind::Reserved);
        assert_eq!(
            error.to_string(),
            format!(
                "use the cache key \"{key}\": it would lie under \"{under}\", which is reserved; \
                 choose another first segment"
            )
        );
    }
}

#[test]
fn names_are_bounded() {
    let keys = Keyspace::default();
    let longest = "x".repeat(512 - "mystocks:".len());
    assert_eq!(keys.entry(&longest).unwrap().as_str().len(), 512);
    let too_long = format!("{longest}x");
    for build in [PATHS[0], PATHS[1], PATHS[2], PATHS[3], SEGMENTS[0], SEGMENTS[7], SEGMENTS[10], PATTERN] {
        let message = build.1(&keys, &too_long).unwrap().to_string();
        assert!(message.contains("bytes; keep it within 512"), "{message}");
        assert!(message.len() < 200, "the text shown is bounded: {message}");
        assert!(message.contains(&format!("\"{}…\"", "x".repeat(60))), "{message}");
    }
    let message = keys.entry(&too_long).unwrap_err().to_string();
    assert!(message.contains("the whole name would have 513 bytes"), "{message}");
}

#[test]
fn own_keys_refuse_what_could_be_two_things() {
    let keys = Keyspace::default();
    let digest = "afee8c7d15bf47700aaab5a0a85faad0";
    let error = keys.own("bars", &["a", digest], None).unwrap_err();
    assert_eq!(error.kind(), Kind::Ambiguous);
    assert!(error.to_string().contains("it reads like the digest of parameters"), "{error}");
    assert!(keys.own("bars", &[digest, "a"], None).is_ok());
    assert!(keys.own("bars", &["a", digest], Some(&Json::Null)).is_ok());
    assert_eq!(keys.own("bars", &[""; 0], None).unwrap_err().kind(), Kind::Empty);
}

#[test]
fn prefixes_are_held_to_the_same_rules() {
    let with = |change: fn(&mut Prefixes)| {
        let mut prefixes = Prefixes::default();
        change(&mut prefixes);
        Keyspace::new(prefixes).unwrap_err()
    };
    for (error, kind, piece) in [
        (with(|p| p.cache = String::new()), Kind::Empty, "use the cache prefix \"\": it is empty"),
        (with(|p| p.cache = ":".into()), Kind::Empty, "use the cache prefix"),
        (with(|p| p.bus = "a::".into()), Kind::Empty, "use the bus prefix \"a::\": it has an empty segment"),
        (with(|p| p.lock = "{lock}:".into()), Kind::Brace, "use the lock prefix \"{lock}:\""),
        (with(|p| p.session = "s*:".into()), Kind::Glob, "use the session prefix \"s*:\""),
        (with(|p| p.session = "s\t:".into()), Kind::Control, "use the session prefix \"s\\t:\""),
        (with(|p| p.cache = "x".repeat(129)), Kind::TooLong, "it has 129 bytes; keep a prefix within 128"),
        (with(|p| p.lock = p.cache.clone()), Kind::Ambiguous, "use the lock prefix \"mystocks:\""),
        (with(|p| p.session = p.cache.clone()), Kind::Ambiguous, "the session prefix \"mystocks:\" overlap"),
        (with(|p| p.session = "my".into()), Kind::Ambiguous, "overlap"),
        (
            with(|p| {
                p.lock = "zz:lock:".into();
                p.session = "my".into();
            }),
            Kind::Ambiguous,
            "the cache prefix \"mystocks:\" overlap",
        ),
        (
            with(|p| p.session = p.lock.clone()),
            Kind::Ambiguous,
            "the session prefix \"mystocks:lock:\" overlap",
        ),
        (with(|p| p.session = "mystocks:lock:s:".into()), Kind::Ambiguous, "overlap"),
        (
            with(|p| p.lock = "mystocks:own:".into()),
            Kind::Ambiguous,
            "the cache family \"mystocks:own:\" overlap",
        ),
        (with(|p| p.lock = "mystocks:indicator:calc:".into()), Kind::Ambiguous, "\"mystocks:indicator:\""),
        (with(|p| p.session = "mystocks:a".into()), Kind::Ambiguous, "\"mystocks:api:\""),
    ] {
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(piece), "{error} lacks {piece:?}");
    }
}
