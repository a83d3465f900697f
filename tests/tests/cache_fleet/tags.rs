//! What invalidations cost, however much they cover.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::sleep;

use crate::fleet::{Fleet, between, full, names};

fn called(calls: &BTreeMap<String, u64>, name: &str) -> u64 {
    calls.get(name).copied().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_ends_however_many_entries_with_a_handful_of_commands() {
    let entries = if full() { 1_000_000 } else { 10_000 };
    let mut fleet = Fleet::start(4, |setup| setup.tag = Some("market-sh".to_owned())).await;
    let keys = names("tagged", entries);
    let mut raw = fleet.raw().await;
    let before = raw.calls().await;
    let parts: Vec<&[String]> = keys.chunks(entries / 4).collect();
    let fills = fleet.nodes.iter_mut().zip(&parts).map(|(node, part)| node.warm(part));
    let filled: u64 = futures::future::join_all(fills).await.into_iter().sum();
    assert_eq!(filled, entries as u64);
    let filling = between(&before, &raw.calls().await);
    assert_eq!(called(&filling, "publish"), 0, "fills publish nothing: {filling:?}");
    let stored: usize = raw.ask(&["DBSIZE"]).await;
    let mut failures = 0;
    for node in &mut fleet.nodes {
        failures += node.stand().await.store_errors;
    }
    // On a machine that is busy a write may come too late, and is counted.
    assert!(stored as u64 + failures >= entries as u64, "{stored} in L2, {failures} failures: {filling:?}");
    let sample: Vec<String> = keys.iter().step_by(entries / 100).cloned().collect();
    for node in &mut fleet.nodes {
        assert!(node.read(&sample).await.iter().all(|got| got.version == 1));
    }
    sleep(Duration::from_millis(200)).await;

    let before = raw.calls().await;
    let (took, applied) = fleet.nodes[0].invalidate_tag("market-sh").await;
    let mut cost = between(&before, &raw.calls().await);
    cost.retain(|name, _| !["info", "ping", "hello", "time"].contains(&name.as_str()));
    println!(
        "A15 tag: {entries} entries ended in {took} us by {cost:?}; the fills published {}",
        called(&filling, "publish")
    );
    assert!(applied);
    assert_eq!(called(&cost, "publish"), 1, "one invalidation is one message: {cost:?}");
    assert!(cost.values().sum::<u64>() <= 10, "{cost:?}");
    assert!(took < 1_000_000);
    fleet.source.set(&sample, 2).await;
    sleep(Duration::from_millis(100)).await;
    for node in &mut fleet.nodes {
        assert_eq!(node.peek(&sample).await, vec![None; sample.len()], "L1 serves what the tag ended");
        assert!(node.read(&sample).await.iter().all(|got| got.version == 2), "L2 serves what the tag ended");
    }
    let loads = fleet.source.loads(&sample).await;
    assert!(loads.iter().all(|loads| *loads == 1), "each is loaded once in the fleet: {loads:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_invalidation_is_one_message_and_at_most_one_read_of_each_process() {
    let mut fleet = Fleet::start(4, |_| ()).await;
    let keys = names("one", 200);
    fleet.source.set(&keys, 1).await;
    for node in &mut fleet.nodes {
        node.read(&keys).await;
    }
    fleet.source.set(&keys, 2).await;
    sleep(Duration::from_millis(200)).await;
    let mut raw = fleet.raw().await;
    let before = raw.calls().await;
    assert_eq!(fleet.nodes[0].invalidate(&keys).await, keys.len());
    let cost = between(&before, &raw.calls().await);
    sleep(Duration::from_millis(200)).await;
    let before = raw.calls().await;
    for node in &mut fleet.nodes {
        assert!(node.read(&keys).await.iter().all(|got| got.version == 2));
    }
    let demand = between(&before, &raw.calls().await);
    println!(
        "A15 invalidate: {} keys by {} messages; read again by 4 processes with {demand:?}",
        keys.len(),
        called(&cost, "publish")
    );
    assert_eq!(called(&cost, "publish"), keys.len() as u64);
    assert_eq!(fleet.source.loads(&keys).await, vec![2; keys.len()]);
}
