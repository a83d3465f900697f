//! Many callers of one cold key: one load, whatever becomes of the caller that started it.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mystocks_cache::{Cache, ErrorKind, MemoryStore, Policy};
use mystocks_keys::Keyspace;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::scripted::ScriptedStore;

/// Long enough for any machine, short enough that a hang is a failure.
const HANG: Duration = Duration::from_secs(30);

fn cache(policy: Policy) -> Cache<String, u64> {
    Cache::builder("bars", &Keyspace::default()).policy(policy).store(MemoryStore::new()).build().unwrap()
}

#[derive(Clone, Default)]
struct Loads(Arc<AtomicUsize>);

impl Loads {
    fn start(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_callers_of_a_cold_key_cause_one_load() {
    let (cache, loads, key) = (cache(Policy::default()), Loads::default(), "600519".to_owned());
    let gate = Arc::new(Semaphore::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..1000 {
        let (cache, loads, key, gate) = (cache.clone(), loads.clone(), key.clone(), Arc::clone(&gate));
        callers.spawn(async move {
            let load = move |_| async move {
                loads.start();
                let _permit = gate.acquire().await;
                Ok::<_, Infallible>(42)
            };
            cache.get_or_compute(&key, load).await
        });
    }
    while cache.stats().loads == 0 {
        tokio::task::yield_now().await;
    }
    gate.add_permits(1000);
    let values = timeout(HANG, callers.join_all()).await.unwrap();
    assert!(values.into_iter().all(|value| *value.unwrap() == 42));
    assert_eq!(loads.count(), 1);
    let stats = cache.stats();
    assert_eq!((stats.loads, stats.loaded, stats.in_flight), (1, 1, 0));
    assert_eq!(stats.joined + stats.l1_hits + stats.l2_hits, 999);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_comes_as_a_load_ends_does_not_load_again() {
    let cache: Cache<String, u64> = Cache::builder("bars", &Keyspace::default()).build().unwrap();
    for key in 0..5_000 {
        let mut callers = JoinSet::new();
        for _ in 0..4 {
            let (cache, key) = (cache.clone(), key.to_string());
            callers
                .spawn(async move { cache.get_or_compute(&key, |_| async { Ok::<_, Infallible>(1) }).await });
        }
        timeout(HANG, callers.join_all()).await.unwrap();
    }
    assert_eq!(cache.stats().loads, 5_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_leader_takes_nobody_with_it_and_causes_no_second_load() {
    let (cache, loads, key) = (cache(Policy::default()), Loads::default(), "600519".to_owned());
    let (started, gate) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let leader = {
        let (cache, loads, key) = (cache.clone(), loads.clone(), key.clone());
        let (started, gate) = (Arc::clone(&started), Arc::clone(&gate));
        tokio::spawn(async move {
            let load = move |_| async move {
                loads.start();
                started.notify_one();
                let _permit = gate.acquire().await;
                Ok::<_, Infallible>(7)
            };
            cache.get_or_compute(&key, load).await
        })
    };
    started.notified().await;
    let waiters = spawn_waiters(&cache, &key, &loads, 1000).await;
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    gate.add_permits(1);
    let values = timeout(HANG, waiters.join_all()).await.unwrap();
    assert!(values.into_iter().all(|value| *value.unwrap() == 7));
    assert_eq!(loads.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_cancelled_while_it_reads_l2_hands_over() {
    let store = Arc::new(ScriptedStore::holding_reads());
    let cache: Cache<String, u64> =
        Cache::builder("bars", &Keyspace::default()).store(Arc::clone(&store)).build().unwrap();
    let (loads, key) = (Loads::default(), "600519".to_owned());
    let mut leader = spawn_waiters(&cache, &key, &loads, 1).await;
    store.reading.notified().await;
    let waiters = spawn_waiters(&cache, &key, &loads, 100).await;
    leader.abort_all();
    assert!(leader.join_next().await.unwrap().unwrap_err().is_cancelled());
    store.gate.add_permits(1000);
    let values = timeout(HANG, waiters.join_all()).await.unwrap();
    assert!(values.into_iter().all(|value| *value.unwrap() == 8));
    assert_eq!(loads.count(), 1);
    assert_eq!(cache.stats().in_flight, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_reaches_every_waiter_as_an_error_and_the_key_is_usable_at_once() {
    for before_first_await in [true, false] {
        let (cache, loads, key) = (cache(Policy::default()), Loads::default(), "600519".to_owned());
        let gate = Arc::new(Semaphore::new(0));
        let leader = {
            let (cache, loads, key, gate) = (cache.clone(), loads.clone(), key.clone(), Arc::clone(&gate));
            tokio::spawn(async move {
                let load = move |_| {
                    loads.start();
                    assert!(!before_first_await, "no bars today");
                    async move {
                        let _permit = gate.acquire().await;
                        assert!(before_first_await, "no bars today");
                        Ok::<_, Infallible>(0)
                    }
                };
                cache.get_or_compute(&key, load).await
            })
        };
        let error = if before_first_await {
            timeout(HANG, leader).await.unwrap().unwrap().unwrap_err()
        } else {
            while loads.count() == 0 {
                tokio::task::yield_now().await;
            }
            let waiters = spawn_waiters(&cache, &key, &loads, 1000).await;
            let panicking = Instant::now();
            gate.add_permits(1);
            let answers = timeout(HANG, waiters.join_all()).await.unwrap();
            println!("1000 waiters had the panic as an error {:?} after it", panicking.elapsed());
            assert!(answers.iter().all(|answer| answer.as_ref().unwrap_err().kind() == ErrorKind::Panicked));
            leader.await.unwrap().unwrap_err()
        };
        assert_eq!(error.kind(), ErrorKind::Panicked);
        assert!(error.to_string().contains("no bars today"), "{error}");
        assert_eq!(loads.count(), 1);
        let value = cache.get_or_compute(&key, |_| async { Ok::<_, Infallible>(9) }).await.unwrap();
        assert_eq!(*value, 9);
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_that_never_ends_is_ended_at_its_deadline_and_frees_the_key() {
    let cache = cache(Policy { load_deadline: Duration::from_secs(2), ..Policy::default() });
    let key = "600519".to_owned();
    let begun = tokio::time::Instant::now();
    let error = cache.get_or_compute(&key, |_| pending::<Result<u64, Infallible>>()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(begun.elapsed().as_secs(), 2);
    assert!(error.to_string().contains("own:bars:600519"), "{error}");
    assert_eq!(*cache.get_or_compute(&key, |_| async { Ok::<_, Infallible>(1) }).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_loads_and_later_misses_are_errors_while_hits_still_answer() {
    let cache = cache(Policy::default());
    let (held, warm) = ("600519".to_owned(), "000001".to_owned());
    cache.get_or_compute(&warm, |_| async { Ok::<_, Infallible>(5) }).await.unwrap();
    let hanging = tokio::spawn({
        let (cache, held) = (cache.clone(), held.clone());
        async move { cache.get_or_compute(&held, |_| pending::<Result<u64, Infallible>>()).await }
    });
    while cache.stats().loads < 2 {
        tokio::task::yield_now().await;
    }
    cache.shutdown().await;
    assert_eq!(hanging.await.unwrap().unwrap_err().kind(), ErrorKind::Unavailable);
    let late = cache.get_or_compute(&held, |_| async { Ok::<_, Infallible>(1) }).await;
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(*cache.get_or_compute(&warm, |_| async { Ok::<_, Infallible>(6) }).await.unwrap(), 5);
    assert_eq!(cache.stats().in_flight, 0);
}

/// Starts callers whose own loader would answer 8, and waits until they are all polled once.
async fn spawn_waiters(
    cache: &Cache<String, u64>,
    key: &str,
    loads: &Loads,
    callers: usize,
) -> JoinSet<Result<Arc<u64>, mystocks_cache::Error>> {
    let mut waiters = JoinSet::new();
    let polled = Arc::new(Semaphore::new(0));
    for _ in 0..callers {
        let (cache, key, loads, polled) = (cache.clone(), key.to_owned(), loads.clone(), Arc::clone(&polled));
        waiters.spawn(async move {
            let mut answer = cache.get_or_compute(&key, move |_| async move {
                loads.start();
                Ok::<_, Infallible>(8)
            });
            let early = futures::poll!(&mut answer);
            polled.add_permits(1);
            match early {
                std::task::Poll::Ready(answer) => answer,
                std::task::Poll::Pending => answer.await,
            }
        });
    }
    let _all = polled.acquire_many(u32::try_from(callers).unwrap()).await.unwrap();
    waiters
}
