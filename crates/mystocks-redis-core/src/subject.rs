//! What a command is about, for errors: its name and key, never a value.

use redis::{Arg, Cmd, Pipeline};

use crate::script::ScriptRun;

/// Commands whose first argument is a key; of all others only the name is shown.
const KEYED: &[&str] = &[
    "APPEND",
    "DECR",
    "DEL",
    "EXISTS",
    "EXPIRE",
    "GET",
    "GETDEL",
    "GETEX",
    "HDEL",
    "HGET",
    "HGETALL",
    "HMGET",
    "HSET",
    "INCR",
    "INCRBY",
    "LLEN",
    "LPOP",
    "LPUSH",
    "LRANGE",
    "MGET",
    "MSET",
    "PERSIST",
    "PEXPIRE",
    "PEXPIREAT",
    "PTTL",
    "RPOP",
    "RPUSH",
    "SADD",
    "SET",
    "SETEX",
    "SMEMBERS",
    "SREM",
    "STRLEN",
    "TTL",
    "TYPE",
    "UNLINK",
    "XADD",
    "XLEN",
    "ZADD",
    "ZCARD",
    "ZRANGE",
    "ZREM",
    "ZSCORE",
];

const SHOWN: usize = 120;

/// Describes a command.
pub(crate) fn of_command(command: &Cmd) -> String {
    let mut arguments = command.args_iter().map(|argument| match argument {
        Arg::Simple(bytes) => String::from_utf8_lossy(bytes),
        _ => "".into(),
    });
    let name = arguments.next().unwrap_or_default().to_ascii_uppercase();
    match arguments.next() {
        Some(key) if KEYED.contains(&name.as_str()) => format!("{name} \"{}\"", shown(&key)),
        _ => name,
    }
}

/// Describes a pipeline.
pub(crate) fn of_pipeline(pipeline: &Pipeline) -> String {
    let first = pipeline.cmd_iter().next().map(of_command);
    let first = first.unwrap_or_default();
    match pipeline.len() {
        1 => format!("a pipeline of {first}"),
        length => format!("a pipeline of {length} commands from {first}"),
    }
}

/// Describes a script's run.
pub(crate) fn of_script(digest: &str, keys: &[&str]) -> String {
    match keys.first() {
        Some(key) => format!("script {digest} on \"{}\"", shown(key)),
        None => format!("script {digest}"),
    }
}

/// Describes the runs of a batch by the first.
pub(crate) fn of_scripts(digest: &str, runs: &[ScriptRun<'_>]) -> String {
    let first = of_script(digest, runs.first().map_or(&[], |run| run.keys));
    match runs.len() {
        1 => first,
        length => format!("{length} runs of {first}"),
    }
}

fn shown(key: &str) -> String {
    let mut text: String = key.chars().take(SHOWN).collect();
    if text.len() < key.len() {
        text.push('…');
    }
    text.escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keys_and_never_values() {
        let mut set = redis::cmd("set");
        set.arg("mystocks:k\n").arg("the value");
        assert_eq!(of_command(&set), "SET \"mystocks:k\\n\"");
        assert_eq!(of_command(redis::cmd("AUTH").arg("hunter2")), "AUTH");
        assert_eq!(of_command(redis::cmd("ECHO").arg("the value")), "ECHO");
        assert_eq!(of_command(&Cmd::new()), "");
        let mut pipeline = redis::pipe();
        pipeline.add_command(set).cmd("PING");
        let expected = "a pipeline of 2 commands from SET \"mystocks:k\\n\"";
        assert_eq!(of_pipeline(&pipeline), expected);
        assert_eq!(of_script("abc", &["k"]), "script abc on \"k\"");
        let runs = [ScriptRun { keys: &["k"], args: &[b"the value"] }; 2];
        assert_eq!(of_scripts("abc", &runs), "2 runs of script abc on \"k\"");
        let long = "é".repeat(500);
        assert_eq!(shown(&long).chars().count(), SHOWN + 1);
    }
}
