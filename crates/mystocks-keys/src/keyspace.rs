//! Every key of the platform.

use std::sync::Arc;

use crate::digest;
use crate::invalid_key::{InvalidKey, InvalidKeyKind};
use crate::json::Json;
use crate::key::{Key, Pattern, Sidecar};
use crate::prefixes::Prefixes;
use crate::rule;

/// Makes every key and channel name under one set of prefixes.
///
/// Cloning is cheap. Whatever it returns has passed every rule; whatever breaks one is refused, never altered.
///
/// # Errors
/// Every method that returns a name fails with [`InvalidKey`] when a text is empty, holds braces, glob or control
/// characters, has an empty segment (or a colon where one segment is asked for), or when the whole name would be longer
/// than [`MAX_KEY_BYTES`](crate::MAX_KEY_BYTES).
#[derive(Debug, Clone)]
pub struct Keyspace {
    prefixes: Arc<Prefixes>,
}

impl Keyspace {
    /// Makes a keyspace of `prefixes`.
    ///
    /// # Errors
    /// [`InvalidKey`] when a prefix is malformed, or when the lock or session prefix overlaps with the other, with the
    /// cache prefix as a whole, or with a family of cache keys.
    pub fn new(prefixes: Prefixes) -> Result<Self, InvalidKey> {
        prefixes.check()?;
        Ok(Self { prefixes: Arc::new(prefixes) })
    }

    /// Returns the prefixes.
    pub fn prefixes(&self) -> &Prefixes {
        &self.prefixes
    }

    /// Returns `{cache}{key}`, an entry shared with the Python side; `key` may have several segments.
    ///
    /// # Errors
    /// Besides the common rules: [`InvalidKeyKind::Reserved`] when the key would lie under the lock or session prefix,
    /// under the bus prefix where that is longer than the cache prefix, or under `own:`.
    pub fn entry(&self, key: &str) -> Result<Key, InvalidKey> {
        const PART: &str = "cache key";
        rule::path(PART, key)?;
        if key.starts_with(OWN) {
            return Err(reserved(PART, key, OWN));
        }
        let name = finish(PART, key, format!("{}{key}", self.prefixes.cache))?;
        match self.foreign_prefix(name.as_str()) {
            Some(prefix) => Err(reserved(PART, key, prefix)),
            None => Ok(name),
        }
    }

    /// Returns `{cache}indicator:{stock}:{indicator}:{h}`, a result shared with the Python side.
    pub fn indicator(&self, stock: &str, indicator: &str, params: &Json) -> Result<Key, InvalidKey> {
        let name = indicator_path(stock, indicator, params)?;
        let cache = &self.prefixes.cache;
        finish("indicator key", stock, format!("{cache}indicator:{name}"))
    }

    /// Returns `{cache}api:{endpoint}:{h}`, a response shared with the Python side; the endpoint stands there verbatim.
    pub fn api(&self, endpoint: &str, params: &Json) -> Result<Key, InvalidKey> {
        const PART: &str = "endpoint";
        rule::path(PART, endpoint)?;
        let (cache, h) = (&self.prefixes.cache, digest::digest8(params));
        finish(PART, endpoint, format!("{cache}api:{endpoint}:{h}"))
    }

    /// Returns `{cache}own:{cache name}:{parts…}[:{digest}]`, an entry only this project reads.
    ///
    /// The digest is 32 hex digits of SHA-256 over the sorted JSON of `params`.
    ///
    /// # Errors
    /// Besides the common rules: [`InvalidKeyKind::Empty`] when there is neither a part nor `params`, and
    /// [`InvalidKeyKind::Ambiguous`] when there are no `params` and the last part reads like a digest, and
    /// [`InvalidKeyKind::Reserved`] for a cache name that begins with an underscore.
    pub fn own<P: AsRef<str>>(
        &self,
        cache: &str,
        parts: &[P],
        params: Option<&Json>,
    ) -> Result<Key, InvalidKey> {
        const PART: &str = "key part";
        rule::segment("cache name", cache)?;
        if cache.starts_with('_') {
            return Err(reserved("cache name", cache, "own:_"));
        }
        // Room for all of it at once: a cache spells a key for every read of its store.
        let segments: usize = parts.iter().map(|part| part.as_ref().len() + 1).sum();
        let digest = params.map_or(0, |_| digest::OWN_DIGITS + 1);
        let prefix = &self.prefixes.cache;
        let mut name = String::with_capacity(prefix.len() + OWN.len() + cache.len() + segments + digest);
        for text in [prefix, OWN, cache] {
            name.push_str(text);
        }
        for part in parts {
            let part = part.as_ref();
            rule::segment(PART, part)?;
            name.push(':');
            name.push_str(part);
        }
        let last = parts.last().map_or("", AsRef::as_ref);
        match params {
            Some(params) => {
                name.push(':');
                name.push_str(&digest::digest32(params));
            }
            None if parts.is_empty() => rule::segment(PART, "")?,
            None if digest::looks_like_digest32(last) => {
                return Err(InvalidKey::new(
                    InvalidKeyKind::Ambiguous,
                    PART,
                    last,
                    "it reads like the digest of parameters; put another part after it",
                ));
            }
            None => {}
        }
        finish(PART, last, name)
    }

    /// Returns `{cache}own:_clock`, from which the typed caches draw their stamps.
    pub fn cache_clock(&self) -> Result<Key, InvalidKey> {
        finish("cache prefix", &self.prefixes.cache, format!("{}{CLOCK}", self.prefixes.cache))
    }

    /// Returns `{cache}own:_probe`, which is written to see whether the store takes writes.
    pub fn cache_probe(&self) -> Result<Key, InvalidKey> {
        finish("cache prefix", &self.prefixes.cache, format!("{}{PROBE}", self.prefixes.cache))
    }

    /// Returns `{cache}own:_clear:{cache name}`, the stamp at which all of that cache was last cleared.
    pub fn cache_cleared(&self, cache: &str) -> Result<Key, InvalidKey> {
        rule::segment("cache name", cache)?;
        finish("cache name", cache, format!("{}own:_clear:{cache}", self.prefixes.cache))
    }

    /// Returns `{cache}own:_tag:{tag}`, the stamp at which everything with that tag was last invalidated; `tag` may have
    /// several segments.
    pub fn cache_tag(&self, tag: &str) -> Result<Key, InvalidKey> {
        rule::path("tag", tag)?;
        finish("tag", tag, format!("{}own:_tag:{tag}", self.prefixes.cache))
    }

    /// Returns `{cache}own:_hot:{kind}:{key}`, the hot value of `key`: JSON that is written through to durable storage.
    pub fn hot(&self, kind: &str, key: &str) -> Result<Key, InvalidKey> {
        rule::segment("kind", kind)?;
        rule::segment("key", key)?;
        finish("key", key, format!("{}own:_hot:{kind}:{key}", self.prefixes.cache))
    }

    /// Returns `{cache}own:_rate:{kind}:{who}`, until when the requests of `who` are paid for.
    pub fn rate(&self, kind: &str, who: &str) -> Result<Key, InvalidKey> {
        rule::segment("kind", kind)?;
        rule::segment("who", who)?;
        finish("who", who, format!("{}own:_rate:{kind}:{who}", self.prefixes.cache))
    }

    /// Returns a pattern for `SCAN` that matches the entries of the typed cache `cache` whose parts match `glob`.
    ///
    /// # Errors
    /// As [`pattern`](Self::pattern).
    pub fn own_pattern(&self, cache: &str, glob: &str) -> Result<Pattern, InvalidKey> {
        rule::segment("cache name", cache)?;
        self.pattern(&format!("{OWN}{cache}:{glob}"))
    }

    /// Returns a pattern for `SCAN`: the cache prefix, literal, then `glob` in Redis' syntax (`*`, `?`, `[…]`, `\`).
    ///
    /// # Errors
    /// Besides the common rules, where glob characters are allowed: [`InvalidKeyKind::Glob`] for a lone backslash at the
    /// end, a bracket that is never closed, or more than 8 stars.
    pub fn pattern(&self, glob: &str) -> Result<Pattern, InvalidKey> {
        rule::glob(glob)?;
        // A prefix holds no glob characters (see `Prefixes::check`), so it needs no escaping to be literal.
        let pattern = format!("{}{glob}", self.prefixes.cache);
        rule::length("pattern", glob, pattern.len())?;
        Ok(Pattern::validated(pattern))
    }

    /// Returns whether `key`, found by a pattern, is not the cache's to touch.
    ///
    /// That holds for keys of locks and sessions, for sidecars, for the typed caches' clock and marks, and for all that
    /// does not begin with the cache prefix.
    pub fn is_foreign(&self, key: &str) -> bool {
        let Some(name) = key.strip_prefix(self.prefixes.cache.as_str()) else { return true };
        name.starts_with(RESERVED) || key.starts_with('{') || self.foreign_prefix(key).is_some()
    }

    /// Returns `{lock}{resource}`; `resource` may have several segments.
    pub fn lock(&self, resource: &str) -> Result<Key, InvalidKey> {
        const PART: &str = "lock name";
        rule::path(PART, resource)?;
        finish(PART, resource, format!("{}{resource}", self.prefixes.lock))
    }

    /// Returns a pattern for `SCAN` that matches the locks whose resource begins with `beginning`, and all of them when it is
    /// empty.
    pub fn locks(&self, beginning: &str) -> Result<Pattern, InvalidKey> {
        const PART: &str = "beginning of a lock name";
        // A beginning may end within a segment; completed, it has to be a name.
        rule::path(PART, &format!("{beginning}x"))?;
        let pattern = format!("{}{beginning}*", self.prefixes.lock);
        rule::length(PART, beginning, pattern.len())?;
        Ok(Pattern::validated(pattern))
    }

    /// Returns `{{lock}}:trusted`, which stands while a server of a quorum is known not to have been restarted.
    pub fn lock_trusted(&self) -> Sidecar {
        Sidecar::trusted_of(&self.prefixes.lock)
    }

    /// Returns the resource that the lock key `key` names; `None` when it is under another prefix.
    pub fn resource_of<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(self.prefixes.lock.as_str())
    }

    /// Returns `{lock}indicator:calc:{stock}:{indicator}:{h}`, held by who computes that result.
    pub fn lock_indicator(&self, stock: &str, indicator: &str, params: &Json) -> Result<Key, InvalidKey> {
        self.lock(&format!("indicator:calc:{}", indicator_path(stock, indicator, params)?))
    }

    /// Returns `{lock}task:batch:{task_id}`, held by who runs that batch.
    pub fn lock_task(&self, task_id: &str) -> Result<Key, InvalidKey> {
        rule::segment("task id", task_id)?;
        self.lock(&format!("task:batch:{task_id}"))
    }

    /// Returns `{lock}resource:update:{type}:{id}`, held by who updates that resource.
    pub fn lock_resource(&self, resource_type: &str, id: &str) -> Result<Key, InvalidKey> {
        rule::segment("resource type", resource_type)?;
        rule::segment("resource id", id)?;
        self.lock(&format!("resource:update:{resource_type}:{id}"))
    }

    /// Returns `{session}{id}`.
    pub fn session(&self, id: &str) -> Result<Key, InvalidKey> {
        const PART: &str = "session id";
        rule::segment(PART, id)?;
        finish(PART, id, format!("{}{id}", self.prefixes.session))
    }

    /// Returns `{session}user:{digest}`, which sessions the user with that digest has. A session's id holds no colon, so
    /// no session has this key.
    pub fn session_user(&self, digest: &str) -> Result<Key, InvalidKey> {
        const PART: &str = "user digest";
        rule::segment(PART, digest)?;
        finish(PART, digest, format!("{}user:{digest}", self.prefixes.session))
    }

    fn foreign_prefix(&self, key: &str) -> Option<&str> {
        let Prefixes { cache, bus, lock, session } = &*self.prefixes;
        // A bus prefix that begins the cache prefix (by default they are equal) would make every entry foreign.
        let bus = (!cache.starts_with(bus.as_str())).then_some(bus);
        [Some(lock), Some(session), bus]
            .into_iter()
            .flatten()
            .find(|prefix| key.starts_with(prefix.as_str()))
            .map(String::as_str)
    }
}

impl Default for Keyspace {
    /// Makes the keyspace of the default prefixes.
    fn default() -> Self {
        Self { prefixes: Arc::new(Prefixes::default()) }
    }
}

const OWN: &str = "own:";
/// What the typed caches keep beside their entries.
const RESERVED: &str = "own:_";
const PROBE: &str = "own:_probe";
const CLOCK: &str = "own:_clock";

fn indicator_path(stock: &str, indicator: &str, params: &Json) -> Result<String, InvalidKey> {
    rule::segment("stock code", stock)?;
    rule::segment("indicator code", indicator)?;
    Ok(format!("{stock}:{indicator}:{}", digest::digest8(params)))
}

fn finish(part: &'static str, text: &str, name: String) -> Result<Key, InvalidKey> {
    rule::length(part, text, name.len())?;
    Ok(Key::validated(name))
}

fn reserved(part: &'static str, text: &str, prefix: &str) -> InvalidKey {
    InvalidKey::new(
        InvalidKeyKind::Reserved,
        part,
        text,
        format!("it would lie under \"{prefix}\", which is reserved; choose another first segment"),
    )
}
