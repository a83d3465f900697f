//! Commands that would harm everybody else on a shared connection.

use redis::{Arg, Cmd};

/// Returns the name of a command that must not run on a shared connection: it blocks it, or changes what it is.
pub(crate) fn needs_own_connection(command: &Cmd) -> Option<&'static str> {
    let mut arguments = command.args_iter();
    let Some(Arg::Simple(name)) = arguments.next() else {
        return None;
    };
    let candidates: &[&'static str] = match name.first().map(u8::to_ascii_uppercase) {
        Some(b'B') => &["BLPOP", "BRPOP", "BLMOVE", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP", "BRPOPLPUSH"],
        Some(b'W') => &["WATCH", "WAIT", "WAITAOF"],
        Some(b'M') => &["MULTI", "MONITOR"],
        Some(b'S') => &["SELECT", "SUBSCRIBE", "SSUBSCRIBE", "SUNSUBSCRIBE", "SHUTDOWN", "SYNC"],
        Some(b'P') => &["PSUBSCRIBE", "PUNSUBSCRIBE", "PSYNC"],
        Some(b'U') => &["UNSUBSCRIBE"],
        Some(b'C') => &["CLIENT"],
        Some(b'A') => &["AUTH"],
        Some(b'H') => &["HELLO"],
        Some(b'Q') => &["QUIT"],
        Some(b'R') => &["RESET"],
        Some(b'X') => &["XREAD", "XREADGROUP"],
        _ => return None,
    };
    let found = *candidates.iter().find(|candidate| name.eq_ignore_ascii_case(candidate.as_bytes()))?;
    if found == "CLIENT" {
        // Without its replies every later caller would get the answer of another.
        let word = arguments.next();
        let changes = ["REPLY", "TRACKING", "CACHING", "NO-EVICT", "NO-TOUCH", "SETNAME"].iter().any(
            |change| matches!(word, Some(Arg::Simple(word)) if word.eq_ignore_ascii_case(change.as_bytes())),
        );
        return changes.then_some(found);
    }
    if !found.starts_with('X') {
        return Some(found);
    }
    // Reading a stream blocks only when asked to; after STREAMS come names, which may read "block".
    let blocks = arguments
        .map_while(|argument| match argument {
            Arg::Simple(word) if !word.eq_ignore_ascii_case(b"STREAMS") => Some(word),
            _ => None,
        })
        .any(|word| word.eq_ignore_ascii_case(b"BLOCK"));
    blocks.then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(words: &[&str]) -> Option<&'static str> {
        let mut command = Cmd::new();
        command.arg(words);
        needs_own_connection(&command)
    }

    #[test]
    fn refuses_what_blocks_or_changes_the_connection_and_nothing_else() {
        assert_eq!(verdict(&["blpop", "q", "0"]), Some("BLPOP"));
        assert_eq!(verdict(&["SELECT", "3"]), Some("SELECT"));
        assert_eq!(verdict(&["MULTI"]), Some("MULTI"));
        let blocking = ["XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS"];
        assert_eq!(verdict(&blocking), Some("XREADGROUP"));
        assert_eq!(verdict(&["client", "reply", "SKIP"]), Some("CLIENT"));
        assert_eq!(verdict(&["CLIENT", "tracking", "ON"]), Some("CLIENT"));
        assert_eq!(verdict(&["CLIENT", "CACHING", "YES"]), Some("CLIENT"));
        // Its answers are as many as its channels.
        assert_eq!(verdict(&["UNSUBSCRIBE", "a", "b"]), Some("UNSUBSCRIBE"));
        assert_eq!(verdict(&["UNLINK", "a"]), None);
        assert_eq!(verdict(&["CLIENT", "ID"]), None);
        assert_eq!(verdict(&["XREAD", "COUNT", "1", "STREAMS", "block"]), None);
        for harmless in ["SET", "GET", "MGET", "MSET", "PING", "PTTL", "XADD", "SCAN", "HGET"] {
            assert_eq!(verdict(&[harmless, "x"]), None, "{harmless}");
        }
        assert_eq!(verdict(&[]), None);
    }
}
