//! When rows are written, and until when.

use std::fmt;
use std::time::Duration;

use mystocks_bus::{GroupState, Id};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::crew::Crew;
use super::strategy::FixationStrategy;
use super::tally::age;
use super::{Fixation, failed};
use crate::error::Error;
use crate::metric;

/// How long it takes at most until is looked how much is held.
const LOOK: Duration = Duration::from_secs(1);
/// The shortest time between two looks.
const BRIEFLY: Duration = Duration::from_millis(5);
/// How often is looked at most whether all is written.
const OFTEN: Duration = Duration::from_millis(100);

/// Writes what is held by the strategy of its [`Fixation`], until it is shut down; made by [`Fixation::work`].
#[must_use = "dropping it ends the work"]
pub struct FixationWorker {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl FixationWorker {
    /// Begins to write.
    pub(super) fn start(fixation: Fixation) -> Self {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let stopped = stop.clone();
        tasks.spawn(async move { fixation.write_until(&stopped).await });
        tasks.close();
        Self { stop, tasks }
    }

    /// Begins nothing more and waits until what is being written is written once or given back; the rest stays held for who comes next.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for FixationWorker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for FixationWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FixationWorker")
            .field("is_stopped", &self.stop.is_cancelled())
            .finish_non_exhaustive()
    }
}

impl Fixation {
    /// Writes by the strategy.
    async fn write_until(&self, stop: &CancellationToken) {
        if self.strategy == FixationStrategy::Immediate {
            while !stop.is_cancelled() {
                match Crew::start(self).await {
                    Ok(crew) => {
                        stop.cancelled().await;
                        crew.end().await;
                    }
                    Err(error) => rest(stop, &error).await,
                }
            }
            return;
        }
        let mut due = self.next_round(Instant::now());
        loop {
            let Some(()) = stop.run_until_cancelled(self.wait(due)).await else { return };
            if due.is_some_and(|due| due <= Instant::now()) {
                due = self.next_round(Instant::now());
            }
            match self.write_all(stop).await {
                // Whatever is still held then, it is not asked for without a pause.
                Ok(()) => _ = stop.run_until_cancelled(sleep(BRIEFLY)).await,
                Err(error) => rest(stop, &error).await,
            }
        }
    }

    /// Returns when the next round is that comes by the clock.
    fn next_round(&self, now: Instant) -> Option<Instant> {
        match self.strategy {
            FixationStrategy::Interval(every) => now.checked_add(every),
            _ => None,
        }
    }

    /// Waits until it is time to write.
    async fn wait(&self, round: Option<Instant>) {
        let patience = self.strategy.patience(self.ttl);
        // A row that comes right after a look is still to be seen in time.
        let look = patience.map_or(LOOK, |patience| (patience / 4).clamp(BRIEFLY, LOOK));
        loop {
            let mut until = Instant::now() + look;
            match self.topic.state(&self.group).await {
                Ok(state) => {
                    let held = state.lag + state.pending;
                    metric::fixation_held(held);
                    let left = patience
                        .zip(age(&state, self.store.now_ms()))
                        .map(|(patience, age)| patience.saturating_sub(age));
                    if held >= self.backlog || left.is_some_and(|left| left.is_zero()) {
                        return;
                    }
                    until = until.min(left.map_or(until, |left| Instant::now() + left));
                }
                Err(error) => tracing::debug!(%error, "how much is held is not known"),
            }
            until = round.map_or(until, |round| until.min(round));
            sleep_until(until).await;
            if round.is_some_and(|round| round <= Instant::now()) {
                return;
            }
        }
    }

    /// Writes all that was put before, whoever has it; returns earlier when `stop` says so.
    pub(super) async fn write_all(&self, stop: &CancellationToken) -> Result<(), Error> {
        let last = self.topic.last().await.map_err(|error| failed("look what is held", error))?;
        let state = self.topic.state(&self.group).await;
        let state = state.map_err(|error| failed("look what is held", error))?;
        // What somebody took out of the topic while a worker had it stands behind all that is there, and is let go by who takes it.
        let Some(last) = state.oldest.map(|oldest| last.map_or(oldest, |last| last.max(oldest))) else {
            return Ok(());
        };
        let crew = Crew::start(self).await?;
        let mut pause = BRIEFLY;
        while stop.run_until_cancelled(sleep(pause)).await.is_some() {
            pause = (pause * 2).min(OFTEN);
            match self.topic.state(&self.group).await {
                Ok(state) if is_over(&state, last) => break,
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "how much is held is not known"),
            }
        }
        crew.end().await;
        Ok(())
    }
}

/// Returns whether all up to `last` is in the target, or lies aside.
fn is_over(state: &GroupState, last: Id) -> bool {
    state.oldest.is_none_or(|oldest| oldest > last)
}

async fn rest(stop: &CancellationToken, error: &Error) {
    tracing::warn!(%error, "hot rows cannot be taken yet");
    stop.run_until_cancelled(sleep(LOOK)).await;
}
