//! The one list of configuration keys.

/// A configuration key: its name, its older name, its default and its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyInfo {
    /// The name, upper-case.
    pub name: &'static str,
    /// An older name that is accepted too; `name` wins when both are given.
    pub alias: Option<&'static str>,
    /// The default as text; empty means none.
    pub default: &'static str,
    /// One line that says what the key is for.
    pub meaning: &'static str,
}

/// What `REDIS_URL` is when nobody gives one: the parts.
pub(crate) const URL_OF_PARTS: &str = "redis://${REDIS_HOST}:${REDIS_PORT}/${REDIS_DB}";

/// The key whose environment value is taken as it is.
pub(crate) const PASSWORD: &str = "REDIS_PASSWORD";

/// Every key, in the order of `.env.example`.
pub static KEYS: &[KeyInfo] = &[
    key("REDIS_HOST", "localhost", "Host name or IP address of the Redis server."),
    key("REDIS_PORT", "6379", "Port of the Redis server, 1 to 65535."),
    key(PASSWORD, "", "Password of the Redis server; empty means none."),
    key("REDIS_DB", "1", "Number of the Redis database."),
    key("REDIS_URL", URL_OF_PARTS, "Address in one text; wins over the parts above for what it spells out."),
    key(
        "REDIS_APP_CACHE_DB",
        "",
        "Number of the Redis database; wins over REDIS_DB and over the one in REDIS_URL.",
    ),
    key("REDIS_MAX_CONNECTIONS", "50", "Most dedicated connections of one process, 1 to 10000."),
    key("REDIS_SOCKET_TIMEOUT", "5", "Longest time one command may take."),
    key("REDIS_SOCKET_CONNECT_TIMEOUT", "5", "Longest time connecting may take."),
    key("REDIS_DECODE_RESPONSES", "true", "Accepted for the Python side, without effect here."),
    key("REDIS_CACHE_TTL", "3600", "Life of a cache entry when the caller names no other."),
    key("REDIS_CACHE_PREFIX", "mystocks:", "Text every cache key begins with."),
    switch(
        "REDIS_ENABLE_CACHE",
        "ENABLE_CACHE",
        "Whether the cache uses Redis; off: this process and computation only.",
    ),
    key("REDIS_PUBSUB_CHANNEL_PREFIX", "mystocks:", "Text every channel name begins with."),
    switch(
        "REDIS_ENABLE_PUBSUB",
        "ENABLE_PUBSUB",
        "Whether the bus uses Redis; off: events stay within this process.",
    ),
    key("REDIS_LOCK_PREFIX", "mystocks:lock:", "Text every lock key begins with."),
    key("REDIS_LOCK_DEFAULT_TIMEOUT", "30", "Time a lock is held when the caller names no other."),
    switch(
        "REDIS_ENABLE_LOCK",
        "ENABLE_LOCK",
        "Whether locks use Redis; off: they exclude within this process only.",
    ),
    key("REDIS_SESSION_PREFIX", "mystocks:session:", "Text every session key begins with."),
    key("REDIS_SESSION_TTL", "86400", "Life of a session."),
    key("CELERY_BROKER_URL", "", "Celery's broker; handed on, never used here."),
    key("CELERY_RESULT_BACKEND", "", "Celery's result backend; handed on, never used here."),
    key(
        "REDIS_FIXATION_INTERVAL_SECONDS",
        "300",
        "Time between two write-throughs of hot data to durable storage.",
    ),
];

const fn key(name: &'static str, default: &'static str, meaning: &'static str) -> KeyInfo {
    KeyInfo { name, alias: None, default, meaning }
}

const fn switch(name: &'static str, alias: &'static str, meaning: &'static str) -> KeyInfo {
    KeyInfo { name, alias: Some(alias), default: "true", meaning }
}

/// Returns the key of this exact name or alias.
pub(crate) fn find(name: &str) -> Option<&'static KeyInfo> {
    KEYS.iter().find(|key| key.name == name || key.alias == Some(name))
}

/// Returns the upper-case name when it is one of ours (a key, an alias, any `REDIS_…`), else the name as it is.
pub(crate) fn canonical(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    if upper.starts_with("REDIS_") || find(&upper).is_some() { upper } else { name.to_string() }
}

/// Returns the real key a misspelt name most likely means.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    // The beginning that all names share would make any two of them look alike.
    let stem = |name: &str| name.trim_start_matches("REDIS_").to_ascii_uppercase();
    let wanted: String = stem(name).chars().take(64).collect();
    KEYS.iter()
        .map(|key| {
            let likeness = strsim::normalized_damerau_levenshtein(&wanted, &stem(key.name));
            (likeness, key.name)
        })
        .filter(|(likeness, _)| *likeness >= 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// Returns whether a `REDIS_…` variable that is no key belongs to somebody else and is left alone.
///
/// These are `REDIS_SERVER_BIN` of the test runner, and what Kubernetes and Docker links set in every container for a service
/// called `redis` or `redis-something`.
pub(crate) fn belongs_to_others(name: &str, value: &str) -> bool {
    let link = |protocol: &str| {
        name.split_once("_PORT_").is_some_and(|(_, rest)| {
            rest.starts_with(|c: char| c.is_ascii_digit()) && rest.contains(protocol)
        })
    };
    name == "REDIS_SERVER_BIN"
        || name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || link("_TCP")
        || link("_UDP")
        || (name.ends_with("_PORT") && value.starts_with("tcp://"))
}
