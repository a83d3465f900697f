//! How a value moves through the tiers, and what each of them may hold.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mystocks_cache::{Cache, Done, ErrorKind, Lifetime, Loaded, Outcome, Policy, Store, Tier};
use mystocks_keys::Keyspace;
use tokio::time::advance;

use crate::scripted::ScriptedStore;

pub(crate) type Bars = Cache<String, Vec<u64>>;

pub(crate) fn still() -> Policy {
    Policy { jitter: 0.0, ..Policy::default() }
}

/// A fresh process: its own L1 on the shared store.
pub(crate) fn process(store: &Arc<ScriptedStore>, policy: Policy) -> Bars {
    Cache::builder("bars", &Keyspace::default()).policy(policy).store(Arc::clone(store)).build().unwrap()
}

pub(crate) async fn read(cache: &Bars, key: &str, value: u64) -> Outcome<Vec<u64>> {
    let load = move |_| async move { Ok::<_, Infallible>(vec![value]) };
    cache.get_or_compute(&key.to_owned(), load).detail().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_value_is_loaded_once_then_served_from_l1_and_to_others_from_l2() {
    let store = Arc::new(ScriptedStore::new());
    let first = process(&store, still());
    let loaded = read(&first, "600519", 1).await;
    assert_eq!((loaded.tier, *loaded.value == [1], loaded.age), (Tier::L3, true, Duration::ZERO));
    advance(Duration::from_secs(7)).await;
    let held = read(&first, "600519", 2).await;
    assert_eq!((held.tier, *held.value == [1], held.age.as_secs()), (Tier::L1, true, 7));
    assert!(Arc::ptr_eq(&loaded.value, &held.value));
    assert_eq!(store.counts(), (1, 1));

    let second = process(&store, still());
    let shared = read(&second, "600519", 3).await;
    assert_eq!((shared.tier, *shared.value == [1], shared.age.as_secs()), (Tier::L2, true, 7));
    let filled = read(&second, "600519", 4).await;
    assert_eq!((filled.tier, *filled.value == [1], filled.age.as_secs()), (Tier::L1, true, 7));
    assert_eq!(store.counts(), (2, 1));
    let stats = second.stats();
    assert_eq!((stats.l1_hits, stats.l2_hits, stats.loads, stats.l1_entries), (1, 1, 0, 1));
    second.drop_l1();
    assert_eq!(read(&second, "600519", 5).await.tier, Tier::L2);
}

#[tokio::test(start_paused = true)]
async fn two_keys_never_share_an_entry() {
    let store = Arc::new(ScriptedStore::new());
    let cache = process(&store, still());
    read(&cache, "600519", 1).await;
    assert_eq!(*read(&cache, "000001", 2).await.value, [2]);
    // Even if the store mixed them up, the entry of one is a miss under the other's key.
    let taken = store.memory.get(&["mystocks:own:bars:600519"]).await.unwrap().remove(0).unwrap();
    let put =
        mystocks_cache::Put { key: "mystocks:own:bars:300001", value: taken, ttl: Duration::from_secs(60) };
    store.memory.put(&[put]).await.unwrap();
    let loaded = read(&cache, "300001", 3).await;
    assert_eq!((loaded.tier, *loaded.value == [3]), (Tier::L3, true));
    assert_eq!(cache.stats().unreadable, 1);
}

#[tokio::test(start_paused = true)]
async fn l1_never_outlives_l2() {
    let store = Arc::new(ScriptedStore::new());
    let policy = Policy { ttl: Duration::from_secs(100), l1_ttl: Duration::from_secs(30), ..still() };
    let writer = process(&store, policy.clone());
    read(&writer, "600519", 1).await;
    assert_eq!(
        store.memory.touch("mystocks:own:bars:600519", None).await.unwrap(),
        Lifetime::Expires(Duration::from_secs(100))
    );
    advance(Duration::from_millis(90_001)).await;
    // 9,999 ms are left in L2: L1 may not make 30 s of them.
    let late = process(&store, policy);
    assert_eq!(read(&late, "600519", 3).await.tier, Tier::L2);
    advance(Duration::from_millis(9_998)).await;
    assert_eq!(*late.peek(&"600519".to_owned()).unwrap(), [1]);
    advance(Duration::from_millis(2)).await;
    assert!(late.peek(&"600519".to_owned()).is_none());
    assert_eq!(*read(&late, "600519", 4).await.value, [4]);
}

// L1's own time runs on the clock of its map, which no test can pause.
#[tokio::test]
async fn l1_asks_l2_again_after_its_own_time() {
    let store = Arc::new(ScriptedStore::new());
    let cache = process(&store, Policy { l1_ttl: Duration::from_millis(40), ..still() });
    read(&cache, "600519", 1).await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(read(&cache, "600519", 2).await.tier, Tier::L2);
    assert_eq!(store.counts(), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn an_entry_past_its_time_is_a_miss_even_if_the_store_still_has_it() {
    let store = Arc::new(ScriptedStore::new());
    let policy = Policy { ttl: Duration::from_secs(100), ..still() };
    read(&process(&store, policy.clone()), "600519", 1).await;
    store.memory.touch("mystocks:own:bars:600519", Some(Duration::from_secs(900))).await.unwrap();
    store.skew_ms.store(100_000, Ordering::SeqCst);
    assert_eq!(read(&process(&store, policy), "600519", 2).await.tier, Tier::L3);
}

#[tokio::test(start_paused = true)]
async fn absence_is_remembered_in_both_tiers_for_its_own_short_time() {
    let store = Arc::new(ScriptedStore::new());
    let asked = Arc::new(AtomicU64::new(0));
    let ask = |cache: Bars| {
        let asked = Arc::clone(&asked);
        async move {
            let load = move |_| async move {
                asked.fetch_add(1, Ordering::SeqCst);
                Ok::<_, Infallible>(Loaded::Absent)
            };
            cache.get_or_load(&"999999".to_owned(), load).await.unwrap().map(|outcome| outcome.value)
        }
    };
    let (first, second) = (process(&store, still()), process(&store, still()));
    assert_eq!(ask(first.clone()).await, None);
    assert_eq!(ask(first.clone()).await, None);
    assert_eq!(ask(second.clone()).await, None);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!((first.stats().negative, second.stats().negative), (2, 1));
    // A caller who knows how to make the value is not answered by somebody's "there is none".
    assert_eq!(*read(&second, "999999", 6).await.value, [6]);
    advance(Duration::from_millis(5_001)).await;
    assert_eq!(*ask(first).await.unwrap(), [6]);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_loader_is_the_callers_to_read_and_is_not_remembered() {
    #[derive(Debug)]
    struct NoBars(u32);
    impl fmt::Display for NoBars {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{} bars are too few", self.0)
        }
    }
    impl std::error::Error for NoBars {}
    let store = Arc::new(ScriptedStore::new());
    let cache = process(&store, still());
    let key = "600519".to_owned();
    let error = cache.get_or_compute(&key, |_| async { Err(NoBars(3)) }).await.unwrap_err();
    assert_eq!((error.kind(), error.load_error::<NoBars>().unwrap().0), (ErrorKind::Load, 3));
    assert!(error.to_string().contains("600519"), "{error}");
    assert!(error.to_string().contains("3 bars are too few"), "{error}");
    assert_eq!(store.counts(), (1, 0));
    assert_eq!(*read(&cache, "600519", 1).await.value, [1]);
    assert_eq!(cache.stats().errors, 1);
}

#[tokio::test(start_paused = true)]
async fn a_broken_store_is_never_the_readers_error() {
    let store = Arc::new(ScriptedStore::new());
    store.broken.store(true, Ordering::SeqCst);
    let cache = process(&store, still());
    assert_eq!(read(&cache, "600519", 1).await.tier, Tier::L3);
    assert_eq!(read(&cache, "600519", 2).await.tier, Tier::L1);
    // The read failed, so the write was not tried.
    assert_eq!((cache.stats().store_errors, store.counts()), (1, (1, 0)));
    assert!(cache.get_many(&["000001".to_owned()]).await.unwrap()[0].is_none());
    assert_eq!(cache.invalidate(&"600519".to_owned()).await.unwrap(), Done::Queued);
    assert!(cache.peek(&"600519".to_owned()).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_value_over_the_limit_is_returned_and_not_stored() {
    let store = Arc::new(ScriptedStore::new());
    let cache = process(&store, Policy { max_entry: 1024, ..still() });
    let key = "600519".to_owned();
    let load = |_| async { Ok::<_, Infallible>(vec![u64::MAX; 1000]) };
    assert_eq!(cache.get_or_compute(&key, load).await.unwrap().len(), 1000);
    assert!(cache.peek(&key).is_none());
    assert_eq!((store.counts(), cache.stats().not_stored), ((1, 0), 1));
    // One that another process with a larger limit stored is not decoded here.
    process(&store, still()).get_or_compute(&key, load).await.unwrap();
    cache.get_or_compute(&key, load).await.unwrap();
    assert_eq!((cache.stats().unreadable, cache.stats().l2_hits), (1, 0));
}

#[tokio::test]
async fn l1_keeps_to_its_bytes() {
    let store = Arc::new(ScriptedStore::new());
    let cache = process(&store, Policy { l1_capacity: 100_000, ..still() });
    for key in 0..1000 {
        let load = |_| async { Ok::<_, Infallible>(vec![u64::MAX; 100]) };
        cache.get_or_compute(&key.to_string(), load).await.unwrap();
    }
    let stats = cache.stats();
    assert!(stats.l1_bytes <= 100_000, "{} bytes", stats.l1_bytes);
    assert!((50..=90).contains(&stats.l1_entries), "{} entries of about 1.1 kB", stats.l1_entries);
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_one_request_fills_l1_and_keeps_the_order() {
    let store = Arc::new(ScriptedStore::new());
    let keys: Vec<String> = (0..100).map(|key| key.to_string()).collect();
    let writer = process(&store, still());
    for (value, key) in (0..).zip(&keys).filter(|(value, _)| value % 3 != 0) {
        read(&writer, key, value).await;
    }
    let reader = process(&store, still());
    read(&reader, "1", 1).await;
    let before = store.counts().0;
    let answers = reader.get_many(&keys).await.unwrap();
    assert_eq!(store.counts().0 - before, 1);
    for (value, answer) in (0..).zip(&answers) {
        let expected = (value % 3 != 0).then(|| (vec![value], if value == 1 { Tier::L1 } else { Tier::L2 }));
        assert_eq!(answer.as_ref().map(|answer| (answer.value.to_vec(), answer.tier)), expected, "{value}");
    }
    reader.get_many(&keys[1..3]).await.unwrap();
    assert_eq!(store.counts().0 - before, 1);
    let stats = reader.stats();
    assert_eq!((stats.l1_hits, stats.l2_hits, stats.negative), (3, 66, 34));
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_together_does_not_expire_together() {
    let store = Arc::new(ScriptedStore::new());
    let cache = process(&store, Policy { ttl: Duration::from_secs(1000), jitter: 0.2, ..Policy::default() });
    let mut lives = Vec::new();
    for key in 0..200 {
        read(&cache, &key.to_string(), key).await;
        let Lifetime::Expires(left) =
            store.memory.touch(&format!("mystocks:own:bars:{key}"), None).await.unwrap()
        else {
            panic!("{key} has no end");
        };
        lives.push(left.as_secs());
    }
    assert!(lives.iter().all(|left| (799..=1000).contains(left)), "{lives:?}");
    assert!(lives.iter().min() < Some(&850) && lives.iter().max() > Some(&950), "{lives:?}");
}
