//! Servers of a quorum that are slow to be told of a release.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mystocks_config::LockSettings;
use mystocks_lock::{
    Acquire, Acquired, Error, ErrorKind, Hear, Keep, Kept, Keyspace, Kind, Listening, LockBackend, Locker,
    MemoryLocks, QuorumLocks, Release, Released, Spot, Standing, State, Token,
};
use tokio::time::{Instant, sleep, timeout};

use crate::world::{millis, secs};

const PATIENCE: Duration = Duration::from_secs(1);
const REPORT: Spot<'static> = Spot { key: "mystocks:lock:report", kind: Kind::Exclusive };

/// A server that takes its time, in milliseconds, before it sees a release.
#[derive(Debug)]
struct Slow {
    locks: MemoryLocks,
    takes: Arc<AtomicU64>,
}

#[async_trait]
impl LockBackend for Slow {
    async fn acquire(&self, want: &Acquire<'_>) -> Result<Acquired, Error> {
        self.locks.acquire(want).await
    }
    async fn keep(&self, leases: &[Keep<'_>]) -> Result<Vec<Kept>, Error> {
        self.locks.keep(leases).await
    }
    async fn release(&self, releases: &[Release<'_>]) -> Result<Vec<Standing>, Error> {
        match self.takes.load(Ordering::Relaxed) {
            0 => {}
            u64::MAX => return Err(Error::new(ErrorKind::Unavailable, "reach", "a server that is down")),
            millis => sleep(Duration::from_millis(millis)).await,
        }
        self.locks.release(releases).await
    }
    async fn inspect(&self, spots: &[Spot<'_>]) -> Result<Vec<State>, Error> {
        self.locks.inspect(spots).await
    }
    async fn scan(&self, beginning: &str, cursor: Option<u64>) -> Result<(Vec<String>, Option<u64>), Error> {
        self.locks.scan(beginning, cursor).await
    }
    fn listen(&self, hear: Hear) -> Listening {
        self.locks.listen(hear)
    }
}

struct Five {
    worlds: Vec<MemoryLocks>,
    takes: Vec<Arc<AtomicU64>>,
    quorum: QuorumLocks,
    locker: Locker,
}

impl Five {
    fn new() -> Self {
        let worlds: Vec<MemoryLocks> = (0..5).map(|_| MemoryLocks::new()).collect();
        let takes: Vec<Arc<AtomicU64>> = (0..5).map(|_| Arc::default()).collect();
        let nodes = worlds.iter().zip(&takes).map(|(locks, takes)| {
            Arc::new(Slow { locks: locks.process(), takes: Arc::clone(takes) }) as Arc<dyn LockBackend>
        });
        let quorum = QuorumLocks::new(nodes.collect(), PATIENCE).unwrap();
        let locker = Locker::new(quorum.clone(), &LockSettings::default(), &Keyspace::default());
        Self { worlds, takes, quorum, locker }
    }

    /// Takes it on every server, of which a majority may answer first.
    async fn held_by_all(&self) -> mystocks_lock::LockGuard {
        let guard = self.locker.try_lock("report").await.unwrap().unwrap();
        let token = guard.token().as_str().to_owned();
        for world in &self.worlds {
            assert!(take(world, &token).await);
        }
        guard
    }

    /// On how many servers somebody holds it.
    async fn holders(&self) -> usize {
        let mut holders = 0;
        for world in &self.worlds {
            holders += world.inspect(&[REPORT]).await.unwrap()[0].holders.len();
        }
        holders
    }
}

async fn take(world: &MemoryLocks, token: &str) -> bool {
    let want =
        Acquire { spot: REPORT, token, ttl: secs(60), fence: None, owner: "{}", fair: false, place: None };
    matches!(world.acquire(&want).await.unwrap(), Acquired::Granted { .. })
}

#[tokio::test(start_paused = true)]
async fn a_release_waits_for_a_majority_and_tells_all() {
    let five = Five::new();
    let guard = five.held_by_all().await;
    for (n, millis) in [(0, 300), (3, 700)] {
        five.takes[n].store(millis, Ordering::Relaxed);
    }
    let asked = Instant::now();
    assert_eq!(guard.release().await.unwrap(), Released::Released);
    assert_eq!((asked.elapsed(), five.holders().await), (Duration::ZERO, 2), "three are fast, and were told");
    assert!(timeout(millis(1), five.quorum.shutdown()).await.is_err());
    five.quorum.shutdown().await;
    assert_eq!((asked.elapsed(), five.holders().await), (millis(700), 0));
}

#[tokio::test(start_paused = true)]
async fn a_release_is_not_decided_by_fewer() {
    let five = Five::new();
    let guard = five.held_by_all().await;
    for n in 0..3 {
        five.takes[n].store(300, Ordering::Relaxed);
    }
    let asked = Instant::now();
    assert_eq!(guard.release().await.unwrap(), Released::Released);
    assert_eq!(asked.elapsed(), millis(300));
    // Two of five are no majority, whatever they say.
    let guard = five.held_by_all().await;
    for n in 0..3 {
        five.takes[n].store(3_600_000, Ordering::Relaxed);
    }
    assert!(guard.release().await.is_err());
    assert_eq!(asked.elapsed(), millis(300) + PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn two_that_know_nothing_of_it_decide_nothing() {
    let five = Five::new();
    five.takes[0].store(u64::MAX, Ordering::Relaxed);
    for n in 3..5 {
        five.takes[n].store(300, Ordering::Relaxed);
    }
    let foreign = Token::from("foreign");
    assert_eq!(five.locker.release("report", &foreign).await.unwrap(), Released::AlreadyExpired);
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_in_the_middle_has_told_all() {
    let five = Five::new();
    let guard = five.held_by_all().await;
    for takes in &five.takes {
        takes.store(300, Ordering::Relaxed);
    }
    let token = guard.into_token();
    assert!(timeout(millis(1), five.locker.release("report", &token)).await.is_err());
    assert_eq!(five.holders().await, 5);
    five.quorum.shutdown().await;
    assert_eq!(five.holders().await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_granted_in_vain_is_given_back_by_all() {
    let five = Five::new();
    for n in 0..3 {
        assert!(take(&five.worlds[n], "another").await);
    }
    five.takes[3].store(700, Ordering::Relaxed);
    five.takes[2].store(3_600_000, Ordering::Relaxed);
    let asked = Instant::now();
    assert!(five.locker.try_lock("report").await.unwrap().is_none());
    assert!(asked.elapsed() <= millis(700), "{:?}: it waits for nobody who granted nothing", asked.elapsed());
    five.quorum.shutdown().await;
    assert_eq!(five.holders().await, 3, "the other's");
}
