//! A lock on five servers, against the same commands sent to all five at a time.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures::future::try_join_all;
use mystocks_config::LockSettings;
use mystocks_lock::{Keyspace, LockBackend, Locker, QuorumLocks};
use mystocks_testkit::RedisServer;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use super::cycle::give_back;
use super::peers::Rslock;
use super::plain;
use super::raw::Raw;
use crate::report::Row;
use crate::rounds::interleave;

pub(super) const SERVERS: usize = 5;
/// How long one server may take.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);
const CYCLES: u32 = 256;
const BOUND: f64 = 1.25;

struct Sides {
    raw: Vec<Raw>,
    locker: Locker,
    rslock: Rslock,
}

impl Sides {
    async fn cycle(&self, side: usize) -> Result<()> {
        match side {
            0 => self.by_hand("quorum").await,
            1 => give_back(self.locker.try_lock(plain("quorum")).await?).await,
            2 => give_back(self.locker.try_lock("quorum").await?).await,
            _ => self.rslock.cycle("quorum").await,
        }
    }

    async fn by_hand(&self, name: &str) -> Result<()> {
        let token = Uuid::new_v4().to_string();
        try_join_all(self.raw.iter().map(|server| server.set_as(name, &token))).await?;
        try_join_all(self.raw.iter().map(|server| server.delete(name, &token))).await?;
        Ok(())
    }
}

pub(super) async fn run(rounds: usize) -> Result<Vec<Row>> {
    let mut servers = Vec::new();
    for _ in 0..SERVERS {
        servers.push(RedisServer::start().await);
    }
    let urls: Vec<String> = servers.iter().map(RedisServer::url).collect();
    let (mut raw, mut nodes) = (Vec::new(), Vec::new());
    for url in &urls {
        raw.push(Raw::start(url).await?);
        nodes.push(Arc::new(super::locks(url).await?) as Arc<dyn LockBackend>);
    }
    let locks = QuorumLocks::new(nodes, PATIENCE)?;
    let locker = Locker::new(locks, &LockSettings::default(), &Keyspace::default());
    let sides = Arc::new(Sides { raw, locker, rslock: Rslock::new(&urls) });
    let [by_hand, unfenced, fenced, rslock] = interleave(rounds, |side| pass(&sides, side)).await?;
    sides.locker.shutdown().await;
    let raw = "SET NX PX + EVALSHA to all five";
    Ok(vec![
        Row::times("quorum of five, unfenced cycle", &unfenced, raw, &by_hand, Some(BOUND)),
        Row::times("quorum of five, fenced cycle", &fenced, raw, &by_hand, None),
        Row::times("quorum of five, unfenced cycle", &unfenced, "rslock 0.10", &rslock, None),
    ])
}

async fn pass(sides: &Arc<Sides>, side: usize) -> Result<Duration> {
    let sides = Arc::clone(sides);
    let mut running = JoinSet::new();
    let began = Instant::now();
    running.spawn(async move {
        for _ in 0..CYCLES {
            sides.cycle(side).await?;
        }
        anyhow::Ok(())
    });
    running.join_all().await.into_iter().collect::<Result<()>>()?;
    Ok(began.elapsed() / CYCLES)
}
