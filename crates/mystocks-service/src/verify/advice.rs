//! One sentence for each way a server refuses.

use std::fmt::Display;

use super::ANSWER;
use super::links::Links;

/// Says that `what` (a clause: "the server did not take the entry") is so because of `error`, and what mends it.
pub(super) fn sentence(links: &Links, what: &str, error: &impl Display) -> String {
    let (text, place) = (error.to_string(), &links.place);
    let has = |mark: &str| text.contains(mark);
    if has("READONLY") {
        format!("{what}: {place} is a read-only replica; point REDIS_HOST or REDIS_URL at its primary")
    } else if has("NOPERM") {
        let user = links.settings.redis.username.as_deref().unwrap_or("default");
        let prefixes = links.keyspace.prefixes();
        format!(
            "{what}: the user {user} may not ({}); allow it in the server's ACL: writing commands \
             and scripts on keys ~{}* and ~{{*, channels &{}*",
            from(&text, "NOPERM"),
            prefixes.cache,
            prefixes.bus
        )
    } else if has("OOM") {
        format!(
            "{what}: {place} is full; raise its maxmemory, or give it an eviction policy such as volatile-lru"
        )
    } else if has("MISCONF") {
        format!("{what}: {place} refuses writes because it cannot save to its disk; its log says why")
    } else if has("no answer in time") || has("not known") || has("timed out") {
        format!("{what}: no answer from {place} within {} s; it hangs or is overloaded", ANSWER.as_secs())
    } else {
        format!("{what}: {text}")
    }
}

/// Returns `text` from `mark` on, where the server's own words begin.
fn from<'a>(text: &'a str, mark: &str) -> &'a str {
    text.find(mark).and_then(|at| text.get(at..)).unwrap_or(text)
}
