//! One load in the whole fleet, however many ask, and also when the process that loads dies.

use std::time::Duration;

use tokio::time::Instant;

use crate::ask::percentile;
use crate::fleet::{Fleet, full, names};
use crate::node::soon_us;

const COMPUTE: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_callers_of_four_processes_cost_one_load() {
    let (rounds, callers) = if full() { (200, 10_000) } else { (10, 2_000) };
    let mut fleet = Fleet::start(4, |_| ()).await;
    let mut took = Vec::new();
    let names = names("herd", rounds);
    for name in &names {
        let at = soon_us();
        let herds = fleet.nodes.iter_mut().map(|node| node.herd(name, callers / 4, COMPUTE, at));
        let herds = futures::future::join_all(herds).await;
        let mut got: Vec<&String> = herds.iter().flat_map(|herd| herd.got.keys()).collect();
        got.sort_unstable();
        got.dedup();
        assert_eq!(got.len(), 1, "all callers get one value: {got:?}");
        let answered: usize = herds.iter().flat_map(|herd| herd.got.values()).sum();
        assert_eq!(answered, callers);
        took.extend(herds.into_iter().flat_map(|herd| herd.took_us));
    }
    let loads = fleet.source.loads(&names).await;
    assert!(loads.iter().all(|loads| *loads == 1), "one load a round: {loads:?}");
    took.sort_unstable();
    println!(
        "A1: {rounds} rounds of {callers} callers in 4 processes, {COMPUTE:?} compute: {} loads, p50 {} us, p99 {} us, max {} us",
        loads.iter().sum::<u64>(),
        percentile(&took, 50.0),
        percentile(&took, 99.0),
        percentile(&took, 100.0),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_load_of_a_killed_process_is_taken_over() {
    let rounds = if full() { 20 } else { 3 };
    let mut fleet = Fleet::start(3, |_| ()).await;
    let mut took = Vec::new();
    let names = names("widow", rounds);
    for name in &names {
        let mut leader = crate::node::Node::start(&fleet.setup).await;
        leader.lead(name, Duration::from_secs(60)).await;
        assert_eq!(
            fleet.raw().await.immortals().await,
            Vec::<String>::new(),
            "a lease without a time to live"
        );
        let one = [name.clone()];
        let reads = fleet.nodes.iter_mut().map(|node| node.read(&one));
        let reads = async { (futures::future::join_all(reads).await, Instant::now()) };
        let kill = async {
            // The others wait for the load by now.
            tokio::time::sleep(Duration::from_millis(300)).await;
            leader.kill().await;
            Instant::now()
        };
        let ((reads, at_last), killed) = tokio::join!(reads, kill);
        assert!(reads.iter().flatten().all(|got| got.version == 0), "{reads:?}");
        took.push(u64::try_from((at_last - killed).as_millis()).unwrap());
        assert!(at_last - killed < Duration::from_secs(6), "nobody took over in time: {took:?}");
    }
    let loads = fleet.source.loads(&names).await;
    assert!(loads.iter().all(|loads| *loads == 2), "the dead one's load and one more: {loads:?}");
    assert_eq!(fleet.raw().await.immortals().await, Vec::<String>::new(), "keys without a time to live");
    took.sort_unstable();
    println!(
        "A3: {rounds} kills under a 2 s lease: loads {loads:?}, taken over within {took:?} ms of the kill"
    );
}
