//! Redis is killed, hangs, is full, read-only or locked while four processes read and write through their caches.

use std::time::Duration;

use mystocks_cache::Keyspace;
use mystocks_testkit::{RedisServer, eventually};
use tokio::time::{Instant, sleep};

use crate::ask::{Figures, Load, Stand, now_us, percentile};
use crate::fleet::{Fleet, HANG, Raw, full, names};
use crate::node::Node;

const NODES: usize = 4;
const COMPUTE: Duration = Duration::from_millis(5);

/// How long a read waits for L2: 20 ms is the promise's, and on a machine that stalls an outage that never ends.
fn patience() -> Duration {
    Duration::from_millis(if full() { 20 } else { 100 })
}

/// Four processes under load, and what is changed while Redis is away.
struct Trial {
    fleet: Fleet,
    /// Set by one process each.
    own: Vec<Vec<String>>,
    /// Set by all of them at the same time.
    contested: Vec<String>,
    invalidated: Vec<Vec<String>>,
}

impl Trial {
    async fn start() -> Self {
        let mut fleet = Fleet::start(NODES, |setup| setup.l2_timeout = patience()).await;
        let each = if full() { 10_000 / NODES / 3 } else { 500 / NODES / 3 };
        let of = |what: &str| (0..NODES).map(|node| names(&format!("{what}-{node}"), each)).collect();
        let (own, invalidated): (Vec<_>, Vec<Vec<String>>) = (of("own"), of("invalidated"));
        let contested = names("contested", each);
        let all: Vec<String> = own.iter().chain(&invalidated).flatten().chain(&contested).cloned().collect();
        fleet.source.set(&all, 1).await;
        // A key in the bucket of one that is invalidated is asked for again with it; here, where L2 is away, it is loaded.
        let changed: Vec<u64> = all.iter().map(|name| bucket(name)).collect();
        let hot = names("hot", 60).into_iter().filter(|name| !changed.contains(&bucket(name))).collect();
        let load = Load { per_second: 500, cold_half: true, names: hot, compute: COMPUTE };
        for node in &mut fleet.nodes {
            for some in all.chunks(200) {
                node.read(some).await;
            }
            node.steady(&load).await;
        }
        sleep(Duration::from_secs(1)).await;
        let mut trial = Self { fleet, own, contested, invalidated };
        trial.figures().await;
        trial
    }

    async fn figures(&mut self) -> Vec<Figures> {
        futures::future::join_all(self.fleet.nodes.iter_mut().map(Node::figures)).await
    }

    async fn stands(&mut self) -> Vec<Stand> {
        futures::future::join_all(self.fleet.nodes.iter_mut().map(Node::stand)).await
    }

    /// Changes everything that is to be changed, on all processes at once; version 2 first, then 3 or more.
    async fn change(&mut self) {
        let Self { fleet, own, contested, invalidated } = self;
        let Fleet { nodes, source, .. } = fleet;
        for version in [2, 3] {
            for names in invalidated.iter() {
                source.set(names, version).await;
            }
            let changes = nodes.iter_mut().enumerate().map(async |(number, node)| {
                // A few at a time, as requests come: what hangs together fails together.
                for (own, contested) in own[number].chunks(8).zip(contested.chunks(8)) {
                    node.set(own, version).await;
                    node.set(contested, 10 * version + number as u64).await;
                }
                for invalidated in invalidated[number].chunks(8) {
                    node.invalidate(invalidated).await;
                }
            });
            futures::future::join_all(changes).await;
        }
    }

    /// Waits until all processes and L2 agree on the last values, and returns how long that took.
    async fn agree(&mut self, what: &str) -> Duration {
        let began = Instant::now();
        let mut since = began;
        let Self { fleet, own, contested, invalidated } = self;
        let last: Vec<&String> = own.iter().chain(invalidated.iter()).flatten().collect();
        let all: Vec<String> = last.iter().copied().chain(contested.iter()).cloned().collect();
        // A process without an L1 of what was changed: what it reads is what stands in L2.
        let mut fresh = Node::start(&fleet.setup).await;
        let mut complaint = String::new();
        loop {
            let before = fleet.source.loads(&all).await;
            let in_l2 = read(&mut fresh, &all).await;
            let nobodys = fleet.source.loads(&all).await == before;
            let mut views = Vec::new();
            for node in &mut fleet.nodes {
                views.push(read(node, &all).await);
            }
            let wrong: Vec<String> = (0..all.len())
                .filter(|at| {
                    let of = |view: &Vec<u64>| view[*at];
                    let is_last =
                        if *at < last.len() { of(&in_l2) == 3 } else { (30..34).contains(&of(&in_l2)) };
                    !is_last || views.iter().any(|view| of(view) != of(&in_l2))
                })
                .map(|at| {
                    format!(
                        "{} L2 {} L1 {:?}",
                        all[at],
                        in_l2[at],
                        views.iter().map(|view| view[at]).collect::<Vec<_>>()
                    )
                })
                .collect();
            if wrong.is_empty() && nobodys {
                fresh.kill().await;
                return began.elapsed();
            }
            let shown: Vec<&String> = wrong.iter().take(5).collect();
            let note = format!("{} of {} keys differ: {shown:?}", wrong.len(), all.len());
            if note != complaint {
                complaint = note;
            }
            for node in &mut fleet.nodes {
                let stand = node.stand().await;
                if !(stand.reads && stand.writes && stand.hears_others && stand.queued == 0) {
                    since = Instant::now();
                }
            }
            assert!(began.elapsed() < 2 * HANG, "{what}: the machine gives L2 no time to answer");
            assert!(
                since.elapsed() < Duration::from_secs(20),
                "{what}: not equal after recovery: {complaint}"
            );
            fresh.kill().await;
            fresh = Node::start(&fleet.setup).await;
        }
    }

    /// Tells the story of one fault, and how it went.
    async fn story(
        mut self,
        what: &str,
        fault: impl AsyncFnOnce(&mut RedisServer, &mut Raw),
        mend: impl AsyncFnOnce(&mut RedisServer, &mut Raw),
    ) {
        let mut raw = self.fleet.raw().await;
        let steady = self.figures().await;
        let before = self.stands().await;
        let from = now_us();
        fault(&mut self.fleet.server, &mut raw).await;
        sleep(Duration::from_millis(500)).await;
        self.change().await;
        sleep(Duration::from_secs(if full() { 28 } else { 2 })).await;
        let during = self.figures().await;
        let until = now_us();
        let dark = self.stands().await;
        mend(&mut self.fleet.server, &mut raw).await;
        let mended = Instant::now();
        for node in &mut self.fleet.nodes {
            eventually("L2 is used again and nothing waits", HANG, async || {
                let stand = node.stand().await;
                stand.reads && stand.writes && stand.queued == 0 && stand.hears_others
            })
            .await;
        }
        let recovered = mended.elapsed();
        let agreed = self.agree(what).await;
        let after = self.figures().await;
        for node in &mut self.fleet.nodes {
            node.rest().await;
        }
        let again: Vec<&String> = during.iter().flat_map(|figures| &figures.loaded_again).collect();
        let queued: u64 = dark.iter().map(|stand| stand.queued).sum();
        let failures: Vec<u64> =
            dark.iter().zip(&before).map(|(dark, before)| dark.store_errors - before.store_errors).collect();
        let (p99, worst) = added(&during);
        println!(
            "A6 {what}: {} requests in the outage, added p99 {p99} us, max {worst} us (before: p99 {} us); \
             failures by process {failures:?}, {} keys loaded twice by one, loads at once at most {}; {queued} changes queued; \
             L2 in use {} ms after it was back, all equal {} ms later",
            during.iter().map(|figures| figures.requests).sum::<u64>(),
            added(&steady).0,
            again.len(),
            most(&during, |figures| figures.most_loads_at_once),
            recovered.as_millis(),
            agreed.as_millis(),
        );
        let errors: Vec<&String> = during.iter().chain(&after).flat_map(|figures| &figures.errors).collect();
        assert_eq!(errors, Vec::<&String>::new(), "{what}: errors to readers");
        // The promise is 50; without a breaker it were a thousand. A machine that stalls has more under way at once.
        assert!(failures.iter().all(|failures| *failures <= 200), "{what}: failures by process {failures:?}");
        assert!(during.iter().all(|figures| figures.requests > 400), "{what}: readers were held up");
        assert_eq!(
            again,
            Vec::<&String>::new(),
            "{what}: loaded twice by one process; it began at {from}, ended at {until}"
        );
        assert!(most(&during, |figures| figures.most_loads_at_once) <= 32, "{what}: too many loads at once");
        assert!(worst < 5_000_000, "{what}: a reader waited for {worst} us");
    }
}

/// The part of its digest by which an invalidation finds a key in L1.
fn bucket(name: &str) -> u64 {
    let key = Keyspace::default().own("items", &[name], None).unwrap();
    mystocks_cache::digest(key.as_str()) % (1 << 16)
}

async fn read(node: &mut Node, names: &[String]) -> Vec<u64> {
    let mut versions = Vec::new();
    // A few at a time: with 20 ms for each, a heap of reads is an outage of its own.
    for some in names.chunks(25) {
        versions.extend(node.read(some).await.into_iter().map(|got| got.version));
    }
    versions
}

fn most(of: &[Figures], what: impl Fn(&Figures) -> u64) -> u64 {
    of.iter().map(what).max().unwrap_or(0)
}

/// The 99th percentile and the largest of what was added.
fn added(of: &[Figures]) -> (u64, u64) {
    let mut all: Vec<u64> = of.iter().flat_map(|figures| figures.added_us.iter().copied()).collect();
    all.sort_unstable();
    (percentile(&all, 99.0), percentile(&all, 100.0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_and_comes_back_empty() {
    let fault = async |server: &mut RedisServer, _: &mut Raw| server.kill().await;
    let mend = async |server: &mut RedisServer, _: &mut Raw| server.restart().await;
    Trial::start().await.story("killed", fault, mend).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_hangs_and_goes_on() {
    let fault = async |server: &mut RedisServer, _: &mut Raw| server.pause();
    let mend = async |server: &mut RedisServer, _: &mut Raw| server.resume();
    Trial::start().await.story("hung", fault, mend).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_full_and_has_room_again() {
    let fault = async |_: &mut RedisServer, raw: &mut Raw| {
        raw.ask::<()>(&["CONFIG", "SET", "maxmemory", "1mb"]).await;
    };
    let mend = async |_: &mut RedisServer, raw: &mut Raw| {
        raw.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    };
    Trial::start().await.story("full", fault, mend).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_read_only_and_takes_writes_again() {
    let fault = async |server: &mut RedisServer, raw: &mut Raw| {
        // A primary that is not there: the replica keeps its data, answers reads and takes no writes.
        let port = server.port().to_string();
        raw.ask::<()>(&["CONFIG", "SET", "replica-serve-stale-data", "yes"]).await;
        raw.ask::<()>(&["REPLICAOF", "127.0.0.1", &port]).await;
    };
    let mend = async |_: &mut RedisServer, raw: &mut Raw| raw.ask::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    Trial::start().await.story("read-only", fault, mend).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_is_rotated_and_back() {
    let fault = async |_: &mut RedisServer, raw: &mut Raw| {
        raw.ask::<()>(&["CONFIG", "SET", "requirepass", "another"]).await;
        // Who is connected stays so; a rotation is felt by those who connect anew.
        raw.ask::<u64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
        raw.ask::<u64>(&["CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes"]).await;
    };
    let mend =
        async |_: &mut RedisServer, raw: &mut Raw| raw.ask::<()>(&["CONFIG", "SET", "requirepass", ""]).await;
    Trial::start().await.story("password rotated", fault, mend).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_starts_while_redis_is_down_and_attaches_when_it_is_back() {
    let mut fleet = Fleet::start(0, |_| ()).await;
    fleet.server.kill().await;
    let began = Instant::now();
    let mut node = Node::start(&fleet.setup).await;
    let started = began.elapsed();
    let keys = names("early", 20);
    assert!(node.read(&keys).await.iter().all(|got| got.tier == "L3"));
    assert!(!node.stand().await.hears_others);
    fleet.server.restart().await;
    let back = Instant::now();
    eventually("L2 is attached", HANG, async || {
        let stand = node.stand().await;
        stand.hears_others && stand.reads && stand.writes
    })
    .await;
    let attached = back.elapsed();
    let later = names("later", 20);
    node.read(&later).await;
    let mut other = Node::start(&fleet.setup).await;
    assert!(
        other.read(&later).await.iter().all(|got| got.tier == "L2"),
        "what is loaded from now on is shared"
    );
    println!(
        "A7 start without Redis: {} ms; attached {} ms after it was back",
        started.as_millis(),
        attached.as_millis()
    );
    assert!(started < Duration::from_secs(10) && attached < Duration::from_secs(10));
}
