//! How a typed cache is put together.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use mystocks_keys::Keyspace;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cache::Cache;
use crate::error::{Error, ErrorKind};
use crate::key::CacheKey;
use crate::policy::Policy;
use crate::store::Store;

/// Puts a [`Cache`] together; made by [`Cache::builder`].
pub struct CacheBuilder<K, V> {
    name: String,
    keyspace: Keyspace,
    policy: Policy,
    store: Option<Arc<dyn Store>>,
    types: PhantomData<fn(K) -> V>,
}

impl<K, V> CacheBuilder<K, V>
where
    K: CacheKey,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    pub(crate) fn new(name: &str, keyspace: &Keyspace) -> Self {
        Self {
            name: name.to_owned(),
            keyspace: keyspace.clone(),
            policy: Policy::default(),
            store: None,
            types: PhantomData,
        }
    }

    /// Sets how entries are treated. Default: [`Policy::default`].
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// Sets L2. Default: none, the cache is L1 and the loader.
    #[must_use]
    pub fn store(self, store: impl Store) -> Self {
        Self { store: Some(Arc::new(store)), ..self }
    }

    /// Makes the cache.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when the policy cannot be kept or the name is no segment of a key.
    pub fn build(self) -> Result<Cache<K, V>, Error> {
        self.policy.validate(&self.name)?;
        self.keyspace.own(&self.name, &["name"], None).map_err(|error| {
            Error::new(ErrorKind::InvalidArgument, "build cache", self.name.as_str()).with_source(error)
        })?;
        Ok(Cache::assemble(self.name, self.keyspace, self.policy, self.store))
    }
}

impl<K, V> fmt::Debug for CacheBuilder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheBuilder")
            .field("name", &self.name)
            .field("policy", &self.policy)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
