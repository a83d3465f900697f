//! A lock on five servers of which some stand still: one or two cost nothing, and with three it fails in time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::stream::{FuturesUnordered, StreamExt};
use mystocks_config::LockSettings;
use mystocks_lock::{ErrorKind, Keyspace, LockBackend, Locker, QuorumLocks};
use mystocks_testkit::RedisServer;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::cycle::give_back;
use super::plain;
use super::quorum::{PATIENCE, SERVERS};
use super::raw::Raw;
use crate::report::Row;
use crate::rounds::{interleave, quantile};

const CYCLES: u32 = 256;
/// How many servers stand still: none, one, two.
const STILL: usize = 3;
/// How much slower the slowest cycles may be, and how much later, in nanoseconds.
const SLOWER: f64 = 1.5;
const LATER: f64 = 1e6;
/// How much longer than one server's patience an error may take.
const LONGER: f64 = 1.2;
const SOON: Duration = Duration::from_millis(50);

/// Who does it.
const KINDS: usize = 3;
const UNFENCED: usize = 0;
const FENCED: usize = 1;
const BY_HAND: usize = 2;

struct Five {
    servers: Vec<RedisServer>,
    raw: Vec<Raw>,
    locker: Locker,
    /// Nanoseconds of each cycle, of each kind, by how many servers stood still.
    times: [[Mutex<Vec<f64>>; STILL]; KINDS],
}

impl Five {
    async fn start() -> Result<Self> {
        let (mut servers, mut raw, mut nodes) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..SERVERS {
            let server = RedisServer::start().await;
            raw.push(Raw::start(&server.url()).await?);
            nodes.push(Arc::new(super::locks(&server.url()).await?) as Arc<dyn LockBackend>);
            servers.push(server);
        }
        let locker =
            Locker::new(QuorumLocks::new(nodes, PATIENCE)?, &LockSettings::default(), &Keyspace::default());
        Ok(Self { servers, raw, locker, times: Default::default() })
    }

    /// Measures cycles while so many servers stand still.
    async fn pass(&self, kind: usize, still: usize) -> Result<Duration> {
        self.servers.iter().take(still).for_each(RedisServer::pause);
        let mut times = Vec::new();
        let began = Instant::now();
        for _ in 0..CYCLES {
            let began = Instant::now();
            self.cycle(kind).await?;
            times.push(began.elapsed().as_secs_f64() * 1e9);
        }
        let took = began.elapsed() / CYCLES;
        self.times[kind][still].lock().unwrap_or_else(PoisonError::into_inner).append(&mut times);
        self.go_on(still).await?;
        Ok(took)
    }

    async fn cycle(&self, kind: usize) -> Result<()> {
        match kind {
            UNFENCED => give_back(self.locker.try_lock(plain("minority")).await?).await,
            FENCED => give_back(self.locker.try_lock("minority").await?).await,
            _ => {
                // Who was not waited for may not have been told at all: the next cycle must not find that.
                let token = Uuid::new_v4().to_string();
                majority(self.raw.iter().map(|server| server.set_as(&token, &token))).await?;
                majority(self.raw.iter().map(|server| server.delete(&token, &token))).await
            }
        }
    }

    /// Lets those that stood still go on, and waits until they have caught up.
    async fn go_on(&self, still: usize) -> Result<()> {
        self.servers.iter().take(still).for_each(RedisServer::resume);
        for server in self.raw.iter().take(still) {
            redis::cmd("PING").exec_async(&mut server.connection.clone()).await?;
        }
        // What they were told meanwhile is answered on the other connections, too.
        sleep(SOON).await;
        Ok(())
    }

    /// Asks for a lock while three stand still; returns how long that took, and how many live servers keep something a little later.
    async fn in_vain(&self, turn: usize) -> Result<(Duration, usize)> {
        let name = format!("in-vain-{turn}");
        let key = Keyspace::default().lock(&name)?;
        self.servers.iter().take(STILL).for_each(RedisServer::pause);
        let began = Instant::now();
        let answer = self.locker.try_lock(name).await;
        let took = began.elapsed();
        sleep(SOON).await;
        let mut kept = 0;
        for server in self.raw.iter().skip(STILL) {
            let mut exists = redis::cmd("EXISTS");
            kept += exists.arg(key.as_str()).query_async::<usize>(&mut server.connection.clone()).await?;
        }
        self.go_on(STILL).await?;
        match answer {
            Ok(_) => bail!("two of five servers are no majority"),
            Err(error) => ensure!(error.kind() == ErrorKind::Unavailable, "{error}"),
        }
        Ok((took, kept))
    }

    fn p99(&self, kind: usize, still: usize) -> f64 {
        quantile(&self.times[kind][still].lock().unwrap_or_else(PoisonError::into_inner), 0.99)
    }
}

/// Waits until three of five have done it.
async fn majority(answers: impl Iterator<Item = impl Future<Output = Result<()>>>) -> Result<()> {
    let mut answers: FuturesUnordered<_> = answers.collect();
    let mut done = 0;
    while done <= SERVERS / 2 {
        done += usize::from(answers.next().await.context("most were to do it")?.is_ok());
    }
    Ok(())
}

pub(super) async fn run(rounds: usize) -> Result<Vec<Row>> {
    let five = Arc::new(Five::start().await?);
    let cycles: [_; KINDS * STILL] = interleave(rounds, |side| on_a_worker(&five, side)).await?;
    let mut rows = Vec::new();
    for (kind, what) in [(UNFENCED, "unfenced"), (FENCED, "fenced"), (BY_HAND, "by hand")] {
        let (all, healthy) = (&cycles[kind * STILL], five.p99(kind, 0));
        for still in 1..STILL {
            let name = format!("{what}, {still} of five standing still");
            rows.push(Row::times(&name, &cycles[kind * STILL + still], "all five answer", all, None));
            let (name, p99) = (format!("{name}, p99"), five.p99(kind, still));
            rows.push(Row::figures(&name, "ns", p99, "all five answer, p99", healthy, None));
            if kind != BY_HAND {
                let most = SLOWER * healthy + LATER;
                rows.push(Row::figures(&name, "ns", p99, "1.5 of that and 1 ms", most, Some(1.0)));
            }
            if kind == UNFENCED {
                rows.push(Row::figures(&name, "ns", p99, "by hand, p99", five.p99(BY_HAND, still), None));
            }
        }
    }
    let (mut slowest, mut left) = (Duration::ZERO, 0);
    for turn in 0..rounds {
        let (took, kept) = five.in_vain(turn).await?;
        (slowest, left) = (slowest.max(took), left + kept);
    }
    let (slowest, most) = (slowest.as_secs_f64() * 1e9, LONGER * PATIENCE.as_secs_f64() * 1e9);
    let name = "3 of five standing still, slowest error";
    rows.push(Row::figures(name, "ns", slowest, "1.2 of a server's patience", most, Some(1.0)));
    rows.push(Row::counts("locks left on the others 50 ms later", "", left as f64, "at most", 0.0));
    five.locker.shutdown().await;
    Ok(rows)
}

async fn on_a_worker(five: &Arc<Five>, side: usize) -> Result<Duration> {
    let five = Arc::clone(five);
    let mut running = JoinSet::new();
    running.spawn(async move { five.pass(side / STILL, side % STILL).await });
    running.join_next().await.context("it was to end")??
}
