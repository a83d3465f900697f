//! With tracking, what programs without any of our crates write and delete under shared keys is seen by every L1.

use std::time::Duration;

use mystocks_cache::Keyspace;
use mystocks_keys::Sidecar;
use mystocks_testkit::eventually;
use tokio::time::{Instant, sleep};

use crate::ask::{Item, now_us, percentile};
use crate::fleet::{Fleet, HANG, Raw, full, names};
use crate::node::Node;

const KEYS: usize = 100;
/// So long that loads are under way whenever something is written.
const COMPUTE: Duration = Duration::from_millis(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_program_writes_or_deletes_is_served_by_no_l1_for_good() {
    let rounds = if full() { 1_000 } else { 20 };
    let mut fleet = Fleet::start(2, |setup| (setup.is_tracked, setup.is_shared) = (true, true)).await;
    let keys = names("touched", KEYS);
    // From nothing: when the first values are written, every key is being loaded.
    for node in &mut fleet.nodes {
        node.watch(&keys, Duration::from_millis(1), COMPUTE).await;
    }
    let mut raw = fleet.raw().await;
    let mut written: Vec<(String, u64, u64)> = Vec::new();
    for round in 1..=rounds {
        let turn = |number: usize| (number as u64 + round) % 3;
        // Has everybody load what is about to be written, from a source that does not know it yet.
        for (_, key) in keys.iter().enumerate().filter(|(number, _)| turn(*number) == 1) {
            raw.ask::<u64>(&["DEL", &plain(key)]).await;
        }
        fleet.source.set(&keys, round).await;
        for (number, key) in keys.iter().enumerate() {
            let plain = plain(key);
            if turn(number) == 0 && round > 1 {
                // A load from before the value that is deleted would find what it found then: nothing. It cannot know.
                let lease = Sidecar::lease_of(&plain);
                eventually("nobody loads it", HANG, async || {
                    raw.clone().ask::<u64>(&["EXISTS", lease.as_str()]).await == 0
                })
                .await;
                raw.ask::<u64>(&["DEL", &plain]).await;
            } else {
                let item = Item { name: key.clone(), version: round, maker: 0 };
                let text = serde_json::to_string(&item).unwrap();
                raw.ask::<()>(&["SET", &plain, &text, "PX", "3600000"]).await;
            }
            written.push((key.clone(), round, now_us()));
        }
        // Every process has it before the next round, or has it never.
        for node in &mut fleet.nodes {
            agreed(node, &keys, round, &mut raw).await;
        }
    }
    sleep(Duration::from_millis(50)).await;
    let mut took = Vec::new();
    let mut reads = 0;
    for node in &mut fleet.nodes {
        let watched = node.watched().await;
        node.rest().await;
        assert_eq!(watched.errors, Vec::<String>::new());
        reads += watched.reads;
        took.extend(written.iter().map(|(key, round, at)| {
            watched.last_below(key, *round).map_or(0, |last| last.saturating_sub(*at))
        }));
        let last = node.read(&keys).await;
        assert!(last.iter().all(|got| got.version == rounds), "stale for good");
        assert!(last.iter().any(|got| got.tier == "L1"), "L1 holds what is tracked: {last:?}");
    }
    took.sort_unstable();
    println!(
        "A5 tracking: {} races of writers without a cache against {reads} reads of 2 processes, 0 stale for good; \
         old values were served for p99 {} us, at most {} us",
        written.len() * 2,
        percentile(&took, 99.0),
        percentile(&took, 100.0),
    );
    assert!(percentile(&took, 99.0) < 1_000_000, "{} us", percentile(&took, 99.0));
}

/// Waits until all of `keys` are read as of `round`.
async fn agreed(node: &mut Node, keys: &[String], round: u64, raw: &mut Raw) {
    let since = Instant::now();
    loop {
        let got = node.read(keys).await;
        let Some(at) = got.iter().position(|got| got.version != round) else { return };
        if since.elapsed() > HANG / 4 {
            let stored: Option<String> = raw.ask(&["GET", &plain(&keys[at])]).await;
            panic!("stale for good in round {round}: {} is {:?}, stored is {stored:?}", keys[at], got[at]);
        }
        sleep(Duration::from_millis(2)).await;
    }
}

/// The key as other programs spell it.
fn plain(name: &str) -> String {
    Keyspace::default().entry(name).unwrap().as_str().to_owned()
}
