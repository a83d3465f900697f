//! When a loader is told that its value stands where others find it.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use mystocks_cache::{Cache, CacheHub, LoadCtx, Loaded, Outcome, Policy, Store, Tier};
use mystocks_keys::Keyspace;
use tokio::task::yield_now;

use crate::scripted::ScriptedStore;
use crate::tiers::{Bars, process, still};

const KEY: &str = "mystocks:own:bars:600519";

/// Loads `value` and counts in `told` how often it was told.
async fn load(cache: &Bars, value: u64, told: &Arc<AtomicU64>) -> Outcome<Vec<u64>> {
    let told = Arc::clone(told);
    let load = move |context: LoadCtx<Vec<u64>>| async move {
        context.on_written(move || {
            told.fetch_add(1, Ordering::SeqCst);
        });
        Ok::<_, Infallible>(vec![value])
    };
    cache.get_or_compute(&"600519".to_owned(), load).detail().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_loader_is_told_after_the_write_and_before_its_callers() {
    let store =
        Arc::new(ScriptedStore { write_gate: Some(tokio::sync::Semaphore::new(0)), ..ScriptedStore::new() });
    let cache = process(&store, still());
    let order = Arc::new(Mutex::new(Vec::new()));
    let (there, of_call) = (Arc::clone(&store), Arc::clone(&order));
    let load = move |context: LoadCtx<Vec<u64>>| async move {
        context.on_written(move || {
            let found = there.memory.get(&[KEY]).now_or_never().unwrap().unwrap();
            of_call.lock().unwrap().push(if found[0].is_some() { "written" } else { "missing" });
        });
        Ok::<_, Infallible>(vec![1])
    };
    let key = "600519".to_owned();
    let mut reading = Box::pin(async { cache.get_or_compute(&key, load).await.map(|_| ()) });
    tokio::select! {
        _ = &mut reading => panic!("it is not written yet"),
        () = store.writing.notified() => {}
    }
    for _ in 0..50 {
        yield_now().await;
    }
    assert!(order.lock().unwrap().is_empty(), "told before it was written");
    store.write_gate.as_ref().unwrap().add_permits(1);
    reading.await.unwrap();
    order.lock().unwrap().push("answered");
    assert_eq!(*order.lock().unwrap(), ["written", "answered"]);
}

#[tokio::test(start_paused = true)]
async fn it_is_told_once_and_not_for_what_was_found() {
    let (store, told) = (Arc::new(ScriptedStore::new()), Arc::default());
    let [cache, other] = [process(&store, still()), process(&store, still())];
    for tier in [Tier::L3, Tier::L1] {
        assert_eq!(load(&cache, 1, &told).await.tier, tier);
    }
    assert_eq!(load(&other, 1, &told).await.tier, Tier::L2);
    assert_eq!(told.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn it_is_not_told_when_others_do_not_find_it() {
    let (store, told) = (Arc::new(ScriptedStore::new()), Arc::default());
    store.broken.store(true, Ordering::SeqCst);
    load(&process(&store, still()), 1, &told).await;
    store.broken.store(false, Ordering::SeqCst);
    let too_large = Policy { max_entry: 1, ..still() };
    load(&process(&store, too_large), 1, &told).await;
    assert_eq!(told.load(Ordering::SeqCst), 0);

    let of_loader = Arc::clone(&told);
    let no_store = move |context: LoadCtx<Vec<u64>>| async move {
        context.no_store();
        context.on_written(move || {
            of_loader.fetch_add(1, Ordering::SeqCst);
        });
        Ok::<_, Infallible>(vec![1])
    };
    process(&store, still()).get_or_compute(&"600519".to_owned(), no_store).await.unwrap();
    let of_loader = Arc::clone(&told);
    let absent = move |context: LoadCtx<Vec<u64>>| async move {
        context.on_written(move || {
            of_loader.fetch_add(1, Ordering::SeqCst);
        });
        Ok::<_, Infallible>(Loaded::Absent)
    };
    process(&store, still()).get_or_load(&"600519".to_owned(), absent).await.unwrap();
    assert_eq!(told.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn it_is_not_told_when_it_was_invalidated_meanwhile() {
    let (store, told) = (mystocks_cache::MemoryStore::new(), Arc::new(AtomicU64::new(0)));
    let hub = CacheHub::memory(&store, &Keyspace::default());
    let cache: Bars = hub.cache("bars").policy(still()).build().unwrap();
    let alone: Bars = Cache::builder("bars", &Keyspace::default()).store(store.clone()).build().unwrap();
    for cache in [&cache, &alone] {
        let (of_loader, within) = (Arc::clone(&told), cache.clone());
        let load = move |context: LoadCtx<Vec<u64>>| async move {
            context.on_written(move || {
                of_loader.fetch_add(1, Ordering::SeqCst);
            });
            within.invalidate(&"600519".to_owned()).await.unwrap();
            Ok::<_, Infallible>(vec![1])
        };
        cache.get_or_compute(&"600519".to_owned(), load).await.unwrap();
        assert_eq!(told.load(Ordering::SeqCst), 0);
    }
    self::load(&cache, 2, &told).await;
    assert_eq!(told.load(Ordering::SeqCst), 1, "under a lease it is told too");
}

#[tokio::test(start_paused = true)]
async fn who_panics_there_harms_nobody() {
    let cache: Bars = Cache::builder("bars", &Keyspace::default()).policy(still()).build().unwrap();
    let load = |context: LoadCtx<Vec<u64>>| async move {
        context.on_written(|| panic!("told to"));
        Ok::<_, Infallible>(vec![1])
    };
    let read = cache.get_or_compute(&"600519".to_owned(), load).detail().await.unwrap();
    assert_eq!((read.tier, &*read.value), (Tier::L3, &vec![1]));
    let again = self::load(&cache, 2, &Arc::default()).await;
    assert_eq!((again.tier, &*again.value), (Tier::L1, &vec![1]));
    assert_eq!(again.age, Duration::ZERO);
}
