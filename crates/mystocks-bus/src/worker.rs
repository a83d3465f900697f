//! Who handles the events of a durable topic.

mod desk;
mod ordered;
mod tray;
mod work;

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::durable::{Delivered, DurableTopic};
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::hush::Hush;
use crate::log::{Log, Start, Tend};
use crate::metric;
use crate::payload;
use desk::Desk;
use ordered::{LaneDesk, Member};
use tray::Tray;

pub use desk::Handled;

/// How events are handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handling {
    /// How many handlers run at once. Default: 16.
    pub at_once: usize,
    /// How many events wait in this process, on a topic with lanes not counting those that wait behind another of their key. Default: 256.
    pub prefetch: usize,
    /// How often an event is given to a handler at most. Default: 5.
    pub deliveries: u64,
    /// From which delivery on what its workers died with is handled alone, on a topic without lanes; at least 3, less is refused, and `u64::MAX` for handlers that no event can kill.
    /// Default: 3.
    pub alone_from: u64,
    /// After how long it comes again the first time; then twice as long each time, less up to a half by chance. Default: 1 s.
    pub again_after: Duration,
    /// After how long it comes again at most. Default: 5 min.
    pub again_at_most: Duration,
    /// For how long the worker is taken for alive when nothing is heard of it, at least 100 ms. Default: 10 s.
    pub lease: Duration,
    /// Where the group begins when it is new. Default: with the first event that is there.
    pub start: Start,
}

impl Default for Handling {
    fn default() -> Self {
        Self {
            at_once: 16,
            prefetch: 256,
            deliveries: 5,
            alone_from: desk::SUSPECT,
            again_after: Duration::from_secs(1),
            again_at_most: Duration::from_secs(300),
            lease: Duration::from_secs(10),
            start: Start::First,
        }
    }
}

impl Handling {
    /// Says what it asks for that cannot be.
    fn check(&self) -> Result<(), String> {
        if self.lease < SHORTEST {
            return Err(format!("a lease of {:?} cannot be kept: give it at least 100 ms", self.lease));
        }
        let counts = [
            ("at_once", self.at_once as u64),
            ("prefetch", self.prefetch as u64),
            ("deliveries", self.deliveries),
        ];
        if let Some((name, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return Err(format!("with `{name}` 0 nothing would be handled: give it at least 1"));
        }
        if self.alone_from < desk::SUSPECT {
            return Err(format!(
                "`alone_from` is {}: what one worker died with says nothing yet, give it at least {}",
                self.alone_from,
                desk::SUSPECT
            ));
        }
        let most = [("at_once", self.at_once, 1 << 16), ("prefetch", self.prefetch, 1 << 20)];
        if let Some((name, count, most)) = most.iter().find(|(_, count, most)| count > most) {
            return Err(format!("`{name}` is {count}: give it at most {most}"));
        }
        let times =
            [("lease", self.lease), ("again_after", self.again_after), ("again_at_most", self.again_at_most)];
        match times.iter().find(|(_, time)| *time > LONGEST) {
            Some((name, time)) => Err(format!("`{name}` is {time:?}: give it at most a year")),
            None => Ok(()),
        }
    }
}

/// How long a read waits for an event: so often a worker that has nothing to do asks.
const WAIT: Duration = Duration::from_secs(5);
/// A third of it has to be enough for a beat, also on a busy machine.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);
const BACKOFF: Duration = Duration::from_millis(200);

/// A worker of a group; dropping it ends the work, and what it has not done comes to others when its lease has ended.
#[must_use = "dropping it ends the work"]
pub struct Worker {
    desk: Any,
    stop: CancellationToken,
    tasks: TaskTracker,
}

enum Any {
    Shared(Arc<Desk>),
    Ordered(Arc<LaneDesk>),
}

impl Worker {
    pub(crate) async fn start<E, F, R, X>(
        topic: &DurableTopic<E>,
        group: &str,
        handling: Handling,
        handler: impl Fn(Delivered<E>) -> F + Send + Sync + 'static,
    ) -> Result<Self, Error>
    where
        E: Event,
        F: Future<Output = Result<R, X>> + Send + 'static,
        R: Send + 'static,
        X: Into<Box<dyn StdError + Send + Sync>> + Send + 'static,
    {
        handling.check().map_err(|detail| {
            Error::new(ErrorKind::InvalidArgument, "handle events of", &*topic.name).with_detail(detail)
        })?;
        topic.check("handle events of")?;
        let (log, name, lanes) = (Arc::clone(&topic.log), Arc::clone(&topic.name), topic.lanes.names());
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let desk = if lanes.is_empty() {
            let desk = Arc::new(Desk::new(name, group.into(), handling));
            tend(&*log, &desk, E::TYPE, false).await?;
            tasks.spawn(run(log, Arc::clone(&desk), stop.clone(), handler));
            Any::Shared(desk)
        } else {
            let key_of = payload::key_in::<E>;
            let desk = Arc::new(LaneDesk::new(name, Arc::clone(lanes), group.into(), handling, key_of));
            let mut member = Member::new();
            ordered::begin(&*log, &desk).await?;
            member.tend(&*log, &desk).await?;
            tasks.spawn(ordered::run(log, Arc::clone(&desk), member, stop.clone(), handler));
            Any::Ordered(desk)
        };
        tasks.close();
        Ok(Self { desk, stop, tasks })
    }

    /// Returns what became of the events so far.
    pub fn handled(&self) -> Handled {
        match &self.desk {
            Any::Shared(desk) => desk.handled(),
            Any::Ordered(desk) => desk.handled(),
        }
    }

    /// Ends the work: takes no more events, gives back at once what was not begun, waits for the handlers under way, and acknowledges what they did.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("handled", &self.handled()).finish_non_exhaustive()
    }
}

async fn run<E, F, R, X>(
    log: Arc<dyn Log>,
    desk: Arc<Desk>,
    stop: CancellationToken,
    handler: impl Fn(Delivered<E>) -> F + Send + Sync + 'static,
) where
    E: Event,
    F: Future<Output = Result<R, X>> + Send + 'static,
    R: Send + 'static,
    X: Into<Box<dyn StdError + Send + Sync>> + Send + 'static,
{
    // The heart beats until the last handler has ended.
    let heart = CancellationToken::new();
    let beating = heart.run_until_cancelled(beat(&*log, &desk, E::TYPE));
    let working = async {
        let reading = stop.run_until_cancelled(read(&*log, &desk));
        let closing = async {
            stop.cancelled().await;
            desk.close();
        };
        tokio::join!(reading, closing, work::work(&*log, &*desk, &stop, handler));
        heart.cancel();
    };
    tokio::join!(beating, working);
    // What is not given back now is when the lease has ended.
    if let Err(error) = tend(&*log, &desk, E::TYPE, true).await {
        tracing::debug!(%error, "a worker could not give back what it had not begun");
    }
}

/// Fetches events as long as there is room for them.
async fn read(log: &dyn Log, desk: &Desk) {
    let mut failures = Hush::default();
    loop {
        let (name, room) = desk.room().await;
        match log.read(&desk.consumer(&name), room, WAIT).await {
            Ok(entries) => desk.put(&name, entries),
            Err(error) => {
                if let Some(times) = failures.say() {
                    tracing::warn!(%error, times, "events cannot be read");
                }
                desk.lost_an_answer(&name);
                sleep(BACKOFF).await;
            }
        }
    }
}

/// Keeps the worker alive and takes what is due.
async fn beat(log: &dyn Log, desk: &Desk, kind: &'static str) {
    let (mut last, mut failures) = (Instant::now(), Hush::default());
    loop {
        tokio::select! {
            () = sleep_until(desk.rests_until(last)) => {}
            // There is something to ask for.
            () = desk.asked() => {}
            () = desk.sooner() => continue,
        }
        last = Instant::now();
        if let Err(error) = tend(log, desk, kind, false).await {
            if let Some(times) = failures.say() {
                tracing::warn!(%error, times, "a worker cannot be kept alive");
            }
            sleep(BACKOFF.min(desk.handling.lease / 10)).await;
        }
    }
}

/// Looks after the worker once, under each of its names.
async fn tend(log: &dyn Log, desk: &Desk, kind: &'static str, leaves: bool) -> Result<(), Error> {
    for look in desk.looks(leaves) {
        let asked = Tend {
            join: look.joins,
            room: look.room,
            only: None,
            deliveries: desk.handling.deliveries,
            alone: desk.handling.alone_from,
            takes_alone: look.takes_alone,
            keeps: look.keeps.as_deref(),
            leave: look.leaves,
        };
        let tended = log.tend(&desk.consumer(&look.name), &asked).await.inspect_err(|_| {
            if look.room > 0 {
                // It may have been given something that nobody here knows of.
                desk.lost_an_answer(&look.name);
            }
        })?;
        if tended.trimmed > 0 {
            tracing::warn!(count = tended.trimmed, "events were deleted before they were handled");
            metric::trimmed(kind, tended.trimmed);
        }
        desk.take_in(&look, tended);
    }
    Ok(())
}
