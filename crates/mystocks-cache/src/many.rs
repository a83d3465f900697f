//! Many keys of the typed cache at once.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::instrument;

use crate::batch;
use crate::cache::Cache;
use crate::error::Error;
use crate::key::CacheKey;
use crate::outcome::Outcome;
use crate::warm::{self, Warmed};

impl<K, V> Cache<K, V>
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// Returns the values of `keys`, where those that are in no tier are loaded with as few calls of `load` as can be.
    ///
    /// L1 is asked first; what it lacks is read from L2 with one request; what is not there either is loaded with one call,
    /// except what another caller or process is loading already, and written with one request. A key that `load` leaves
    /// out of its answer is remembered as absent and missing here too. `load` may be called again for keys that another
    /// process was loading and did not.
    ///
    /// # Errors
    /// The first error of any key; the others are loaded and kept all the same.
    ///
    /// # Cancel safety
    /// Dropping the future only takes this caller away.
    #[instrument(name = "cache.get_or_compute_many", level = "debug", skip_all, fields(namespace = self.inner.name))]
    pub async fn get_or_compute_many<F, Fut, E>(
        &self,
        keys: &[K],
        load: F,
    ) -> Result<HashMap<K, Arc<V>>, Error>
    where
        F: Fn(Vec<K>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<HashMap<K, V>, E>> + Send + 'static,
        E: StdError + Send + Sync + 'static,
    {
        keys.iter().for_each(|key| self.inner.hot.read(key));
        let found = batch::get_or_compute_each(&self.inner, keys, batch::together(load)).await?;
        found.into_iter().map(|(key, found)| Ok((key, found?.value))).collect()
    }

    /// Returns the values of `keys` as [`get_or_compute_many`](Self::get_or_compute_many) does, where each key has an error of its own.
    ///
    /// `load` answers for each key with a value or an error; one that fails harms no other, neither here nor for callers who wait for another
    /// key of the batch. A key that `load` leaves out is remembered as absent and missing here too.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a key that cannot be spelled in L2: then nothing was loaded. What became of
    /// a load stands with its key.
    ///
    /// # Cancel safety
    /// Dropping the future only takes this caller away.
    #[instrument(name = "cache.get_or_compute_each", level = "debug", skip_all, fields(namespace = self.inner.name))]
    pub async fn get_or_compute_each<F, Fut, E>(
        &self,
        keys: &[K],
        load: F,
    ) -> Result<HashMap<K, Result<Outcome<V>, Error>>, Error>
    where
        F: Fn(Vec<K>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = HashMap<K, Result<V, E>>> + Send + 'static,
        E: StdError + Send + Sync + 'static,
    {
        keys.iter().for_each(|key| self.inner.hot.read(key));
        let found = batch::get_or_compute_each(&self.inner, keys, batch::each(load)).await?;
        Ok(found.into_iter().collect())
    }

    /// Loads `keys` ahead of those who will ask for them, in batches, so many of them at a time; `progress` is told after
    /// every batch.
    ///
    /// # Cancel safety
    /// Dropping the future starts no further batch.
    pub async fn warm<F, Fut, E>(
        &self,
        keys: impl IntoIterator<Item = K>,
        concurrency: usize,
        load: F,
        progress: impl FnMut(&Warmed),
    ) -> Warmed
    where
        F: Fn(Vec<K>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<HashMap<K, V>, E>> + Send + 'static,
        E: StdError + Send + Sync + 'static,
    {
        warm::warm(&self.inner, keys, concurrency, load, progress).await
    }

    /// Reads `keys` from L1 and, for those that are not there, from L2 with one request; loads nothing.
    ///
    /// The answer is as long as `keys`. A failing store answers `None`.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a key that cannot be spelled in L2.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect but that L1 may not be filled.
    #[instrument(name = "cache.get_many", level = "debug", skip_all, fields(namespace = self.inner.name))]
    pub async fn get_many(&self, keys: &[K]) -> Result<Vec<Option<Outcome<V>>>, Error> {
        batch::get_many(&self.inner, keys).await
    }
}
