//! L2 as a typed cache sees it: sealed entries under its own keys.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mystocks_keys::{Key, Keyspace};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::envelope::{self, Unreadable};
use crate::error::{Error, ErrorKind};
use crate::key::CacheKey;
use crate::store::{Put, Store};

#[derive(Debug)]
pub(crate) struct L2 {
    /// Called through `as_ref`: on the `Arc` itself a method would be the `Arc`'s own, with one more box a call.
    store: Arc<dyn Store>,
    keyspace: Keyspace,
    cache: String,
    schema: u16,
    max_entry: usize,
}

/// What one entry of L2 turned out to be.
#[derive(Debug)]
pub(crate) enum Entry<V> {
    Present { value: Option<V>, age: Duration, expires_in: Duration, encoded: usize },
    Absent,
    Unreadable,
}

/// A value made ready for L2.
pub(crate) struct Sealed {
    pub(crate) bytes: Bytes,
    pub(crate) ttl: Duration,
}

impl L2 {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        keyspace: Keyspace,
        cache: String,
        schema: u16,
        max_entry: usize,
    ) -> Self {
        Self { store, keyspace, cache, schema, max_entry }
    }

    /// Spells `key` as it stands in the store.
    pub(crate) fn spell<K: CacheKey>(&self, key: &K) -> Result<Key, Error> {
        let segments = key.segments();
        let parts: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
        self.keyspace.own(&self.cache, &parts, key.params().as_ref()).map_err(|error| {
            Error::new(
                ErrorKind::InvalidArgument,
                "spell key",
                segments.join(":").chars().take(128).collect::<String>(),
            )
            .with_source(error)
        })
    }

    pub(crate) async fn get<V: DeserializeOwned>(&self, key: &Key) -> Result<Entry<V>, Error> {
        let values = self.store.as_ref().get(&[key.as_str()]).await?;
        Ok(self.read(key, values.into_iter().next().flatten()))
    }

    /// Reads all of `keys` with one request.
    pub(crate) async fn get_many<V: DeserializeOwned>(&self, keys: &[Key]) -> Result<Vec<Entry<V>>, Error> {
        let names: Vec<&str> = keys.iter().map(Key::as_str).collect();
        let values = self.store.as_ref().get(&names).await?;
        Ok(keys.iter().zip(values).map(|(key, value)| self.read(key, value)).collect())
    }

    fn read<V: DeserializeOwned>(&self, key: &Key, bytes: Option<Bytes>) -> Entry<V> {
        let Some(bytes) = bytes else {
            return Entry::Absent;
        };
        if bytes.len() > self.max_entry.saturating_add(envelope::LENGTH) {
            return Entry::Unreadable;
        }
        let opened = match envelope::open(&bytes, key.as_str(), self.schema, self.store.as_ref().now_ms()) {
            Ok(opened) => opened,
            Err(Unreadable::Expired) => return Entry::Absent,
            Err(Unreadable::Damaged | Unreadable::Unknown) => return Entry::Unreadable,
        };
        let Ok(value) = opened.payload.map(rmp_serde::from_slice).transpose() else {
            return Entry::Unreadable;
        };
        Entry::Present {
            value,
            age: opened.age,
            expires_in: opened.expires_in,
            encoded: bytes.len() + key.as_str().len(),
        }
    }

    /// Seals what `encoded` holds behind its room for the envelope.
    pub(crate) fn seal(&self, key: &Key, mut encoded: Vec<u8>, ttl: Duration, negative: bool) -> Sealed {
        envelope::seal(&mut encoded, key.as_str(), self.schema, self.store.as_ref().now_ms(), ttl, negative);
        Sealed { bytes: Bytes::from(encoded), ttl }
    }

    pub(crate) async fn put(&self, key: &Key, sealed: Sealed) -> Result<(), Error> {
        let Sealed { bytes, ttl } = sealed;
        self.store.as_ref().put(&[Put { key: key.as_str(), value: bytes, ttl }]).await
    }

    pub(crate) async fn remove<K: CacheKey>(&self, key: &K) -> Result<(), Error> {
        let key = self.spell(key)?;
        self.store.as_ref().remove(&[key.as_str()]).await.map(drop)
    }
}

/// Encodes `value` behind room for the envelope.
pub(crate) fn encode<V: Serialize>(value: Option<&V>) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    let mut encoded = vec![0; envelope::LENGTH];
    if let Some(value) = value {
        value.serialize(&mut rmp_serde::Serializer::new(&mut encoded).with_struct_map())?;
    }
    Ok(encoded)
}
