//! Five servers, of which most have to agree.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use mystocks_config::LockSettings;
use mystocks_lock::{
    Acquire, Acquired, Error, ErrorKind, Hear, Keep, Kept, Keyspace, Kind, Listening, LockBackend, Locker,
    LossReason, MemoryLocks, QuorumLocks, RedisLocks, Release, Released, Resource, Share, Spot, Standing,
    State,
};
use mystocks_redis_core::redis::cmd;
use mystocks_redis_core::{Call, RedisManager};
use mystocks_testkit::{RedisServer, eventually};
use tokio::time::{Instant, sleep, timeout};

use crate::hygiene::nothing_is_left;
use crate::world::{connect, millis, secs};

const PATIENCE: Duration = Duration::from_secs(1);

struct Five {
    servers: Vec<RedisServer>,
}

impl Five {
    async fn start() -> Self {
        Self { servers: join_all((0..5).map(|_| RedisServer::start())).await }
    }

    async fn locker(&self) -> Locker {
        let keyspace = Keyspace::default();
        let mut nodes: Vec<Arc<dyn LockBackend>> = Vec::new();
        for server in &self.servers {
            let locks = RedisLocks::new(connect(&server.url()).await, &keyspace).unwrap();
            nodes.push(Arc::new(locks));
        }
        let quorum = QuorumLocks::new(nodes, PATIENCE).unwrap();
        Locker::new(quorum, &LockSettings::default(), &keyspace)
    }

    async fn watches(&self) -> Vec<RedisManager> {
        join_all(self.servers.iter().map(async |server| connect(&server.url()).await)).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_holds_it_and_fences_grow() {
    let five = Five::start().await;
    let (here, there) = (five.locker().await, five.locker().await);
    let mut last = None;
    for turn in 0..100 {
        let locker = if turn % 2 == 0 { &here } else { &there };
        let guard = locker.lock("report", secs(20)).await.unwrap().unwrap();
        assert!(guard.fence() > last, "turn {turn}");
        last = guard.fence();
        assert!(here.try_lock("report").await.unwrap().is_none());
        assert_eq!(guard.release().await.unwrap(), Released::Released);
    }
    let guard = here.try_lock("report").await.unwrap().unwrap();
    let info = there.info("report").await.unwrap().unwrap();
    assert_eq!(info.fence, guard.fence().map(u64::from));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minority_may_stand_still_and_a_majority_may_not() {
    let five = Five::start().await;
    let locker = five.locker().await;
    let cycle = async || {
        let guard = locker.try_lock("report").await.unwrap().unwrap();
        guard.release().await.unwrap()
    };
    assert_eq!(cycle().await, Released::Released);
    for down in 0..2 {
        five.servers[down].pause();
        for _ in 0..3 {
            let taken = Instant::now();
            let guard = locker.try_lock("report").await.unwrap().unwrap();
            assert_eq!(guard.release().await.unwrap(), Released::Released);
            assert!(taken.elapsed() < PATIENCE, "{down} stand still: it waits for nobody who does");
        }
    }
    five.servers[2].pause();
    let asked = Instant::now();
    let error = locker.try_lock("report").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("of 5 servers"), "{error}");
    assert!(asked.elapsed() < PATIENCE * 3, "{:?}", asked.elapsed());
    for server in &five.servers[3..] {
        let watch = connect(&server.url()).await;
        nothing_is_left(&watch, secs(20)).await;
    }
    for server in &five.servers {
        server.resume();
    }
    eventually("it works again", secs(30), async || {
        matches!(locker.lock("report", secs(5)).await, Ok(Some(_)))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_of_five_still_know_is_lost() {
    let five = Five::start().await;
    let locker = five.locker().await;
    let guard = locker.try_lock(Resource::new("report").ttl(millis(1_500))).await.unwrap().unwrap();
    let watches = five.watches().await;
    let held = async |n: usize| {
        let key = "mystocks:lock:report";
        watches[n].query::<bool>(cmd("EXISTS").arg(key), Call::repeatable()).await.unwrap()
    };
    // It returned with the third that granted it; the others may or may not have.
    let knows = join_all((0..5).map(held)).await;
    let holders: Vec<usize> = (0..5).filter(|n| knows[*n]).collect();
    assert!(holders.len() >= 3, "{knows:?}");
    let forget = async |n: usize| {
        let _: () = watches[n].query(&cmd("FLUSHALL"), Call::once()).await.unwrap();
    };
    for n in &holders[3..] {
        forget(*n).await;
    }
    sleep(millis(1_200)).await;
    assert!(guard.is_valid(), "three of five are enough");
    forget(holders[0]).await;
    let reason = timeout(secs(10), guard.lost()).await.unwrap();
    assert!(matches!(reason, LossReason::Gone | LossReason::Expired), "{reason:?}");
}

#[tokio::test]
async fn two_servers_are_no_quorum() {
    let nodes = (0..2).map(|_| Arc::new(MemoryLocks::new()) as Arc<dyn LockBackend>).collect();
    let error = QuorumLocks::new(nodes, PATIENCE).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("at least 3"), "{error}");
}

/// A server that can be down.
#[derive(Debug)]
struct Node {
    locks: MemoryLocks,
    is_down: Arc<AtomicBool>,
}

impl Node {
    fn up(&self) -> Result<&MemoryLocks, Error> {
        match self.is_down.load(Ordering::Relaxed) {
            true => Err(Error::new(ErrorKind::Unavailable, "reach", "a server that is down")),
            false => Ok(&self.locks),
        }
    }
}

#[async_trait]
impl LockBackend for Node {
    async fn acquire(&self, want: &Acquire<'_>) -> Result<Acquired, Error> {
        self.up()?.acquire(want).await
    }
    async fn keep(&self, leases: &[Keep<'_>]) -> Result<Vec<Kept>, Error> {
        self.up()?.keep(leases).await
    }
    async fn release(&self, releases: &[Release<'_>]) -> Result<Vec<Standing>, Error> {
        self.up()?.release(releases).await
    }
    async fn inspect(&self, spots: &[Spot<'_>]) -> Result<Vec<State>, Error> {
        self.up()?.inspect(spots).await
    }
    async fn scan(&self, beginning: &str, cursor: Option<u64>) -> Result<(Vec<String>, Option<u64>), Error> {
        self.up()?.scan(beginning, cursor).await
    }
    fn listen(&self, hear: Hear) -> Listening {
        self.locks.listen(hear)
    }
}

/// Five servers in memory, their switches, and a locker on all of them.
fn switched() -> (Vec<Arc<AtomicBool>>, Vec<MemoryLocks>, Locker) {
    let worlds: Vec<MemoryLocks> = (0..5).map(|_| MemoryLocks::new()).collect();
    let switches: Vec<Arc<AtomicBool>> = (0..5).map(|_| Arc::default()).collect();
    let nodes = worlds.iter().zip(&switches).map(|(locks, is_down)| {
        Arc::new(Node { locks: locks.process(), is_down: Arc::clone(is_down) }) as Arc<dyn LockBackend>
    });
    let quorum = QuorumLocks::new(nodes.collect(), PATIENCE).unwrap();
    (switches, worlds, Locker::new(quorum, &LockSettings::default(), &Keyspace::default()))
}

#[tokio::test(start_paused = true)]
async fn fences_grow_whatever_each_server_counts() {
    let (switches, worlds, locker) = switched();
    // One of them is ten hours ahead.
    let ahead = worlds[4].process();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let raised = Acquire {
        spot: Spot { key: "mystocks:lock:report", kind: Kind::Exclusive },
        token: "ahead",
        ttl: secs(1),
        fence: Some(u64::try_from(now.as_micros()).unwrap() + 36_000_000_000),
        owner: "{}",
        fair: false,
        place: None,
    };
    ahead.acquire(&raised).await.unwrap();
    sleep(secs(2)).await;
    let mut last = None;
    // Every majority of three of the five: the greatest fence of one is known to the next.
    for turn in 0..100_usize {
        for (n, switch) in switches.iter().enumerate() {
            switch.store((turn * 3 + n) % 5 < 2, Ordering::Relaxed);
        }
        let guard = locker.try_lock("report").await.unwrap().unwrap();
        assert!(guard.fence() > last, "turn {turn}: {:?} after {last:?}", guard.fence());
        last = guard.fence();
        guard.release().await.unwrap();
        // What was held by a server that is down now, and could not be released, ends.
        sleep(secs(40)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_extension_needs_a_majority_of_all() {
    let (switches, _, locker) = switched();
    for switch in &switches[3..] {
        switch.store(true, Ordering::Relaxed);
    }
    let guard = locker.try_lock("report").await.unwrap().unwrap();
    // Two of the three that granted it: a majority of those, and not of all.
    switches[0].store(true, Ordering::Relaxed);
    assert_eq!(guard.extend(secs(30)).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(guard.lost().await, LossReason::Expired);
}

#[tokio::test(start_paused = true)]
async fn what_several_hold_at_once_is_refused() {
    let (_, worlds, locker) = switched();
    let table = locker.rw_lock("table").unwrap();
    let two = locker.semaphore("tasks", 2).unwrap();
    let refused = [
        two.try_acquire().await,
        two.acquire(secs(5)).await,
        table.try_read().await,
        table.write(secs(5)).await,
    ];
    for (answer, key) in refused.into_iter().zip(["tasks", "tasks", "table", "table"]) {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.subject().ends_with(key) && error.to_string().contains("use one server"), "{error}");
    }
    let one = locker.semaphore("tasks", 1).unwrap();
    let held = one.try_acquire().await.unwrap().unwrap();
    assert!(one.try_acquire().await.unwrap().is_none());
    drop(held);
    assert!(one.acquire(secs(5)).await.unwrap().is_some());
    for world in &worlds {
        let kind = Kind::Permits(Share { weight: 1, of: 2 });
        let state = world.inspect(&[Spot { key: "mystocks:lock:tasks", kind }]).await.unwrap();
        assert_eq!(state[0].waiters, 0);
    }
}

/// Why: three servers with two permits each lend six, and each of three holders has two of them.
#[tokio::test]
async fn majorities_cannot_count() {
    let servers: Vec<MemoryLocks> = (0..3).map(|_| MemoryLocks::new()).collect();
    let spot = Spot { key: "mystocks:lock:tasks", kind: Kind::Permits(Share { weight: 1, of: 2 }) };
    for (holder, majority) in [("t", [0, 1]), ("u", [1, 2]), ("v", [2, 0])] {
        for n in majority {
            let want = Acquire {
                spot,
                token: holder,
                ttl: secs(9),
                fence: None,
                owner: "{}",
                fair: false,
                place: None,
            };
            assert_eq!(servers[n].acquire(&want).await.unwrap(), Acquired::Granted { fence: None });
        }
    }
}
