//! What only the memory store promises: tokio's clock, and memory given back.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::advance;

use super::{MemoryBackplane, MemoryStore};
use crate::backplane::{Backplane, Invalidation, Signal};
use crate::lease::{Leases, Seen, Want};
use crate::store::{Lifetime, Put, Store};

fn entry(key: &str, ttl: Duration) -> Put<'_> {
    Put { key, value: Bytes::from_static(b"v"), ttl }
}

#[tokio::test(start_paused = true)]
async fn an_entry_lives_to_the_millisecond_of_a_paused_clock() {
    let store = MemoryStore::new();
    let ttl = Duration::from_millis(300);
    store.put(&[entry("k", ttl)]).await.unwrap();
    advance(Duration::from_millis(299)).await;
    assert_eq!(store.touch("k", None).await.unwrap(), Lifetime::Expires(Duration::from_millis(1)));
    advance(Duration::from_millis(1)).await;
    assert_eq!(store.get(&["k"]).await.unwrap(), [None]);
    assert_eq!(store.touch("k", None).await.unwrap(), Lifetime::Absent);
}

#[tokio::test(start_paused = true)]
async fn the_clock_of_the_store_is_the_clock_of_tokio() {
    let store = MemoryStore::new();
    let before = store.now_ms();
    advance(Duration::from_secs(90)).await;
    assert_eq!(store.now_ms() - before, 90_000);
}

#[tokio::test(start_paused = true)]
async fn memory_of_expired_entries_is_given_back_by_later_writes() {
    let store = MemoryStore::new();
    for n in 0..1_000 {
        let key = format!("short:{n}");
        store.put(&[entry(&key, Duration::from_secs(1))]).await.unwrap();
    }
    assert_eq!(store.len(), 1_000);
    advance(Duration::from_secs(2)).await;
    for n in 0..200 {
        let key = format!("long:{n}");
        store.put(&[entry(&key, Duration::from_secs(60))]).await.unwrap();
    }
    assert_eq!(store.len(), 200, "only the entries that are alive hold memory");
}

#[tokio::test(start_paused = true)]
async fn an_expired_entry_is_given_back_when_it_is_asked_for() {
    let store = MemoryStore::new();
    store.put(&[entry("k", Duration::from_secs(1))]).await.unwrap();
    advance(Duration::from_secs(1)).await;
    assert_eq!(store.get(&["k"]).await.unwrap(), [None]);
    assert!(store.is_empty());
}

#[tokio::test(start_paused = true)]
async fn overwriting_one_key_does_not_grow_the_store() {
    let store = MemoryStore::new();
    for _ in 0..10_000 {
        store.put(&[entry("k", Duration::from_secs(3600))]).await.unwrap();
    }
    assert_eq!(store.len(), 1);
    assert_eq!(store.state().shelf.bookkeeping(), 2, "one place in the walk, one deadline");
}

#[tokio::test(start_paused = true)]
async fn a_replaced_entry_lives_by_its_new_deadline() {
    let store = MemoryStore::new();
    store.put(&[entry("k", Duration::from_secs(1))]).await.unwrap();
    store.put(&[entry("k", Duration::from_secs(60))]).await.unwrap();
    advance(Duration::from_secs(30)).await;
    store.put(&[entry("other", Duration::from_secs(60))]).await.unwrap();
    assert_eq!(store.get(&["k"]).await.unwrap(), [Some(Bytes::from_static(b"v"))]);
}

#[tokio::test]
async fn a_clone_is_a_handle_to_the_same_entries() {
    let store = MemoryStore::new();
    store.clone().put(&[entry("k", Duration::from_secs(60))]).await.unwrap();
    assert_eq!(store.get(&["k"]).await.unwrap(), [Some(Bytes::from_static(b"v"))]);
}

#[tokio::test(start_paused = true)]
async fn memory_of_expired_leases_is_given_back_by_later_ones() {
    let store = MemoryStore::new();
    let (leases, _backplane) = store.process();
    for n in 0..1_000 {
        let key = format!("k:{n}");
        let want = Want { key: &key, token: "t", seen: Seen::NOTHING, by_force: false };
        leases.take(&[want], Duration::from_millis(10)).await.unwrap();
        advance(Duration::from_millis(1)).await;
    }
    let held = store.state().book.len();
    assert!(held <= 100, "{held} leases are kept, 10 are held");
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_cut_loses_what_is_told_and_says_so() {
    let store = MemoryStore::new();
    let (here, there) = (MemoryBackplane::new(&store), MemoryBackplane::new(&store));
    let mut signals = here.listen();
    here.cut();
    there.invalidate(Invalidation::Recheck("lost")).await.unwrap();
    here.heal();
    there.invalidate(Invalidation::Recheck("heard")).await.unwrap();
    for expected in [Signal::Up, Signal::Down, Signal::Up, Signal::Recheck { cache: "heard".to_owned() }] {
        assert_eq!(signals.recv().await, Some(expected));
    }
    here.cut();
    assert_eq!(here.listen().recv().await, Some(Signal::Down));
}

#[tokio::test]
async fn listening_ends_with_the_process_and_with_shutdown() {
    let store = MemoryStore::new();
    let (leases, backplane) = store.process();
    let mut signals = backplane.listen();
    assert_eq!(signals.recv().await, Some(Signal::Up));
    backplane.shutdown().await;
    assert_eq!(signals.recv().await, None);
    let (_, backplane) = store.process();
    let mut signals = backplane.listen();
    assert_eq!(signals.recv().await, Some(Signal::Up));
    drop((leases, backplane));
    assert_eq!(signals.recv().await, None);
}
