//! What an invalidation does to fetches that have begun.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use mystocks_cache::{ErrorKind, Tier};
use tokio::sync::Semaphore;

use crate::scripted::ScriptedStore;
use crate::tiers::{Bars, process, read, still};

#[tokio::test(start_paused = true)]
async fn what_began_before_an_invalidation_never_fills_l1_after_it() {
    let store = Arc::new(ScriptedStore::holding_reads());
    read_through_gate(&store).await;
    let cache = process(&store, still());
    let reads = [tokio::spawn(batch(cache.clone())), tokio::spawn(single(cache.clone()))];
    store.reading.notified().await;
    while store.counts().0 < 3 {
        tokio::task::yield_now().await;
    }
    cache.invalidate(&"600519".to_owned()).await.unwrap();
    store.gate.add_permits(10);
    for read in reads {
        read.await.unwrap();
    }
    assert!(cache.peek(&"600519".to_owned()).is_none());
    assert_eq!(*read(&cache, "600519", 2).await.value, [2]);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_began_before_an_invalidation_answers_its_caller_and_fills_nothing() {
    let store = Arc::new(ScriptedStore::new());
    let cache = process(&store, still());
    let key = "600519".to_owned();
    let voider = cache.clone();
    let load = move |_| async move {
        voider.invalidate(&"600519".to_owned()).await.unwrap();
        Ok::<_, Infallible>(vec![1])
    };
    assert_eq!(*cache.get_or_compute(&key, load).await.unwrap(), [1]);
    assert!(cache.peek(&key).is_none());
    assert_eq!(store.counts().1, 0);
}

async fn read_through_gate(store: &Arc<ScriptedStore>) {
    store.gate.add_permits(1);
    read(&process(store, still()), "600519", 1).await;
    store.reading.notified().await;
}

async fn batch(cache: Bars) {
    cache.get_many(&["600519".to_owned()]).await.unwrap();
}

async fn single(cache: Bars) {
    read(&cache, "600519", 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_read_that_began_during_an_invalidation_never_fills_l1_after_it() {
    let mut scripted = ScriptedStore::holding_reads();
    scripted.remove_gate = Some(Semaphore::new(0));
    let store = Arc::new(scripted);
    read_through_gate(&store).await;
    let cache = process(&store, still());
    let invalidating = tokio::spawn({
        let cache = cache.clone();
        async move { cache.invalidate(&"600519".to_owned()).await }
    });
    store.removing.notified().await;
    // The read finds the entry before it is removed, and has its answer after the invalidation has returned.
    let reading = tokio::spawn({
        let cache = cache.clone();
        async move { read(&cache, "600519", 1).await.tier }
    });
    while store.counts().0 < 2 {
        tokio::task::yield_now().await;
    }
    if let Some(gate) = &store.remove_gate {
        gate.add_permits(1);
    }
    invalidating.await.unwrap().unwrap();
    store.gate.add_permits(10);
    assert_eq!(reading.await.unwrap(), Tier::L2);
    assert!(cache.peek(&"600519".to_owned()).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_value_that_was_being_written_as_it_was_invalidated_does_not_stay_in_l2() {
    let mut scripted = ScriptedStore::new();
    scripted.write_gate = Some(Semaphore::new(0));
    let store = Arc::new(scripted);
    let cache = process(&store, still());
    let loading = tokio::spawn({
        let cache = cache.clone();
        async move { read(&cache, "600519", 1).await }
    });
    store.writing.notified().await;
    cache.invalidate(&"600519".to_owned()).await.unwrap();
    if let Some(gate) = &store.write_gate {
        gate.add_permits(10);
    }
    assert_eq!(*loading.await.unwrap().value, [1]);
    assert_eq!(*read(&process(&store, still()), "600519", 2).await.value, [2]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_holds_up_no_shutdown() {
    let mut scripted = ScriptedStore::new();
    scripted.write_gate = Some(Semaphore::new(0));
    let store = Arc::new(scripted);
    let cache = process(&store, still());
    let loading = tokio::spawn({
        let cache = cache.clone();
        async move { read(&cache, "600519", 1).await }
    });
    store.writing.notified().await;
    tokio::time::timeout(Duration::from_secs(1), cache.shutdown()).await.unwrap();
    assert_eq!(*loading.await.unwrap().value, [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_panics_as_it_is_encoded_is_one_load_and_an_error_to_all() {
    struct Bomb;
    impl serde::Serialize for Bomb {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("not to be written")
        }
    }
    impl<'de> serde::Deserialize<'de> for Bomb {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self)
        }
    }
    let cache = mystocks_cache::Cache::<String, Bomb>::builder("bombs", &mystocks_keys::Keyspace::default());
    let cache = cache.build().unwrap();
    let gate = Arc::new(Semaphore::new(0));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (cache, gate) = (cache.clone(), Arc::clone(&gate));
        callers.spawn(async move {
            let load = move |_| async move {
                let _permit = gate.acquire().await;
                Ok::<_, Infallible>(Bomb)
            };
            cache.get_or_compute(&"600519".to_owned(), load).await.map(drop)
        });
    }
    while cache.stats().in_flight == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    gate.add_permits(1000);
    let answers = callers.join_all().await;
    assert!(
        answers.iter().all(|answer| answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::Panicked))
    );
    assert!(cache.stats().loads <= 2, "{} loads", cache.stats().loads);
}
