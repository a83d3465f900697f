//! What all handles of one manager and its tasks share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mystocks_config::RedisSettings;
use redis::RedisResult;
use redis::aio::MultiplexedConnection;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::board::Board;
use crate::call::Lane;
use crate::clock::ServerClock;
use crate::dial::{Dialer, Driver};
use crate::failure::Failure;
use crate::health::Health;
use crate::mailbox::Mailbox;
use crate::pool::Pool;
use crate::slot::{Shared, Slot};
use crate::tracking::Touched;
use crate::{Error, metric};

/// Large values travel on this many connections.
const BULK_CONNECTIONS: usize = 8;

/// How long a first connection is waited for: starting with Redis down takes no longer.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1500);

pub(crate) struct Core {
    pub(crate) dialer: Dialer,
    pub(crate) pool: Pool,
    pub(crate) clock: ServerClock,
    pub(crate) small: Arc<Slot>,
    pub(crate) board: Arc<Board>,
    pub(crate) health: watch::Sender<Health>,
    pub(crate) tracker: TaskTracker,
    pub(crate) stop: CancellationToken,
    pub(crate) socket_timeout: Duration,
    health_check_interval: Duration,
    bulk: Vec<Arc<Slot>>,
    next_bulk: AtomicUsize,
}

/// A shared connection and where it came from.
pub(crate) struct Borrowed<'a> {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) generation: u64,
    /// Whether the server tracks what is read over it.
    pub(crate) tracked: bool,
    pub(crate) slot: &'a Slot,
    pub(crate) answered: bool,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        // Somebody stopped waiting. That may be impatience, or the only sign there will be of a dead connection.
        if !self.answered {
            self.slot.suspect(self.generation);
        }
    }
}

impl Core {
    /// Makes the core and starts its tasks.
    pub(crate) fn start(
        settings: &RedisSettings,
        tracking: Option<Arc<Mailbox<Touched>>>,
    ) -> Result<Arc<Self>, Error> {
        let dialer = Dialer::new(settings);
        let pool = Pool::new(&dialer, settings)?;
        let health = Health::unknown(pool.usage());
        let slots = |lane, count| (0..count).map(move |_| Arc::new(Slot::new(lane, None)));
        let core = Arc::new(Self {
            dialer,
            pool,
            clock: ServerClock::new(),
            small: Arc::new(Slot::new(Lane::Small, tracking)),
            board: Arc::default(),
            health: watch::Sender::new(health),
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            socket_timeout: settings.socket_timeout,
            health_check_interval: settings.health_check_interval,
            bulk: slots(Lane::Bulk, BULK_CONNECTIONS).collect(),
            next_bulk: AtomicUsize::new(0),
        });
        core.small.start(&core);
        let watched = Arc::clone(&core);
        core.tracker.spawn(async move { watched.watch_health().await });
        let subscribed = Arc::clone(&core);
        core.tracker.spawn(async move { subscribed.keep_subscribed().await });
        Ok(core)
    }

    /// Returns a connection of `lane`, or at once why there is none.
    ///
    /// Two things are waited for: the first use of a connection, for at most [`PATIENCE`], and with `patience` the
    /// outcome of connecting again after a loss.
    pub(crate) async fn borrow(
        self: &Arc<Self>,
        lane: Lane,
        patience: Option<Instant>,
    ) -> Result<Borrowed<'_>, Failure> {
        if let Some(deadline) = patience {
            Box::pin(self.small.reattached(deadline)).await;
        }
        match lane {
            Lane::Small => borrowed(&self.small).ok_or_else(|| self.absence(&self.small)),
            Lane::Bulk => {
                let slot = self.next_bulk_slot();
                match borrowed(slot) {
                    Some(found) => Ok(found),
                    None => Box::pin(self.open_bulk(slot, patience)).await,
                }
            }
        }
    }

    fn next_bulk_slot(&self) -> &Arc<Slot> {
        let turn = self.next_bulk.fetch_add(1, Ordering::Relaxed) % BULK_CONNECTIONS;
        self.bulk.get(turn).unwrap_or(&self.small)
    }

    async fn open_bulk<'a>(
        self: &'a Arc<Self>,
        slot: &'a Arc<Slot>,
        patience: Option<Instant>,
    ) -> Result<Borrowed<'a>, Failure> {
        if self.small.connection().is_none() {
            return Err(self.absence(&self.small));
        }
        slot.start(self);
        slot.settled(PATIENCE).await;
        if let Some(deadline) = patience {
            slot.reattached(deadline).await;
        }
        borrowed(slot)
            .or_else(|| self.bulk.iter().find_map(|other| borrowed(other)))
            .ok_or_else(|| self.absence(slot))
    }

    pub(crate) fn absence(&self, slot: &Slot) -> Failure {
        if self.stop.is_cancelled() { Failure::Closed } else { slot.absence() }
    }

    /// Asks the server for its time, which also shows that it answers.
    pub(crate) async fn ask_time(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let asked = Instant::now();
        let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(connection).await?;
        let server = Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros));
        self.clock.synchronise(asked, server, Instant::now());
        Ok(())
    }

    /// Moves the bytes of a connection until the returned token is cancelled, which it also is when the connection ends.
    pub(crate) fn drive(&self, driver: Driver) -> CancellationToken {
        let ended = self.stop.child_token();
        let running = ended.clone();
        self.tracker.spawn(async move {
            running.run_until_cancelled(driver).await;
            running.cancel();
        });
        ended
    }

    /// Drops the idle dedicated connections: when one connection to the server died, so have they.
    pub(crate) fn forget_idle(&self) {
        self.pool.forget_idle();
    }

    /// Checks the server now and publishes what it found.
    pub(crate) async fn check_health(&self) -> Health {
        let started = Instant::now();
        let outcome = match self.small.connection() {
            None => Err(self.absence(&self.small)),
            Some(Shared { mut connection, generation, .. }) => {
                let answer = self.ask_time(&mut connection).await;
                answer.map_err(|error| {
                    self.small.report(&error, generation);
                    Failure::Redis(error)
                })
            }
        };
        let health = Health::found(outcome, started, self.pool.usage());
        metric::health(health.round_trip);
        metric::dedicated_in_use(health.dedicated.in_use);
        self.health.send_replace(health.clone());
        health
    }

    /// Checks at the interval of the settings, and whenever the connection came or went.
    async fn watch_health(&self) {
        let mut phase = self.small.phase();
        loop {
            let due = async {
                tokio::select! {
                    _ = phase.changed() => {}
                    () = sleep(self.health_check_interval) => {}
                }
            };
            if self.stop.run_until_cancelled(due).await.is_none() {
                break;
            }
            let check = self.check_health();
            if self.stop.run_until_cancelled(check).await.is_none() {
                break;
            }
        }
        self.check_health().await;
    }
}

fn borrowed(slot: &Slot) -> Option<Borrowed<'_>> {
    let Shared { connection, generation, tracked } = slot.connection()?;
    Some(Borrowed { connection, generation, tracked, slot, answered: false })
}
