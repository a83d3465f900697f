//! A lock on five servers of which some stand still: one or two cost nothing, and with three it fails in time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mystocks_config::LockSettings;
use mystocks_lock::{ErrorKind, Keyspace, LockBackend, Locker, QuorumLocks};
use mystocks_testkit::RedisServer;
use redis::aio::MultiplexedConnection;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::cycle::give_back;
use super::quorum::{PATIENCE, SERVERS};
use super::raw::Raw;
use crate::report::Row;
use crate::rounds::{interleave, quantile};

const CYCLES: u32 = 512;
/// How much slower the slowest cycles may be, and how much later, in nanoseconds.
const SLOWER: f64 = 1.5;
const LATER: f64 = 1e6;
/// How much longer than one server's patience an error may take.
const LONGER: f64 = 1.2;
const SOON: Duration = Duration::from_millis(50);

struct Five {
    servers: Vec<RedisServer>,
    watches: Vec<MultiplexedConnection>,
    locker: Locker,
    /// Nanoseconds of each cycle, by how many servers stood still.
    times: [Mutex<Vec<f64>>; 3],
}

impl Five {
    async fn start() -> Result<Self> {
        let (mut servers, mut watches, mut nodes) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..SERVERS {
            let server = RedisServer::start().await;
            watches.push(Raw::start(&server.url()).await?.connection);
            nodes.push(Arc::new(super::locks(&server.url()).await?) as Arc<dyn LockBackend>);
            servers.push(server);
        }
        let locker =
            Locker::new(QuorumLocks::new(nodes, PATIENCE)?, &LockSettings::default(), &Keyspace::default());
        Ok(Self { servers, watches, locker, times: Default::default() })
    }

    /// Measures cycles while so many servers stand still.
    async fn pass(&self, still: usize) -> Result<Duration> {
        self.servers.iter().take(still).for_each(RedisServer::pause);
        let mut times = Vec::new();
        let began = Instant::now();
        for _ in 0..CYCLES {
            let began = Instant::now();
            give_back(self.locker.try_lock("minority").await?).await?;
            times.push(began.elapsed().as_secs_f64() * 1e9);
        }
        let took = began.elapsed() / CYCLES;
        self.times[still].lock().unwrap_or_else(PoisonError::into_inner).append(&mut times);
        self.go_on(still).await?;
        Ok(took)
    }

    /// Lets those that stood still go on, and waits until they have caught up.
    async fn go_on(&self, still: usize) -> Result<()> {
        self.servers.iter().take(still).for_each(RedisServer::resume);
        for watch in self.watches.iter().take(still) {
            redis::cmd("PING").exec_async(&mut watch.clone()).await?;
        }
        // What was to be told in vain is given up.
        sleep(if still == 0 { Duration::ZERO } else { PATIENCE }).await;
        Ok(())
    }

    /// Asks for a lock while three stand still; returns how long that took, and how many live servers keep something a little later.
    async fn in_vain(&self, turn: usize) -> Result<(Duration, usize)> {
        const STILL: usize = 3;
        let name = format!("in-vain-{turn}");
        let key = Keyspace::default().lock(&name)?;
        self.servers.iter().take(STILL).for_each(RedisServer::pause);
        let began = Instant::now();
        let answer = self.locker.try_lock(name).await;
        let took = began.elapsed();
        sleep(SOON).await;
        let mut kept = 0;
        for watch in self.watches.iter().skip(STILL) {
            let exists: usize =
                redis::cmd("EXISTS").arg(key.as_str()).query_async(&mut watch.clone()).await?;
            kept += exists;
        }
        self.go_on(STILL).await?;
        match answer {
            Ok(_) => bail!("two of five servers are no majority"),
            Err(error) => ensure!(error.kind() == ErrorKind::Unavailable, "{error}"),
        }
        Ok((took, kept))
    }

    fn p99(&self, still: usize) -> f64 {
        quantile(&self.times[still].lock().unwrap_or_else(PoisonError::into_inner), 0.99)
    }
}

pub(super) async fn run(rounds: usize) -> Result<Vec<Row>> {
    let five = Arc::new(Five::start().await?);
    let cycles: [_; 3] = interleave(rounds, |still| on_a_worker(&five, still)).await?;
    let healthy = five.p99(0);
    let mut rows = Vec::new();
    for still in [1, 2] {
        let name = format!("quorum of five, {still} standing still");
        rows.push(Row::times(&format!("{name}, mean"), &cycles[still], "all five answer", &cycles[0], None));
        let p99 = five.p99(still);
        rows.push(Row::figures(&format!("{name}, p99"), "ns", p99, "all five answer, p99", healthy, None));
        let most = SLOWER * healthy + LATER;
        rows.push(Row::figures(&format!("{name}, p99"), "ns", p99, "1.5 of that and 1 ms", most, Some(1.0)));
    }
    let (mut slowest, mut left) = (Duration::ZERO, 0);
    for turn in 0..rounds {
        let (took, kept) = five.in_vain(turn).await?;
        (slowest, left) = (slowest.max(took), left + kept);
    }
    let (slowest, most) = (slowest.as_secs_f64() * 1e9, LONGER * PATIENCE.as_secs_f64() * 1e9);
    let name = "quorum of five, 3 standing still, slowest error";
    rows.push(Row::figures(name, "ns", slowest, "1.2 of a server's patience", most, Some(1.0)));
    rows.push(Row::counts("locks left on the others 50 ms later", "", left as f64, "at most", 0.0));
    five.locker.shutdown().await;
    Ok(rows)
}

async fn on_a_worker(five: &Arc<Five>, still: usize) -> Result<Duration> {
    let five = Arc::clone(five);
    let mut running = JoinSet::new();
    running.spawn(async move { five.pass(still).await });
    running.join_next().await.context("it was to end")??
}
