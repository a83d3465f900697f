//! The finished names: keys, sidecars, patterns.

use std::fmt;

/// A key that has passed every rule: no braces, no glob and control characters, no empty segment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    pub(crate) fn validated(text: String) -> Self {
        Self(text)
    }

    /// Returns the key as it stands in Redis.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns `{K}:lease`, where the process that computes K's value holds its lease.
    pub fn lease(&self) -> Sidecar {
        Sidecar::lease_of(&self.0)
    }

    /// Returns `{K}:fence`, the counter of K's fencing tokens.
    pub fn fence(&self) -> Sidecar {
        Sidecar::beside(&self.0, "fence")
    }

    /// Returns `{K}:queue`, the waiters of the lock K, or of the lease of the entry K.
    pub fn queue(&self) -> Sidecar {
        Sidecar::queue_of(&self.0)
    }
}

/// A key that belongs to another key K: K whole in braces, then a name.
///
/// Redis Cluster hashes only what the braces hold, so a sidecar is always in the slot of K.
/// It has no sidecars itself: braces inside braces would fall into another slot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sidecar(String);

impl Sidecar {
    /// Returns `{K}:lease` for the whole text `key` of a [`Key`].
    pub fn lease_of(key: &str) -> Self {
        Self::beside(key, "lease")
    }

    /// Returns `{K}:queue` for the whole text `key` of a [`Key`].
    pub fn queue_of(key: &str) -> Self {
        Self::beside(key, "queue")
    }

    /// Returns `{K}:fence` for the whole text `key` of a [`Key`].
    pub fn fence_of(key: &str) -> Self {
        Self::beside(key, "fence")
    }

    /// Returns `{K}:waiters`, until when each waiter of the lock K is known to be alive, for the whole text `key` of a [`Key`].
    pub fn waiters_of(key: &str) -> Self {
        Self::beside(key, "waiters")
    }

    /// Returns `{K}:strangers`, that programs without queues take the lock K, for the whole text `key` of a [`Key`].
    pub fn strangers_of(key: &str) -> Self {
        Self::beside(key, "strangers")
    }

    /// Returns `{K}:permits`, who holds how many permits of the semaphore K, for the whole text `key` of a [`Key`].
    pub fn permits_of(key: &str) -> Self {
        Self::beside(key, "permits")
    }

    /// Returns `{K}:shared`, the readers and the writer of the read-write lock K, for the whole text `key` of a [`Key`].
    pub fn shared_of(key: &str) -> Self {
        Self::beside(key, "shared")
    }

    /// Returns this name and `:fence`, the counter of the fencing tokens of what lies here.
    #[must_use]
    pub fn fence(&self) -> Self {
        Self(format!("{}:fence", self.0))
    }

    /// Returns this name and `:queue`, who waits for what lies here.
    #[must_use]
    pub fn queue(&self) -> Self {
        Self(format!("{}:queue", self.0))
    }

    /// Returns this name and `:waiters`, until when each of them is known to be alive.
    #[must_use]
    pub fn waiters(&self) -> Self {
        Self(format!("{}:waiters", self.0))
    }

    pub(crate) fn trusted_of(prefix: &str) -> Self {
        Self::beside(prefix, "trusted")
    }

    pub(crate) fn beside(key: &str, name: &str) -> Self {
        Self(format!("{{{key}}}:{name}"))
    }

    /// Returns the key as it stands in Redis.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A pattern for `SCAN` that can match only keys under the cache prefix.
///
/// The prefix is literal. It can still match keys of locks and sessions, which share the prefix by default:
/// ask [`Keyspace::is_foreign`](crate::Keyspace::is_foreign) before touching a key it found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(String);

impl Pattern {
    /// Returns the pattern of the leases of the keys that this one matches.
    #[must_use]
    pub fn leases(&self) -> Self {
        // The braces are literal in Redis' globs.
        Self(format!("{{{}}}:lease", self.0))
    }

    pub(crate) fn validated(text: String) -> Self {
        Self(text)
    }

    /// Returns the pattern as `SCAN … MATCH` takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_traits {
    ($($name:ident),*) => {$(
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    )*};
}

text_traits!(Key, Sidecar, Pattern);
