//! A lock that goes round: who held it waits again, behind all others.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use mystocks_keys::{Keyspace, Sidecar};
use mystocks_lock::Locker;
use redis::aio::MultiplexedConnection;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

const NAME: &str = "ring";
const LIMIT: Duration = Duration::from_secs(30);

/// Two processes, and who watches them.
pub(super) struct Ring {
    pub(super) lockers: [Locker; 2],
    pub(super) watch: MultiplexedConnection,
    pub(super) queue: Sidecar,
}

/// What a pass is at.
#[derive(Default)]
struct Lap {
    /// When it was released, and by which process.
    released: Option<(Instant, usize)>,
    times: Vec<Duration>,
    is_over: bool,
}

impl Ring {
    pub(super) fn new(lockers: [Locker; 2], watch: MultiplexedConnection) -> Result<Self> {
        let key = Keyspace::default().lock(NAME)?;
        Ok(Self { lockers, watch, queue: Sidecar::queue_of(key.as_str()) })
    }

    /// Hands the lock over `times` times from one process to the other with so many waiting in both; returns how long each
    /// took, and how often the lock was granted.
    pub(super) async fn pass(
        self: &Arc<Self>,
        waiters: usize,
        times: usize,
    ) -> Result<(Vec<Duration>, usize)> {
        let lap = Arc::new(Mutex::new(Lap::default()));
        let grants = watch::Sender::new(0);
        let mut running = JoinSet::new();
        for party in 0..=waiters {
            let (ring, lap, grants) = (Arc::clone(self), Arc::clone(&lap), grants.clone());
            running.spawn(async move { ring.party(party % 2, waiters, times, &lap, &grants).await });
        }
        running.join_all().await.into_iter().collect::<Result<()>>()?;
        let lap = std::mem::take(&mut *lap.lock().unwrap_or_else(PoisonError::into_inner));
        let granted = *grants.borrow();
        Ok((lap.times, granted))
    }

    async fn party(
        &self,
        process: usize,
        waiters: usize,
        times: usize,
        lap: &Mutex<Lap>,
        grants: &watch::Sender<usize>,
    ) -> Result<()> {
        let lap = || lap.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let guard = self.lockers[process].lock(NAME, LIMIT).await?.context("its turn was to come")?;
            let now = Instant::now();
            let is_over = {
                let mut lap = lap();
                if let Some((released, by)) = lap.released.take()
                    && by != process
                {
                    lap.times.push(now - released);
                }
                lap.is_over |= lap.times.len() >= times;
                lap.is_over
            };
            grants.send_modify(|grants| *grants += 1);
            let granted = *grants.borrow();
            if !is_over {
                self.until_waiting(waiters).await?;
                lap().released = Some((Instant::now(), process));
            }
            guard.release().await?;
            if is_over {
                return Ok(());
            }
            // Who asked again at once would overtake who was told.
            grants.subscribe().wait_for(|grants| *grants > granted).await?;
        }
    }

    async fn until_waiting(&self, waiters: usize) -> Result<()> {
        let mut watch = self.watch.clone();
        while redis::cmd("ZCARD").arg(self.queue.as_str()).query_async::<usize>(&mut watch).await? < waiters {
        }
        Ok(())
    }
}
