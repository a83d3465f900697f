//! One shared connection and what keeps it alive.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::{ErrorKind as RedisKind, RedisError, RedisResult, ServerErrorKind};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::backoff;
use crate::call::Lane;
use crate::core::Core;
use crate::failure::{Failure, kind_of};
use crate::mailbox::Mailbox;
use crate::metric;
use crate::pulse::{BEAT, NO_OWN_LIMIT, Pulse};
use crate::tracking::Touched;
use crate::{ErrorKind, failure, tracking};

/// How long a connection on which nobody got an answer may take to answer PING before it is given up.
///
/// Longer on the bulk lane, where the answer may stand behind megabytes that are on their way.
fn probe_limit(lane: Lane) -> Duration {
    match lane {
        Lane::Small => Duration::from_secs(1),
        Lane::Bulk => Duration::from_secs(5),
    }
}

/// A connection that lived shorter does not count as a success of connecting.
pub(crate) const STEADY: Duration = Duration::from_secs(1);

/// Where a slot stands.
#[derive(Debug, Clone)]
pub(crate) enum Phase {
    /// Nothing has come of the first attempt yet.
    Connecting,
    Up,
    /// A connection broke, and the next attempt has not ended.
    Lost(RedisError),
    Down(RedisError),
    Closed,
}

/// A place for one connection, empty while there is none.
pub(crate) struct Slot {
    lane: Lane,
    tracking: Option<Arc<Mailbox<Touched>>>,
    current: ArcSwapOption<Current>,
    phase: watch::Sender<Phase>,
    started: AtomicBool,
    generations: AtomicU64,
}

/// A connection for whoever asks for one.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) connection: MultiplexedConnection,
    /// For [`Slot::report`].
    pub(crate) generation: u64,
    pub(crate) tracked: bool,
}

struct Current {
    shared: Shared,
    /// Of a connection that is asked for life though nobody suspects it.
    pulse: Option<Pulse>,
    /// A call timed out: is the connection still alive?
    suspected: Notify,
    /// Ends the driver, and is cancelled by its end.
    ended: CancellationToken,
}

impl Slot {
    pub(crate) fn new(lane: Lane, tracking: Option<Arc<Mailbox<Touched>>>) -> Self {
        Self {
            lane,
            tracking,
            current: ArcSwapOption::empty(),
            phase: watch::Sender::new(Phase::Connecting),
            started: AtomicBool::new(false),
            generations: AtomicU64::new(0),
        }
    }

    /// Returns the connection.
    pub(crate) fn connection(&self) -> Option<Shared> {
        self.current.load().as_ref().map(|current| current.shared.clone())
    }

    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Says why there is no connection.
    pub(crate) fn absence(&self) -> Failure {
        match &*self.phase.borrow() {
            Phase::Lost(error) | Phase::Down(error) => Failure::Down(error.clone()),
            Phase::Closed => Failure::Closed,
            Phase::Connecting | Phase::Up => {
                Failure::Down(io::Error::from(io::ErrorKind::NotConnected).into())
            }
        }
    }

    /// Starts what keeps the connection alive, once; returns whether this call did.
    pub(crate) fn start(self: &Arc<Self>, core: &Arc<Core>) -> bool {
        if self.started.swap(true, Ordering::Relaxed) {
            return false;
        }
        let (slot, core_of_task) = (Arc::clone(self), Arc::clone(core));
        core.tracker.spawn(async move { slot.supervise(&core_of_task).await });
        true
    }

    /// Waits until the first attempt has ended, at most for `patience`; from then on the slot counts as down.
    pub(crate) async fn settled(&self, patience: Duration) {
        let mut phase = self.phase.subscribe();
        let attempted = phase.wait_for(|phase| !matches!(phase, Phase::Connecting));
        if timeout(patience, attempted).await.is_err() {
            self.phase.send_if_modified(|phase| {
                let pending = matches!(phase, Phase::Connecting);
                if pending {
                    *phase = Phase::Down(io::Error::from(io::ErrorKind::TimedOut).into());
                }
                pending
            });
        }
    }

    /// Waits after a loss until the next attempt to connect has ended, at most until `deadline`.
    pub(crate) async fn reattached(&self, deadline: Instant) {
        let mut phase = self.phase.subscribe();
        let attempted = phase.wait_for(|phase| !matches!(phase, Phase::Lost(_)));
        let _ = timeout_at(deadline, attempted).await;
    }

    /// Takes in that a call failed with `error` on the connection of `generation`.
    pub(crate) fn report(&self, error: &RedisError, generation: u64) {
        if error.is_timeout() {
            self.suspect(generation);
        } else if (error.is_unrecoverable_error() || error.code() == Some("NOAUTH"))
            && let Some(current) = self.of(generation)
        {
            current.ended.cancel();
        }
    }

    /// Takes in that no answer came in time on the connection of `generation`.
    pub(crate) fn suspect(&self, generation: u64) {
        if let Some(current) = self.of(generation) {
            current.suspected.notify_one();
        }
    }

    fn of(&self, generation: u64) -> Option<Arc<Current>> {
        let current = self.current.load_full()?;
        (current.shared.generation == generation).then_some(current)
    }

    async fn supervise(&self, core: &Core) {
        let mut failures = 0;
        while let Some(attempt) = core.stop.run_until_cancelled(self.connect(core)).await {
            match attempt {
                Err(error) => {
                    tracing::debug!(
                        lane = self.lane.name(),
                        reason = %failure::Reason(&error),
                        "cannot connect to redis"
                    );
                    self.say_untracked();
                    self.phase.send_replace(Phase::Down(error));
                }
                Ok(current) => {
                    let since = Instant::now();
                    self.tend(current, core).await;
                    if since.elapsed() >= STEADY {
                        failures = 0;
                        continue;
                    }
                }
            }
            failures += 1;
            let pause = backoff::reconnect(failures);
            if core.stop.run_until_cancelled(sleep(pause)).await.is_none() {
                break;
            }
        }
        self.current.store(None);
        if let Some(tracking) = &self.tracking {
            tracking.close();
        }
        self.phase.send_replace(Phase::Closed);
    }

    /// Publishes a connection and returns when it is lost.
    async fn tend(&self, current: Arc<Current>, core: &Core) {
        metric::connect(self.lane.name());
        tracing::info!(lane = self.lane.name(), "connected to redis");
        // Before anybody reads over it, so that nothing it says about a read comes before this.
        match &self.tracking {
            Some(tracking) if current.shared.tracked => tracking.up(),
            _ => self.say_untracked(),
        }
        self.current.store(Some(Arc::clone(&current)));
        self.phase.send_replace(Phase::Up);
        let reason = tokio::select! {
            () = current.ended.cancelled() => "closed",
            () = current.until_silent(probe_limit(self.lane)) => "silent",
        };
        self.current.store(None);
        // What still waits on this connection fails now, not at its own timeout.
        current.ended.cancel();
        if core.stop.is_cancelled() {
            return;
        }
        // After the connection is taken away: no read that begins when this is known goes over it.
        self.say_untracked();
        metric::loss(self.lane.name(), reason);
        tracing::warn!(lane = self.lane.name(), reason, "lost a connection to redis");
        let error = match reason {
            "silent" => io::Error::from(io::ErrorKind::TimedOut),
            _ => io::Error::from(io::ErrorKind::ConnectionReset),
        };
        self.phase.send_replace(Phase::Lost(error.into()));
        core.forget_idle();
    }

    /// Makes a connection that has answered once.
    async fn connect(&self, core: &Core) -> RedisResult<Arc<Current>> {
        let (connection, driver, pulse) = match &self.tracking {
            None => {
                let (connection, driver) = core.dialer.dial().await?;
                (connection, driver, None)
            }
            Some(tracking) => {
                let tracking = Arc::clone(tracking);
                let hear = move |push| tracking::hear(&tracking, push);
                let (connection, driver, pulse) = core.dialer.dial_for_pushes(hear).await?;
                (connection, driver, Some(pulse))
            }
        };
        let ended = core.drive(driver);
        let end_on_failure = ended.clone().drop_guard();
        let mut first = connection.clone();
        first.set_response_timeout(core.dialer.connect_timeout());
        match core.ask_time(&mut first).await {
            Err(error) if refuses_everything(&error) => return Err(error),
            _ => {}
        }
        let tracked = self.tracking.is_some() && track(&mut first).await?;
        end_on_failure.disarm();
        let generation = self.generations.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(Current {
            shared: Shared { connection, generation, tracked },
            pulse,
            suspected: Notify::new(),
            ended,
        }))
    }

    fn say_untracked(&self) {
        if let Some(tracking) = &self.tracking {
            tracking.down(Instant::now());
        }
    }
}

/// Turns tracking on; returns whether the server does it.
async fn track(connection: &mut MultiplexedConnection) -> RedisResult<bool> {
    match tracking::turn_on().query_async::<redis::Value>(connection).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_io_error() => Err(error),
        Err(error) => {
            tracing::warn!(reason = %failure::Reason(&error), "redis does not track reads");
            Ok(false)
        }
    }
}

impl Current {
    /// Returns when the connection was suspected and did not answer PING either.
    ///
    /// Replies come in order, so an answered PING also says that nothing older is missing.
    async fn until_silent(&self, limit: Duration) {
        let mut probe = self.shared.connection.clone();
        probe.set_response_timeout(if self.pulse.is_some() { NO_OWN_LIMIT } else { limit });
        let ping = redis::cmd("PING");
        loop {
            let suspected = self.suspected.notified();
            let answer = match &self.pulse {
                None => {
                    suspected.await;
                    Some(ping.query_async::<redis::Value>(&mut probe).await)
                }
                Some(pulse) => {
                    let _ = timeout(BEAT, suspected).await;
                    pulse.answered(ping.query_async::<redis::Value>(&mut probe)).await
                }
            };
            if answer.is_none_or(|answer| answer.is_err_and(|error| error.is_io_error())) {
                return;
            }
        }
    }
}

/// Says whether no other command can be expected to fare better than the first.
fn refuses_everything(error: &RedisError) -> bool {
    let one_command = RedisKind::Server(ServerErrorKind::NoPerm);
    error.is_io_error() || (kind_of(error) == ErrorKind::Auth && error.kind() != one_command)
}
