//! Lua scripts by their digest.

use std::sync::OnceLock;

use redis::{Cmd, ErrorKind as RedisKind, ServerErrorKind, Value};

/// A Lua script, sent by its SHA-1 digest and in full only when the server does not know it.
///
/// Made to be a static beside its file:
///
/// ```
/// use mystocks_redis_core::Script;
///
/// static RELEASE: Script = Script::new("return redis.call('DEL', KEYS[1])"); // or include_str!("release.lua")
/// assert_eq!(RELEASE.digest().len(), 40);
/// ```
#[derive(Debug)]
pub struct Script {
    text: &'static str,
    digest: OnceLock<String>,
}

/// One run of a batch; see [`RedisManager::scripts`](crate::RedisManager::scripts).
#[derive(Debug, Clone, Copy)]
pub struct ScriptRun<'a> {
    /// The keys, `KEYS` in the script.
    pub keys: &'a [&'a str],
    /// The arguments, `ARGV` in the script.
    pub args: &'a [&'a [u8]],
}

/// What the server answers to a digest it does not know.
pub(crate) const UNKNOWN_SCRIPT: RedisKind = RedisKind::Server(ServerErrorKind::NoScript);

impl Script {
    /// Takes the text of a script.
    pub const fn new(text: &'static str) -> Self {
        Self { text, digest: OnceLock::new() }
    }

    /// Returns the SHA-1 digest in hexadecimal, by which the server knows the script.
    pub fn digest(&self) -> &str {
        self.digest.get_or_init(|| redis::Script::new(self.text).get_hash().to_owned())
    }

    /// Returns the command that runs it by digest.
    pub(crate) fn by_digest(&self, keys: &[&str], args: &[&[u8]]) -> Cmd {
        command("EVALSHA", self.digest(), keys, args)
    }

    /// Returns the command that runs it by text, after which the server knows the digest.
    pub(crate) fn in_full(&self, keys: &[&str], args: &[&[u8]]) -> Cmd {
        command("EVAL", self.text, keys, args)
    }
}

/// Says whether the server did not run a script because it does not know its digest.
pub(crate) fn is_unknown_script(reply: &Value) -> bool {
    matches!(reply, Value::ServerError(error) if error.kind() == Some(ServerErrorKind::NoScript))
}

fn command(name: &str, script: &str, keys: &[&str], args: &[&[u8]]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(keys.len());
    for key in keys {
        command.arg(*key);
    }
    for argument in args {
        command.arg(*argument);
    }
    command
}
