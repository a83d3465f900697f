//! The store in Redis.

mod backplane;
mod doorbell;
mod gather;
mod leases;
mod listening;
mod message;
mod names;
mod node;
mod script;

use std::sync::Arc;
use std::time::Duration;

use ::redis::{Cmd, Value, cmd, pipe};
use async_trait::async_trait;
use bytes::Bytes;
use mystocks_redis_core::{Call, ErrorKind as Cause, Lane, RedisManager};

use crate::error::{Error, ErrorKind};
use crate::redis::gather::{Gather, Reading};
use crate::store::{Cursor, Lifetime, Page, Put, Store};
use crate::ttl::whole_millis;

pub use backplane::RedisBackplane;
pub use leases::RedisLeases;

/// How many keys one `SCAN` step looks at.
const SCAN_COUNT: usize = 500;

/// Holds entries in Redis, for every process that uses the same server and database.
///
/// A clone is a handle to the same connections. Reading is repeated after a lost connection, writing is not: a late
/// second `SET` could undo somebody else's newer one.
///
/// # Many reads at once
/// Up to 32 reads of single keys go out as they come, each a `GET`. Further ones are gathered into `MGET`s of up to 256
/// keys, fewer of large values, which serves them two to three times as fast. No read waits longer than 50 ms for others to be
/// answered. Nothing is gathered on the connections for large values.
#[derive(Debug, Clone)]
pub struct RedisStore {
    manager: RedisManager,
    reads: Lane,
    /// Shared by handles that read in the same way; [`RedisStore::read`] says which.
    gather: Arc<Gather>,
    is_tracked: bool,
}

impl RedisStore {
    /// Makes a store on the connections of `manager`.
    pub fn new(manager: RedisManager) -> Self {
        Self { manager, reads: Lane::Small, gather: Arc::new(Gather::new()), is_tracked: false }
    }

    /// Makes a store whose reads the server watches, on a manager made by
    /// [`RedisManager::start_tracked`](mystocks_redis_core::RedisManager::start_tracked).
    ///
    /// What others write or remove is told to the listeners of
    /// [`RedisBackplane::with_tracking`]. Everything goes over the connection for small values, because only what that
    /// connection itself writes is not told to it; [`RedisStore::bulk`] changes nothing here.
    pub fn tracked(manager: RedisManager) -> Self {
        Self { is_tracked: true, ..Self::new(manager) }
    }

    /// Returns a handle that reads over the connections for large values.
    ///
    /// For caches whose values are known to be large (from 32 KiB): on the shared connections they would hold up
    /// everybody's small answers. Large writes travel there by themselves.
    #[must_use]
    pub fn bulk(self) -> Self {
        Self { reads: Lane::Bulk, ..self }
    }

    /// Gathers no more reads and waits until the tasks that did so are gone.
    ///
    /// Reads under way and later ones still get their answers, each asked for by itself.
    ///
    /// # Cancel safety
    /// Call it again to go on waiting.
    pub async fn shutdown(&self) {
        self.gather.shutdown().await;
    }

    fn read(&self) -> Call {
        watched(Call::repeatable().on(self.reads), self.is_tracked)
    }

    fn write(&self, size: usize) -> Call {
        write(size, self.is_tracked)
    }

    async fn get_one(&self, key: &str) -> Result<Option<Bytes>, Error> {
        let reading = (self.reads == Lane::Small).then(|| self.gather.enter());
        if reading.as_ref().is_some_and(Reading::is_crowded)
            && let Some(answer) = self.gather.read(key, &self.manager, self.read()).await
        {
            return match answer {
                Ok(value) => bytes("get", &[key], value),
                Err(cause) => Err(store_error("get", &[key], (*cause).clone())),
            };
        }
        let ask = async { self.manager.query(cmd("GET").arg(key), self.read()).await };
        // Boxed, so that the thousands who are gathered do not carry the room for it.
        match Box::pin(ask).await {
            Ok(value) => bytes("get", &[key], value),
            Err(cause) => Err(store_error("get", &[key], cause)),
        }
    }

    async fn get_batch(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, Error> {
        let answer = self
            .manager
            .query(cmd("MGET").arg(keys), self.read())
            .await
            .map_err(|cause| store_error("get", keys, cause))?;
        match answer {
            Value::Array(values) if values.len() == keys.len() => {
                let values = values.into_iter();
                values.map(|value| bytes("get", keys, value)).collect()
            }
            _ => Err(unexpected("get", keys)),
        }
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn get(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, Error> {
        match keys {
            [] => Ok(Vec::new()),
            [key] => Ok(vec![self.get_one(key).await?]),
            _ => Box::pin(self.get_batch(keys)).await,
        }
    }

    async fn put(&self, entries: &[Put<'_>]) -> Result<(), Error> {
        let mut sets = Vec::with_capacity(entries.len());
        let mut size = 0_usize;
        for entry in entries {
            let millis = whole_millis("put", entry.key, entry.ttl)?;
            size = size.saturating_add(entry.value.len());
            sets.push(set(entry, millis));
        }
        let call = self.write(size);
        let done = match sets.as_slice() {
            [] => return Ok(()),
            [set] => self.manager.query::<()>(set, call).await,
            _ => {
                let mut pipe = pipe();
                for set in sets {
                    pipe.add_command(set).ignore();
                }
                self.manager.pipeline::<()>(&pipe, call).await
            }
        };
        done.map_err(|cause| {
            let keys: Vec<&str> = entries.iter().map(|entry| entry.key).collect();
            store_error("put", &keys, cause)
        })
    }

    async fn remove(&self, keys: &[&str]) -> Result<u64, Error> {
        if keys.is_empty() {
            return Ok(0);
        }
        self.manager
            .query(cmd("UNLINK").arg(keys), self.write(0))
            .await
            .map_err(|cause| store_error("remove", keys, cause))
    }

    async fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<Lifetime, Error> {
        let mut pttl = cmd("PTTL");
        pttl.arg(key);
        let left: Result<i64, _> = match ttl {
            None => {
                let call = Call::repeatable();
                self.manager.query(&pttl, call).await
            }
            Some(ttl) => {
                let millis = whole_millis("touch", key, ttl)?;
                let mut pipe = pipe();
                pipe.cmd("PEXPIRE").arg(key).arg(millis).ignore();
                pipe.add_command(pttl);
                let answers = self.manager.pipeline(&pipe, self.write(0)).await;
                answers.map(|(left,): (i64,)| left)
            }
        };
        let left = left.map_err(|cause| store_error("touch", &[key], cause))?;
        Ok(match u64::try_from(left) {
            Ok(millis) => Lifetime::Expires(Duration::from_millis(millis)),
            Err(_) if left == -1 => Lifetime::Unlimited,
            Err(_) => Lifetime::Absent,
        })
    }

    async fn scan(&self, pattern: &str, cursor: Cursor) -> Result<Page, Error> {
        let mut step = cmd("SCAN");
        step.arg(cursor.0).arg("MATCH").arg(pattern);
        step.arg("COUNT").arg(SCAN_COUNT);
        let (next, keys): (u64, Vec<Vec<u8>>) = self
            .manager
            .query(&step, Call::repeatable())
            .await
            .map_err(|cause| store_error("scan", &[pattern], cause))?;
        Ok(Page {
            // Keys are text here; one that is not was written by another program and is none of ours.
            keys: keys.into_iter().filter_map(|key| String::from_utf8(key).ok()).collect(),
            next: (next != 0).then_some(Cursor(next)),
        })
    }

    fn now_ms(&self) -> u64 {
        self.manager.server_now_ms()
    }
}

fn set(entry: &Put<'_>, millis: u64) -> Cmd {
    let mut set = cmd("SET");
    set.arg(entry.key).arg(&*entry.value).arg("PX").arg(millis);
    set
}

/// A write is sent once: a repeated one could arrive after somebody else's newer one.
fn write(size: usize, is_tracked: bool) -> Call {
    Call::once().on(if is_tracked { Lane::Small } else { Lane::for_size(size) })
}

fn watched(call: Call, is_tracked: bool) -> Call {
    if is_tracked { call.tracked() } else { call }
}

fn bytes(operation: &'static str, keys: &[&str], value: Value) -> Result<Option<Bytes>, Error> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(Bytes::from(bytes))),
        _ => Err(unexpected(operation, keys)),
    }
}

fn unexpected(operation: &'static str, keys: &[&str]) -> Error {
    Error::new(ErrorKind::Store, operation, subject(keys))
        .with_detail("the answer is not what the command answers")
}

fn store_error(operation: &'static str, keys: &[&str], cause: mystocks_redis_core::Error) -> Error {
    let kind = match cause.kind() {
        // A password that was rotated keeps everybody out: that is an outage, whatever the server calls it.
        Cause::Unavailable | Cause::Timeout | Cause::Exhausted | Cause::Closed | Cause::Auth => {
            ErrorKind::Unavailable
        }
        _ if cause.is_retryable() => ErrorKind::Unavailable,
        _ => ErrorKind::Store,
    };
    Error::new(kind, operation, subject(keys)).with_source(cause)
}

fn subject(keys: &[&str]) -> String {
    match keys {
        [] => String::new(),
        [key] => (*key).to_owned(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    }
}
