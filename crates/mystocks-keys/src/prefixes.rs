//! The configured prefixes and what they must not be.

use crate::invalid_key::{InvalidKey, InvalidKeyKind};
use crate::rule;

const MAX_PREFIX_BYTES: usize = 128;

/// The prefixes of all keys and channels; the default is what the Python side uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefixes {
    /// Before every cache entry (`REDIS_CACHE_PREFIX`).
    pub cache: String,
    /// Before every channel name (`REDIS_PUBSUB_CHANNEL_PREFIX`).
    pub bus: String,
    /// Before every lock (`REDIS_LOCK_PREFIX`).
    pub lock: String,
    /// Before every session (`REDIS_SESSION_PREFIX`).
    pub session: String,
}

impl Default for Prefixes {
    fn default() -> Self {
        Self {
            cache: "mystocks:".to_owned(),
            bus: "mystocks:".to_owned(),
            lock: "mystocks:lock:".to_owned(),
            session: "mystocks:session:".to_owned(),
        }
    }
}

impl Prefixes {
    /// Accepts prefixes that can neither hide from a pattern nor make two families share a key.
    pub(crate) fn check(&self) -> Result<(), InvalidKey> {
        well_formed("cache prefix", &self.cache)?;
        well_formed("bus prefix", &self.bus)?;
        well_formed("lock prefix", &self.lock)?;
        well_formed("session prefix", &self.session)?;
        apart("lock prefix", &self.lock, "session prefix", &self.session)?;
        for (part, prefix) in [("lock prefix", &self.lock), ("session prefix", &self.session)] {
            if self.cache.starts_with(prefix.as_str()) {
                return Err(overlap(part, prefix, "cache prefix", &self.cache));
            }
            for family in ["indicator:", "api:", "own:"] {
                let family = format!("{}{family}", self.cache);
                apart(part, prefix, "cache family", &family)?;
            }
        }
        Ok(())
    }
}

fn well_formed(part: &'static str, prefix: &str) -> Result<(), InvalidKey> {
    rule::path(part, prefix.strip_suffix(':').unwrap_or(prefix)).map_err(|error| error.showing(prefix))?;
    if prefix.len() > MAX_PREFIX_BYTES {
        return Err(InvalidKey::new(
            InvalidKeyKind::TooLong,
            part,
            prefix,
            format!("it has {} bytes; keep a prefix within {MAX_PREFIX_BYTES}", prefix.len()),
        ));
    }
    Ok(())
}

fn apart(part: &'static str, prefix: &str, other_part: &str, other: &str) -> Result<(), InvalidKey> {
    if prefix.starts_with(other) || other.starts_with(prefix) {
        return Err(overlap(part, prefix, other_part, other));
    }
    Ok(())
}

fn overlap(part: &'static str, prefix: &str, other_part: &str, other: &str) -> InvalidKey {
    InvalidKey::new(
        InvalidKeyKind::Ambiguous,
        part,
        prefix,
        format!("it and the {other_part} \"{other}\" overlap; choose one that does not begin the other"),
    )
}
