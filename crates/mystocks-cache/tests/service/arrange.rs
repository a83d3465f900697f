//! What every test of the service begins with.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mystocks_cache::{CacheService, Put, Store};
use mystocks_config::CacheSettings;
use mystocks_keys::{Json, Keyspace};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn service(store: &Arc<dyn Store>) -> CacheService {
    let settings = CacheSettings::default();
    CacheService::new(Arc::clone(store), Keyspace::default(), &settings)
}

pub(crate) fn json(text: &str) -> Json {
    Json::parse(text.as_bytes()).unwrap()
}

/// Writes past the service, as another program does.
pub(crate) async fn put_raw(store: &Arc<dyn Store>, key: &str, value: &[u8]) {
    let value = Bytes::copy_from_slice(value);
    let put = Put { key, value, ttl: HOUR };
    store.put(&[put]).await.unwrap();
}

pub(crate) async fn get_raw(store: &Arc<dyn Store>, key: &str) -> Option<String> {
    let value = store.get(&[key]).await.unwrap().remove(0);
    value.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}
