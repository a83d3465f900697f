//! Four processes on one store, and what they do at random.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mystocks_cache::{
    Cache, CacheHub, Coherence, Done, Keyspace, LoadCtx, MemoryBackplane, MemoryStore, Outcome, Policy, Tier,
};
use tokio::sync::RwLock;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::ledger::{Covers, Datum, Figures, KEYS, Ledger, TAGS};
use crate::port::{Flaw, Port};

/// How many interleavings follow upon each other in one world.
pub(crate) const BURSTS: u32 = 25;
const NODES: usize = 4;
/// Longer than anything may take: what is not done then hangs.
const HANGS: Duration = Duration::from_secs(600);

/// One process.
#[derive(Clone)]
struct Node {
    id: usize,
    hub: CacheHub,
    cache: Cache<String, Datum>,
    link: MemoryBackplane,
    port: Port,
    ledger: Arc<Ledger>,
    /// A value that is set is written to the database first: that takes a key's lock whole, everything else shares it.
    locks: Arc<[RwLock<()>; KEYS]>,
    fails: bool,
}

#[derive(Debug)]
struct NoAnswer;

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the database is out")
    }
}

impl std::error::Error for NoAnswer {}

/// Runs one world in a runtime of its own and returns what was tried, or what went wrong first.
pub(crate) fn run(seed: u64, flaw: Flaw) -> Result<Figures, String> {
    // The engine draws from the thread's generator.
    fastrand::seed(seed);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(live(seed, flaw))
}

async fn live(seed: u64, flaw: Flaw) -> Result<Figures, String> {
    let mut random = fastrand::Rng::with_seed(seed);
    let ledger = Arc::new(Ledger::new());
    let nodes = nodes(&mut random, &ledger, flaw);
    let cuts = random.u8(..3) == 0;
    sleep(Duration::from_millis(60)).await;
    for burst in 0..BURSTS {
        let mut tasks = JoinSet::new();
        let within = [60, 60, 400][random.usize(..3)];
        for _ in 0..random.u32(12..40) {
            let node = nodes[random.usize(..NODES)].clone();
            tasks.spawn(node.act(random.fork(), within, cuts));
        }
        let done = timeout(HANGS, async {
            while let Some(done) = tasks.join_next().await {
                done.unwrap();
            }
        });
        if done.await.is_err() {
            return Err(format!("interleaving {burst} hangs"));
        }
        let pause = [0, 0, 20, 300, 2_000][random.usize(..5)];
        sleep(Duration::from_millis(pause)).await;
        if random.u8(..4) == 0 {
            settle(&nodes, &mut random, &ledger).await;
        }
        ledger.verdict().map_err(|failure| format!("interleaving {burst}: {failure}"))?;
    }
    for node in &nodes {
        node.cache.shutdown().await;
        node.hub.shutdown().await;
        let stats = node.cache.stats();
        if stats.in_flight != 0 {
            return Err(format!("node {}: {} flights never landed", node.id, stats.in_flight));
        }
        ledger.count(|figures| {
            figures.refreshes += stats.refreshes;
            figures.overtaken += stats.overtaken;
        });
    }
    ledger.verdict()
}

fn nodes(random: &mut fastrand::Rng, ledger: &Arc<Ledger>, flaw: Flaw) -> Vec<Node> {
    let store = MemoryStore::new();
    let locks = Arc::new(std::array::from_fn(|_| RwLock::new(())));
    let policy = policy(random);
    let fails = random.bool();
    let slow = [4, 25, 60][random.usize(..3)];
    // A request is slow twice: before it is asked, and before it is answered.
    let waits = [policy.soft_timeout, policy.hard_timeout].into_iter().flatten().min();
    if waits.is_some_and(|waits| waits < Duration::from_millis(2 * slow)) {
        ledger.hurry();
    }
    (0..NODES)
        .map(|id| {
            let (leases, link) = store.process();
            let port = Port {
                store: store.clone(),
                leases,
                link: link.clone(),
                random: Arc::new(Mutex::new(random.fork())),
                ledger: Arc::clone(ledger),
                flaw,
                slow,
            };
            let (p, q, r) = (port.clone(), port.clone(), port.clone());
            let hub = CacheHub::new(&Keyspace::default(), p, q, r, Coherence::Backplane);
            // One process in eight has no L1.
            let l1_capacity = if random.u8(..8) == 0 { 0 } else { policy.l1_capacity };
            let cache = hub.cache("bars").policy(Policy { l1_capacity, ..policy.clone() }).build().unwrap();
            let (ledger, locks) = (Arc::clone(ledger), Arc::clone(&locks));
            Node { id, hub, cache, link, port, ledger, locks, fails }
        })
        .collect()
}

fn policy(random: &mut fastrand::Rng) -> Policy {
    let ms = Duration::from_millis;
    let stale = random.bool();
    Policy {
        ttl: ms([400, 3_000, 3_600_000][random.usize(..3)]),
        // The map of L1 runs on a clock that does not stand still here: a short time needs a long `stale_if_error`.
        l1_ttl: if stale { ms([15, 300, 60_000][random.usize(..3)]) } else { ms(600_000) },
        stale_if_error: if stale { ms(600_000) } else { Duration::ZERO },
        retry_after: ms(50),
        early_refresh: [0.0, 1.0, 20.0][random.usize(..3)],
        soft_timeout: random.bool().then_some(ms(8)),
        hard_timeout: (random.u8(..4) == 0).then_some(ms(60)),
        max_loads: [1, 32][random.usize(..2)],
        lease: ms([40, 2_000][random.usize(..2)]),
        compress_from: None,
        ..Policy::default()
    }
}

/// Ends everything by one way or another, waits until everybody must know, and asks whether all agree with the database.
async fn settle(nodes: &[Node], random: &mut fastrand::Rng, ledger: &Ledger) {
    for node in nodes {
        node.relink(false);
    }
    sleep(Duration::from_millis(100)).await;
    let ender = &nodes[random.usize(..NODES)];
    match random.u8(..4) {
        0 => ender.clear().await,
        1 => ender.pattern("*").await,
        2 => {
            for key in 0..KEYS {
                nodes[random.usize(..NODES)].set(key).await;
            }
        }
        _ => {
            for key in 0..KEYS {
                nodes[random.usize(..NODES)].invalidate(key).await;
            }
        }
    }
    sleep(Duration::from_millis(100)).await;
    for node in nodes {
        for key in 0..KEYS {
            let Ok(datum) = node.ask(key, random.fork(), false).await else {
                ledger.count(|figures| figures.errors += 1);
                continue;
            };
            if datum.version != ledger.version(key) {
                let wanted = ledger.version(key);
                ledger.fail(format!("node {} settled on stale {datum:?} where {wanted} is right", node.id));
            }
        }
    }
}

fn name(key: usize) -> String {
    format!("k{key}")
}

impl Node {
    async fn act(self, mut random: fastrand::Rng, within: u64, cuts: bool) {
        sleep(Duration::from_millis(random.u64(..within))).await;
        let key = random.usize(..KEYS);
        match random.u8(..100) {
            0..40 => self.read(key, random).await,
            40..45 => self.read_many(random).await,
            45..52 => self.compute_many(random).await,
            52..56 => self.peek(key),
            56..58 => self.cache.drop_l1(),
            58..74 => self.invalidate(key).await,
            74..82 => self.set(key).await,
            82..90 => self.tag(random.usize(..TAGS)).await,
            90..93 => self.clear().await,
            93..96 => self.pattern(["*", "k[012]", "k4"][random.usize(..3)]).await,
            _ => {
                if cuts {
                    self.relink(random.bool());
                }
            }
        }
    }

    fn relink(&self, cut: bool) {
        // What is lost is lost from the moment the link is cut, and nothing is from the moment it is healed.
        if cut {
            self.link.cut();
        } else {
            self.link.heal();
        }
        self.ledger.link(self.id, cut);
        self.ledger.count(|figures| figures.cuts += u64::from(cut));
    }

    async fn ask(&self, key: usize, mut random: fastrand::Rng, may_fail: bool) -> Result<Datum, ()> {
        let (port, ledger) = (self.port.clone(), Arc::clone(&self.ledger));
        let fails = may_fail && self.fails && random.u8(..4) == 0;
        let load = move |cx: LoadCtx<Datum>| async move {
            port.pause().await;
            let tags =
                [key.is_multiple_of(2) && random.u8(..4) != 0, key.is_multiple_of(3) && random.u8(..4) != 0];
            for (tag, _) in tags.iter().enumerate().filter(|(_, has)| **has) {
                cx.tag(format!("t{tag}"));
            }
            let datum = ledger.ask(key, tags);
            port.pause().await;
            if random.u8(..8) == 0 {
                sleep(Duration::from_millis(random.u64(..150))).await;
            }
            if fails { Err(NoAnswer) } else { Ok(datum) }
        };
        let floor = self.ledger.floor(self.id, key);
        let outcome = self.cache.get_or_compute(&name(key), load).detail().await.map_err(drop)?;
        self.judge(&floor, &outcome);
        Ok(Datum::clone(&outcome.value))
    }

    fn judge(&self, floor: &crate::ledger::Floor, outcome: &Outcome<Datum>) {
        self.ledger.count(|figures| match outcome.tier {
            _ if outcome.stale.is_some() => figures.stale += 1,
            Tier::L1 => figures.l1 += 1,
            Tier::L2 => figures.l2 += 1,
            Tier::L3 => {}
        });
        self.ledger.judge(floor, &format!("read ({:?}, {:?})", outcome.tier, outcome.stale), &outcome.value);
    }

    async fn read(self, key: usize, mut random: fastrand::Rng) {
        let patience = Duration::from_millis(if random.u8(..6) == 0 { random.u64(..30) } else { 100_000 });
        match timeout(patience, self.ask(key, random, true)).await {
            Ok(Ok(_)) => {}
            Ok(Err(())) => self.ledger.count(|figures| figures.errors += 1),
            Err(_) => self.ledger.count(|figures| figures.abandoned += 1),
        }
    }

    async fn read_many(self, mut random: fastrand::Rng) {
        let keys: Vec<usize> = (0..KEYS).filter(|_| random.bool()).collect();
        let floors: Vec<_> = keys.iter().map(|key| self.ledger.floor(self.id, *key)).collect();
        let names: Vec<String> = keys.iter().map(|key| name(*key)).collect();
        let answers = self.cache.get_many(&names).await.unwrap();
        for (floor, answer) in floors.iter().zip(answers) {
            if let Some(outcome) = answer {
                self.judge(floor, &outcome);
            }
        }
    }

    async fn compute_many(self, mut random: fastrand::Rng) {
        let keys: Vec<usize> = (0..KEYS).filter(|_| random.bool()).collect();
        let floors: Vec<_> = keys.iter().map(|key| self.ledger.floor(self.id, *key)).collect();
        let names: Vec<String> = keys.iter().map(|key| name(*key)).collect();
        let (port, ledger) = (self.port.clone(), Arc::clone(&self.ledger));
        let fails = self.fails && random.u8(..4) == 0;
        let load = move |wanted: Vec<String>| {
            let (port, ledger) = (port.clone(), Arc::clone(&ledger));
            async move {
                port.pause().await;
                let number = |name: &String| name.trim_start_matches('k').parse().unwrap();
                let asked = wanted.iter().map(|name| (name.clone(), ledger.ask(number(name), [false; TAGS])));
                let answer: HashMap<String, Datum> = asked.collect();
                port.pause().await;
                if fails { Err(NoAnswer) } else { Ok(answer) }
            }
        };
        let Ok(answers) = self.cache.get_or_compute_many(&names, load).await else {
            return self.ledger.count(|figures| figures.errors += 1);
        };
        for (floor, name) in floors.iter().zip(&names) {
            match answers.get(name) {
                Some(datum) => self.ledger.judge(floor, "batch", datum),
                None => self.ledger.fail(format!("node {}: a batch left {name} out", self.id)),
            }
        }
    }

    fn peek(&self, key: usize) {
        let floor = self.ledger.floor(self.id, key);
        if let Some(datum) = self.cache.peek(&name(key)) {
            self.ledger.judge(&floor, "peek", &datum);
        }
    }

    async fn invalidate(&self, key: usize) {
        let _lock = self.locks[key].read().await;
        let (change, _) = self.ledger.change(self.id, Covers::Key(key));
        self.done(change, self.cache.invalidate(&name(key)).await.unwrap());
    }

    async fn set(&self, key: usize) {
        let _lock = self.locks[key].write().await;
        let (change, read) = self.ledger.change(self.id, Covers::Set(key));
        let datum = Datum { key, version: self.ledger.version(key), read, tags: [false; TAGS] };
        self.done(change, self.cache.set(&name(key), datum).await.unwrap());
    }

    async fn tag(&self, tag: usize) {
        let _locks = self.share().await;
        let (change, _) = self.ledger.change(self.id, Covers::Tag(tag));
        self.done(change, self.hub.invalidate_tag(&format!("t{tag}")).await.unwrap());
    }

    async fn clear(&self) {
        let _locks = self.share().await;
        let (change, _) = self.ledger.change(self.id, Covers::All);
        self.done(change, self.cache.clear().await.unwrap());
    }

    async fn pattern(&self, glob: &str) {
        let _locks = self.share().await;
        let covered =
            (0..KEYS).filter(|key| glob == "*" || glob == "k4" && *key == 4 || glob == "k[012]" && *key < 3);
        let changes: Vec<_> = covered.map(|key| self.ledger.change(self.id, Covers::Match(key)).0).collect();
        self.cache.invalidate_pattern(glob).await.unwrap();
        changes.into_iter().for_each(|change| self.ledger.changed(change));
    }

    fn done(&self, change: usize, done: Done) {
        if done == Done::Queued {
            self.ledger.fail(format!("node {}: a change was queued though L2 answers", self.id));
        }
        self.ledger.changed(change);
    }

    async fn share(&self) -> Vec<tokio::sync::RwLockReadGuard<'_, ()>> {
        let mut held = Vec::new();
        for lock in self.locks.iter() {
            held.push(lock.read().await);
        }
        held
    }
}
