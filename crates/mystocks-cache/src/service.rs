//! The shared cache as the Python side knows it.

mod off;
mod results;
mod shared;
mod stats;
mod tally;
mod walk;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mystocks_config::CacheSettings;
use mystocks_keys::{InvalidKey, Key, Keyspace};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{Span, field, instrument};

use crate::error::{Error, ErrorKind};
use crate::store::{Lifetime, Put, Store};
use off::Off;
use tally::Tally;

pub(crate) use shared::{decode as decode_shared, encode as encode_shared};
pub use stats::{KeyCount, Lookups, NamespaceStats, ServiceStats};

/// The largest entry that is written or decoded unless [`CacheService::with_max_entry_bytes`] says otherwise.
const MAX_ENTRY_BYTES: usize = 1024 * 1024;

/// The shared L2 cache: JSON text under keys that the Python backend reads and writes as well.
///
/// Cheap to clone; the clones share their counters. For a typed value that only this project reads, [`Cache`](crate::Cache)
/// is faster and keeps a first tier in the process.
///
/// # Guarantees
/// - `None` is a miss and nothing else. A stored `0`, `""`, `[]`, `false` or `null` is a hit: `get::<Option<T>>` on a
///   stored `null` is `Some(None)`.
/// - An entry that is there and cannot be used is a miss, counted with its reason: it is no JSON or does not fit `T`
///   (`undecodable`), it is one of this project's own binary entries (`other_format`), it is above the size limit
///   (`too_large`, and not decoded). In a batch it is that one miss; the other entries are not affected.
/// - Numbers that JSON has no text for are written and read as Python does: `NaN`, `Infinity`, `-Infinity`.
/// - A time to live below one millisecond is refused; `None` is the configured default.
/// - Keys of locks and sessions cannot be reached, though they share the prefix: not by name, not by pattern.
/// - A store that is down is an error of kind [`Unavailable`](ErrorKind::Unavailable), within the store's own timeouts.
///   A key that holds something else than a plain value (a list, a hash) is an error of kind
///   [`Store`](ErrorKind::Store) when asked alone, a miss in a batch.
///
/// With [`CacheSettings::enabled`] off, every lookup is a miss, every write is accepted and dropped, and arguments are
/// checked as always: a mistake shows before the cache is switched on.
///
/// # Cancel safety
/// As [`Store`]: dropping a read has no effect, dropping a write leaves it open whether it happened.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use mystocks_cache::{CacheService, Lifetime, MemoryStore};
/// use mystocks_config::CacheSettings;
/// use mystocks_keys::{Json, Keyspace};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cache = CacheService::new(MemoryStore::new(), Keyspace::default(), &CacheSettings::default());
///
/// cache.set("quote:600519", &1688.5, Some(Duration::from_secs(60))).await?;
/// assert_eq!(cache.get::<f64>("quote:600519").await?, Some(1688.5));
/// assert_eq!(cache.get::<f64>("quote:000001").await?, None);
/// assert!(matches!(cache.ttl("quote:600519").await?, Lifetime::Expires(_)));
///
/// // What Python's `cache_indicator_result("600519", "SMA", {"timeperiod": 2}, [nan, 11.5])` writes:
/// let params = Json::parse(br#"{"timeperiod": 2}"#)?;
/// cache.cache_indicator_result("600519", "SMA", &params, &[f64::NAN, 11.5], None).await?;
/// let sma: Option<Vec<f64>> = cache.get_cached_indicator_result("600519", "SMA", &params).await?;
/// assert!(sma.is_some_and(|values| values[0].is_nan() && values[1] == 11.5));
///
/// assert_eq!(cache.delete_pattern("quote:*").await?, 1);
/// assert_eq!(cache.stats().await?.process.hit_rate(), Some(2.0 / 3.0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct CacheService {
    store: Arc<dyn Store>,
    keyspace: Keyspace,
    ttl: Duration,
    max_entry_bytes: usize,
    tally: Arc<Tally>,
}

impl CacheService {
    /// Makes the service on `store`; with `settings.enabled` off, `store` is not used.
    pub fn new(store: impl Store, keyspace: Keyspace, settings: &CacheSettings) -> Self {
        let store: Arc<dyn Store> = if settings.enabled { Arc::new(store) } else { Arc::new(Off) };
        Self {
            tally: Arc::new(Tally::new(Arc::clone(&store), &keyspace)),
            store,
            keyspace,
            ttl: settings.ttl,
            max_entry_bytes: MAX_ENTRY_BYTES,
        }
    }

    /// Makes a service that is switched off, for where there is no store.
    pub fn disabled(keyspace: Keyspace) -> Self {
        Self::new(Off, keyspace, &CacheSettings::default())
    }

    /// Sets the largest entry that is written or decoded, in bytes of JSON text. Default: 1 MiB.
    #[must_use]
    pub fn with_max_entry_bytes(self, max_entry_bytes: usize) -> Self {
        Self { max_entry_bytes, ..self }
    }

    /// Reads the value of `key`; one request to the store.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for a malformed key or one of a lock or session,
    /// [`Unavailable`](ErrorKind::Unavailable), [`Store`](ErrorKind::Store).
    #[instrument(name = "cache.get", level = "debug", skip_all, fields(tier = "l2", namespace = "shared", outcome = field::Empty))]
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        self.read_one(&self.entry("get", key)?).await
    }

    /// Writes `value` under `key` for `ttl`, or for the configured time; one request.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for a malformed key or a `ttl` below one millisecond,
    /// [`Codec`](ErrorKind::Codec) for a value that is no JSON, [`TooLarge`](ErrorKind::TooLarge),
    /// [`Unavailable`](ErrorKind::Unavailable), [`Store`](ErrorKind::Store). Nothing is written then; only after
    /// `Unavailable` it is open whether the write happened.
    #[instrument(name = "cache.set", level = "debug", skip_all, fields(tier = "l2", namespace = "shared"))]
    pub async fn set<T>(&self, key: &str, value: &T, ttl: Option<Duration>) -> Result<(), Error>
    where
        T: Serialize + ?Sized,
    {
        let key = self.entry("set", key)?;
        self.write_one(&key, value, ttl.unwrap_or(self.ttl)).await
    }

    /// Removes `key` and returns whether it was there; one request.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[instrument(name = "cache.delete", level = "debug", skip_all, fields(tier = "l2", namespace = "shared"))]
    pub async fn delete(&self, key: &str) -> Result<bool, Error> {
        let key = self.entry("delete", key)?;
        Ok(self.store.remove(&[key.as_str()]).await? > 0)
    }

    /// Returns whether there is an entry under `key`, of whatever content; one request, not counted as a lookup.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn exists(&self, key: &str) -> Result<bool, Error> {
        Ok(self.ttl(key).await? != Lifetime::Absent)
    }

    /// Gives `key` the time to live `ttl` and returns whether it was there; one request.
    ///
    /// # Errors
    /// As [`get`](Self::get), and [`InvalidArgument`](ErrorKind::InvalidArgument) for a `ttl` below one millisecond.
    #[instrument(name = "cache.expire", level = "debug", skip_all, fields(tier = "l2", namespace = "shared"))]
    pub async fn expire(&self, key: &str, ttl: Duration) -> Result<bool, Error> {
        let key = self.entry("expire", key)?;
        let left = self.store.touch(key.as_str(), Some(ttl)).await?;
        Ok(left != Lifetime::Absent)
    }

    /// Returns how long `key` will live; one request.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    #[instrument(name = "cache.ttl", level = "debug", skip_all, fields(tier = "l2", namespace = "shared"))]
    pub async fn ttl(&self, key: &str) -> Result<Lifetime, Error> {
        let key = self.entry("ttl", key)?;
        self.store.touch(key.as_str(), None).await
    }

    /// Reads the values of `keys`, in the order asked; one request however many keys.
    ///
    /// # Errors
    /// As [`get`](Self::get); one malformed key fails the call before anything is asked.
    #[instrument(name = "cache.mget", level = "debug", skip_all, fields(tier = "l2", namespace = "shared", keys = keys.len()))]
    pub async fn mget<T: DeserializeOwned>(&self, keys: &[&str]) -> Result<Vec<Option<T>>, Error> {
        let keys = keys.iter().map(|key| self.entry("mget", key)).collect::<Result<Vec<_>, _>>()?;
        let names: Vec<&str> = keys.iter().map(Key::as_str).collect();
        let values = self.read(&names).await?;
        let answers = names.iter().zip(values);
        Ok(answers.map(|(key, value)| self.judge(key, value)).collect())
    }

    /// Writes every `(key, value, ttl)` in one round trip; a `ttl` of `None` is the configured time.
    ///
    /// The write is not a transaction: readers may see a part of it, and after an error a part may stand.
    ///
    /// # Errors
    /// As [`set`](Self::set); one entry that cannot be written fails the call before anything is written.
    #[instrument(name = "cache.mset", level = "debug", skip_all, fields(tier = "l2", namespace = "shared"))]
    pub async fn mset<'a, T>(
        &self,
        entries: impl IntoIterator<Item = (&'a str, &'a T, Option<Duration>)>,
    ) -> Result<(), Error>
    where
        T: Serialize + ?Sized + 'a,
    {
        let mut sealed = Vec::new();
        for (key, value, ttl) in entries {
            let key = self.entry("mset", key)?;
            let value = shared::encode(key.as_str(), value, self.max_entry_bytes)?;
            sealed.push((key, value, ttl.unwrap_or(self.ttl)));
        }
        let puts: Vec<Put<'_>> = sealed
            .iter()
            .map(|(key, value, ttl)| Put { key: key.as_str(), value: value.clone(), ttl: *ttl })
            .collect();
        self.store.put(&puts).await
    }

    /// Returns the lookups of this service and its clones since it was made, without a request.
    pub fn lookups(&self) -> Lookups {
        self.tally.lookups()
    }

    async fn read_one<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, Error> {
        let values = self.read(&[key.as_str()]).await?;
        let value = self.judge(key.as_str(), values.into_iter().next().flatten());
        let outcome = if value.is_some() { "hit" } else { "miss" };
        Span::current().record("outcome", outcome);
        Ok(value)
    }

    async fn write_one<T>(&self, key: &Key, value: &T, ttl: Duration) -> Result<(), Error>
    where
        T: Serialize + ?Sized,
    {
        let key = key.as_str();
        let value = shared::encode(key, value, self.max_entry_bytes)?;
        self.store.put(&[Put { key, value, ttl }]).await
    }

    async fn read(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, Error> {
        if self.tally.is_due() {
            let (values, ()) = futures::join!(self.store.get(keys), self.tally.publish());
            return values;
        }
        self.store.get(keys).await
    }

    /// Turns what the store holds into a hit or a counted miss.
    fn judge<T: DeserializeOwned>(&self, key: &str, bytes: Option<Bytes>) -> Option<T> {
        let decoded = bytes.map(|bytes| shared::decode(&bytes, self.max_entry_bytes));
        match decoded {
            Some(Ok(value)) => {
                self.tally.hit();
                Some(value)
            }
            Some(Err(reason)) => {
                self.tally.rejected(key, reason);
                None
            }
            None => {
                self.tally.miss();
                None
            }
        }
    }

    fn entry(&self, operation: &'static str, key: &str) -> Result<Key, Error> {
        let entry = self.keyspace.entry(key);
        entry.map_err(|invalid| invalid_key(operation, key, invalid))
    }
}

impl fmt::Debug for CacheService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheService")
            .field("store", &self.store)
            .field("ttl", &self.ttl)
            .field("max_entry_bytes", &self.max_entry_bytes)
            .finish_non_exhaustive()
    }
}

fn invalid_key(operation: &'static str, key: &str, invalid: InvalidKey) -> Error {
    // The cause names the offending text, escaped and bounded; the whole of it may be megabytes.
    let subject: String = key.chars().take(128).collect();
    Error::new(ErrorKind::InvalidArgument, operation, subject).with_source(invalid)
}
