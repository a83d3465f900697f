//! A hot key that is refreshed before its end.

use std::time::Duration;

use tokio::time::sleep;

use crate::ask::{Figures, Load, percentile};
use crate::fleet::{Fleet, full, names};
use crate::node::Node;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_hot_key_and_the_fleet_loads_it_once_a_window() {
    let (ttl, compute) = (Duration::from_secs(2), Duration::from_millis(50));
    let windows = if full() { 20 } else { 5 };
    let mut fleet = Fleet::start(4, |setup| (setup.ttl, setup.l1_ttl, setup.early) = (ttl, ttl, 2.0)).await;
    let key = names("hot", 1);
    for node in &mut fleet.nodes {
        node.read(&key).await;
    }
    let per_second = if full() { 5_000 } else { 250 };
    let load = Load { per_second, cold_half: false, names: key.clone(), compute };
    // The first value was loaded at no cost, which says nothing about how early to begin.
    fleet.nodes[0].invalidate(&key).await;
    for node in &mut fleet.nodes {
        node.steady(&load).await;
    }
    sleep(Duration::from_millis(500)).await;
    futures::future::join_all(fleet.nodes.iter_mut().map(Node::figures)).await;
    let before = fleet.source.loads(&key).await[0];
    sleep(ttl * windows).await;
    let figures: Vec<Figures> = futures::future::join_all(fleet.nodes.iter_mut().map(Node::figures)).await;
    let loads = fleet.source.loads(&key).await[0] - before;
    let waited: u64 = figures.iter().map(|figures| figures.loader_waits).sum();
    let mut took: Vec<u64> = figures.iter().flat_map(|figures| figures.added_us.clone()).collect();
    took.sort_unstable();
    println!(
        "A13 hot key: {} requests of 4 processes over {windows} windows of {ttl:?}, {compute:?} compute: {loads} loads, \
         {waited} waited for one; p99 {} us, max {} us",
        took.len(),
        percentile(&took, 99.0),
        percentile(&took, 100.0),
    );
    assert!(figures.iter().all(|figures| figures.errors.is_empty()));
    assert_eq!(waited, 0, "callers that waited for a load");
    // A refresh begins up to a few computes before the end, so a window is that much shorter than the time to live.
    let most = f64::from(windows) * 1.2 + 1.0;
    assert!(f64::from(u32::try_from(loads).unwrap()) <= most, "{loads} loads in {windows} windows");
    assert!(loads >= 1);
}
