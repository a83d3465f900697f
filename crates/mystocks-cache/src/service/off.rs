//! What stands for the store when the shared cache is switched off.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::Error;
use crate::store::{Cursor, Lifetime, Page, Put, Store};
use crate::ttl::whole_millis;

/// Holds nothing: reads find nothing, writes are checked and dropped.
#[derive(Debug)]
pub(super) struct Off;

#[async_trait]
impl Store for Off {
    async fn get(&self, keys: &[&str]) -> Result<Vec<Option<Bytes>>, Error> {
        Ok(vec![None; keys.len()])
    }

    async fn put(&self, entries: &[Put<'_>]) -> Result<(), Error> {
        for entry in entries {
            whole_millis("put", entry.key, entry.ttl)?;
        }
        Ok(())
    }

    async fn remove(&self, _: &[&str]) -> Result<u64, Error> {
        Ok(0)
    }

    async fn touch(&self, key: &str, ttl: Option<Duration>) -> Result<Lifetime, Error> {
        ttl.map(|ttl| whole_millis("touch", key, ttl)).transpose()?;
        Ok(Lifetime::Absent)
    }

    async fn scan(&self, _: &str, _: Cursor) -> Result<Page, Error> {
        let keys = Vec::new();
        Ok(Page { keys, next: None })
    }

    fn now_ms(&self) -> u64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        since_epoch.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}
