//! One cache in several operating-system processes.

use std::collections::BTreeMap;
use std::time::Duration;

use mystocks_testkit::RedisServer;

use crate::raw::Raw;
use crate::worker::{Lives, Quote, Read, Worker};

const HOUR: Duration = Duration::from_secs(3600);
const LIVES: Lives = Lives { ttl: HOUR, l1_ttl: HOUR };

fn names(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("{at:06}.SH")).collect()
}

/// Counts the reads by tier, after asserting that each is of the name that was asked for.
fn tiers(names: &[String], reads: &[Read]) -> BTreeMap<String, usize> {
    assert_eq!(reads.len(), names.len());
    let mut tiers = BTreeMap::new();
    for (name, read) in names.iter().zip(reads) {
        assert_eq!(read.quote, Quote::of(name, read.quote.maker));
        *tiers.entry(read.tier.clone()).or_default() += 1;
    }
    tiers
}

fn counts<const N: usize>(counts: [(&str, usize); N]) -> BTreeMap<String, usize> {
    counts.map(|(tier, count)| (tier.to_owned(), count)).into()
}

#[tokio::test]
async fn what_one_process_made_the_others_read() {
    let server = RedisServer::start().await;
    let url = server.url();
    let mut workers = Vec::new();
    for _ in 0..4 {
        workers.push(Worker::with_cache(&url, LIVES).await);
    }
    let pids: Vec<u32> = workers.iter().map(Worker::pid).collect();
    let names = names(200);
    let (first, second) = names.split_at(100);

    assert_eq!(tiers(first, &workers[0].read(first).await), counts([("L3", 100)]));
    assert_eq!(tiers(second, &workers[1].read(second).await), counts([("L3", 100)]));
    for worker in &mut workers[2..] {
        let reads = worker.read(&names).await;
        assert_eq!(tiers(&names, &reads), counts([("L2", 200)]));
        assert!(reads[..100].iter().all(|read| read.quote.maker == pids[0]));
        assert!(reads[100..].iter().all(|read| read.quote.maker == pids[1]));
        assert_eq!(tiers(&names, &worker.read(&names).await), counts([("L1", 200)]));
    }
    assert_eq!(tiers(&names, &workers[0].read(&names).await), counts([("L1", 100), ("L2", 100)]));
    let keys: u64 = Raw::connect(&url).await.ask(&["DBSIZE"]).await;
    assert_eq!(keys, 200, "one entry per key, whoever wrote it");
}

#[tokio::test]
async fn processes_that_start_cold_together_end_with_the_same_values() {
    let server = RedisServer::start().await;
    let url = server.url();
    let names = names(200);
    let start = || Worker::with_cache(&url, LIVES);
    let (mut a, mut b, mut c) = tokio::join!(start(), start(), start());
    let (from_a, from_b, from_c) = tokio::join!(a.read(&names), b.read(&names), c.read(&names));
    for reads in [&from_a, &from_b, &from_c] {
        let tiers = tiers(&names, reads);
        assert!(!tiers.contains_key("L1"), "{tiers:?}");
    }
    // Each may have computed a key that another computed at the same moment; L2 has one of them, for everybody.
    let mut fresh = start().await;
    let settled = fresh.read(&names).await;
    assert_eq!(tiers(&names, &settled), counts([("L2", 200)]));
    let pids = [a.pid(), b.pid(), c.pid()];
    assert!(settled.iter().all(|read| pids.contains(&read.quote.maker)));
    for worker in [&mut a, &mut b, &mut c] {
        worker.drop_l1().await;
        let reads = worker.read(&names).await;
        assert_eq!(tiers(&names, &reads), counts([("L2", 200)]));
        let quotes = |reads: &[Read]| reads.iter().map(|read| read.quote.clone()).collect::<Vec<_>>();
        assert_eq!(quotes(&reads), quotes(&settled));
    }
}

#[tokio::test]
async fn a_process_that_was_killed_leaves_whole_entries() {
    let server = RedisServer::start().await;
    let url = server.url();
    let names = names(50);
    let killed = {
        let mut worker = Worker::with_cache(&url, LIVES).await;
        worker.read(&names).await;
        worker.pid()
    };
    let reads = Worker::with_cache(&url, LIVES).await.read(&names).await;
    assert_eq!(tiers(&names, &reads), counts([("L2", 50)]));
    assert!(reads.iter().all(|read| read.quote.maker == killed));
}
