//! The seam between the cache and whatever holds the bytes.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Error;

/// Holds bytes under keys for a limited time, for every process that shares it.
///
/// [`MemoryStore`](crate::MemoryStore) and `RedisStore` implement it; `conformance` holds one
/// function per promise made below and runs against both.
///
/// Keys arrive whole: whoever calls has built them with `mystocks-keys`.
///
/// # Cancel safety
/// Dropping the future of a reading method has no effect. Dropping that of a writing method leaves it
/// open whether the write happened; it never happens in part for one key.
#[async_trait]
pub trait Store: Debug + Send + Sync + 'static {
    /// Reads the values of `keys`, in the order asked.
    ///
    /// # Behavior
    /// - The answer is as long as `keys`; an absent or expired key is `None`.
    /// - However many keys, it is one request to the store.
    /// - A key that holds something else than a plain value is an error when asked alone, `None` in a batch. A store may
    ///   gather what many callers ask for at the same time into a batch.
    async fn get(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, Error>;

    /// Writes every entry with its own time to live, replacing what was there.
    ///
    /// # Behavior
    /// - All entries go in one round trip; the write is not a transaction.
    /// - A time to live below one millisecond is [`ErrorKind::InvalidArgument`](crate::ErrorKind), and nothing is written.
    async fn put(&self, entries: &[Put<'_>]) -> Result<(), Error>;

    /// Removes `keys` and returns how many of them existed.
    async fn remove(&self, keys: &[&str]) -> Result<u64, Error>;

    /// Returns how long `key` will live; with `ttl` given it is first given that time to live.
    ///
    /// # Behavior
    /// - An absent key stays absent: [`Lifetime::Absent`].
    /// - A `ttl` below one millisecond is [`ErrorKind::InvalidArgument`](crate::ErrorKind).
    async fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<Lifetime, Error>;

    /// Returns one page of the keys that match the glob `pattern` (Redis syntax: `*`, `?`, `[…]`, `\`).
    ///
    /// # Behavior
    /// - Start with [`Cursor::START`]; the walk is over when a page's `next` is `None`.
    /// - A key that is there for the whole walk is seen at least once; it may be seen twice.
    /// - One page costs the store a bounded amount of work; it may be empty.
    async fn scan(&self, pattern: &str, cursor: Cursor) -> Result<Page, Error>;

    /// Returns the store's own clock in milliseconds since the Unix epoch, without a round trip.
    ///
    /// Every process that shares a store reads the same clock here, whatever its host's clock says, so a time
    /// that one process wrote into an entry means the same to another. `RedisStore` estimates it from the
    /// server's `TIME` and the local monotonic clock; the error is at most one round trip.
    fn now_ms(&self) -> u64;
}

/// One value to write.
#[derive(Debug, Clone)]
pub struct Put<'a> {
    /// The whole key.
    pub key: &'a str,
    /// The bytes.
    pub value: Bytes,
    /// How long the entry lives; at least one millisecond, in whole milliseconds (rounded down).
    pub ttl: Duration,
}

/// How long a key will live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// There is no such key.
    Absent,
    /// The key has no time to live.
    Unlimited,
    /// The key expires after this time.
    Expires(Duration),
}

/// Where a walk over the keys stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub u64);

impl Cursor {
    /// The beginning of a walk.
    pub const START: Self = Self(0);
}

/// One step of a walk over the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The keys of this step.
    pub keys: Vec<String>,
    /// Where to go on, or `None` at the end.
    pub next: Option<Cursor>,
}

#[async_trait]
impl<S: Store + ?Sized> Store for Arc<S> {
    async fn get(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, Error> {
        (**self).get(keys).await
    }
    async fn put(&self, entries: &[Put<'_>]) -> Result<(), Error> {
        (**self).put(entries).await
    }
    async fn remove(&self, keys: &[&str]) -> Result<u64, Error> {
        (**self).remove(keys).await
    }
    async fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<Lifetime, Error> {
        (**self).touch(key, ttl).await
    }
    async fn scan(&self, pattern: &str, cursor: Cursor) -> Result<Page, Error> {
        (**self).scan(pattern, cursor).await
    }
    fn now_ms(&self) -> u64 {
        (**self).now_ms()
    }
}
