//! What stands in L2 may be anything: each of it is a counted miss or the value that was written, never a wrong one (`tests/fuzz` tries many).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mystocks_cache::{Cache, ENVELOPE_MAGIC, MemoryStore, Policy, Put, Store, Tier, packed};
use mystocks_keys::Keyspace;
use serde::{Deserialize, Serialize};

const KEY: &str = "mystocks:own:bars:600519";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Series {
    name: String,
    #[serde(with = "packed::float64")]
    values: Vec<f64>,
}

fn series() -> Series {
    Series { name: "SMA(timeperiod=20)".to_owned(), values: vec![1.5, -2.25, 3.0, f64::MAX] }
}

fn cache(store: &Arc<MemoryStore>) -> Cache<String, Series> {
    Cache::builder("bars", &Keyspace::default())
        .policy(Policy { l1_ttl: Duration::from_millis(1), ..Policy::default() })
        .store(Arc::clone(store))
        .build()
        .unwrap()
}

async fn genuine(store: &Arc<MemoryStore>) -> Vec<u8> {
    cache(store)
        .get_or_compute(&"600519".to_owned(), |_| async { Ok::<_, Infallible>(series()) })
        .await
        .unwrap();
    store.get(&[KEY]).await.unwrap().remove(0).unwrap().to_vec()
}

#[tokio::test(start_paused = true)]
async fn each_unreadable_entry_is_counted_replaced_and_never_an_error() {
    let store = Arc::new(MemoryStore::new());
    let genuine = genuine(&store).await;
    let mut later = genuine.clone();
    later[1] = 9;
    let entries: [(&str, Vec<u8>); 6] = [
        ("cut in the envelope", genuine[..20].to_vec()),
        ("cut in the payload", genuine[..genuine.len() - 1].to_vec()),
        ("of a later envelope version", later),
        ("JSON of the other backend", br#"{"name": "SMA", "values": [1.0]}"#.to_vec()),
        ("empty", Vec::new()),
        ("nothing but the first byte", vec![ENVELOPE_MAGIC]),
    ];
    for (what, entry) in entries {
        let put = Put { key: KEY, value: Bytes::from(entry), ttl: Duration::from_secs(60) };
        store.put(&[put]).await.unwrap();
        let reader = cache(&store);
        let load = |_| async { Ok::<_, Infallible>(series()) };
        let read = reader.get_or_compute(&"600519".to_owned(), load).detail().await.unwrap();
        assert_eq!((read.tier, reader.stats().unreadable), (Tier::L3, 1), "{what}");
        let again = cache(&store).get_or_compute(&"600519".to_owned(), load).detail().await.unwrap();
        assert_eq!((again.tier, &*again.value), (Tier::L2, &series()), "{what}");
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_spelled_is_refused_and_nothing_is_stored() {
    let store = Arc::new(MemoryStore::new());
    let cache = cache(&store);
    for wrong in ["", "600519:SMA", "a{b}", "a*", "a?b", "[a]", "a\\b", "line\nbreak", "nul\0"] {
        let load = |_| async { Ok::<_, Infallible>(series()) };
        let error = cache.get_or_compute(&wrong.to_owned(), load).await.unwrap_err();
        assert_eq!(error.kind(), mystocks_cache::ErrorKind::InvalidArgument, "{wrong:?}");
        assert!(cache.invalidate(&wrong.to_owned()).await.is_err(), "{wrong:?}");
        assert!(cache.get_many(&[wrong.to_owned()]).await.is_err(), "{wrong:?}");
    }
    assert_eq!((cache.stats().l1_entries, cache.stats().loads), (0, 0));
}
