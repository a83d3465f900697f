//! The one task of a locker: renews, watches deadlines, keeps places in queues, and gives back what guards left behind.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use crate::backend::{Keep, Kept, Listening, LockBackend, Release};
use crate::error::Error;
use crate::goal::Goal;
use crate::hearing::ear;
use crate::hold::{Asked, Hold, LossReason};
use crate::metric;
use crate::registry::Registry;
use crate::token::Token;
use crate::waiter::{PLACE, Waiter};

/// So much is given back in one request.
const BATCH: usize = 256;
/// After a release whose first attempt may have overtaken the acquisition it takes back, another one comes.
const AGAIN: Duration = Duration::from_secs(1);
/// How long the end waits for what brings no answer; what is left ends with its time to live.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Something that is to be given back.
#[derive(Debug)]
pub(crate) struct Return {
    pub(crate) goal: Arc<Goal>,
    pub(crate) token: Token,
    /// Whether it may have a place in the queue.
    pub(crate) leaves: bool,
    /// Whether the acquisition may still be under way, on a connection that was lost.
    pub(crate) is_uncertain: bool,
    /// When its time to live will have ended it.
    pub(crate) until: Instant,
}

impl Return {
    /// Whatever `hold` may still have on the server, which nobody relies on any more.
    pub(crate) fn lost(hold: &Hold, is_uncertain: bool) -> Self {
        let until = hold.valid_until() + hold.longest();
        let (goal, token) = (Arc::clone(&hold.goal), hold.token.clone());
        Self { goal, token, leaves: false, is_uncertain, until }
    }
}

enum Done {
    Renewed { holds: Vec<(Arc<Hold>, Asked)>, kept: Result<Vec<Kept>, Error> },
    Kept { waiters: Vec<Arc<Waiter>>, asked: Instant, kept: Result<Vec<Kept>, Error> },
    Returned { returns: Vec<Return>, attempt: u32, is_ok: bool },
    Paused { returns: Vec<Return>, attempt: u32 },
}

pub(crate) struct Keeper {
    pub(crate) backend: Arc<dyn LockBackend>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) returns: mpsc::UnboundedReceiver<Return>,
    _listening: Listening,
    /// When a shutdown has waited for long enough.
    end: Arc<OnceLock<Instant>>,
    running: FuturesUnordered<BoxFuture<'static, Done>>,
    waiting: VecDeque<Return>,
}

impl Keeper {
    pub(crate) fn new(
        backend: &Arc<dyn LockBackend>,
        registry: &Arc<Registry>,
        returns: mpsc::UnboundedReceiver<Return>,
        end: &Arc<OnceLock<Instant>>,
    ) -> Self {
        Self {
            _listening: backend.listen(ear(registry)),
            end: Arc::clone(end),
            backend: Arc::clone(backend),
            registry: Arc::clone(registry),
            returns,
            running: FuturesUnordered::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Runs until nobody can hold or give back anything any more, which is also when `returns` is closed by a shutdown.
    pub(crate) async fn run(mut self) {
        loop {
            let next = self.look();
            let registry = Arc::clone(&self.registry);
            let alarm = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Some(done) = self.running.next(), if !self.running.is_empty() => self.finish(done),
                given = self.returns.recv() => match given {
                    Some(first) => {
                        self.waiting.push_back(first);
                        while let Ok(more) = self.returns.try_recv() {
                            self.waiting.push_back(more);
                        }
                        self.give_back();
                    }
                    None => break,
                },
                () = alarm => {}
                () = registry.sooner.notified() => {}
            }
        }
        let end = *self.end.get_or_init(|| Instant::now() + PATIENCE);
        let drained = async {
            while let Some(done) = self.running.next().await {
                self.finish(done);
            }
        };
        // What brings no answer until then ends with its time to live.
        let _ = timeout_at(end, drained).await;
    }

    /// Does what is due; returns when to look again.
    fn look(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let due = self.registry.due(now);
        for hold in due.lost {
            self.lose(&hold, LossReason::Expired);
        }
        for holds in [due.adopt, due.renew] {
            if !holds.is_empty() {
                self.renew(holds, now);
            }
        }
        if !due.wait.is_empty() {
            self.keep_places(due.wait, now);
        }
        due.next
    }

    fn renew(&mut self, holds: Vec<Arc<Hold>>, asked: Instant) {
        let backend = Arc::clone(&self.backend);
        // The next attempt must come while there is time for it.
        let limit = holds.iter().map(|hold| hold.term() / 6).min().unwrap_or_default();
        let holds: Vec<(Arc<Hold>, Asked)> = holds
            .into_iter()
            .map(|hold| {
                let asked = hold.renew(asked);
                (hold, asked)
            })
            .collect();
        let renewal = async move {
            let leases: Vec<Keep<'_>> = holds
                .iter()
                .map(|(hold, asked)| asked.keep(hold.goal.spot(), hold.token.as_str(), hold.owner(asked.at)))
                .collect();
            let kept = timeout(limit, backend.keep(&leases)).await;
            let kept = kept.unwrap_or_else(|_| {
                Err(crate::acquiring::no_answer("extend", holds[0].0.goal.name.as_str()))
            });
            Done::Renewed { holds, kept }
        };
        self.running.push(renewal.boxed());
    }

    fn keep_places(&mut self, waiters: Vec<Arc<Waiter>>, asked: Instant) {
        let backend = Arc::clone(&self.backend);
        let keeping = async move {
            let leases: Vec<Keep<'_>> = waiters
                .iter()
                .map(|waiter| Keep::Waiting {
                    spot: waiter.goal.spot(),
                    token: waiter.token.as_str(),
                    ttl: waiter.goal.ttl,
                    lease: PLACE,
                })
                .collect();
            let kept = timeout(PLACE, backend.keep(&leases)).await;
            let kept = kept.unwrap_or_else(|_| {
                Err(crate::acquiring::no_answer("wait for", waiters[0].goal.name.as_str()))
            });
            Done::Kept { waiters, asked, kept }
        };
        self.running.push(keeping.boxed());
    }

    fn give_back(&mut self) {
        while !self.waiting.is_empty() {
            let batch = self.waiting.drain(..self.waiting.len().min(BATCH)).collect();
            self.send_back(batch, 0);
        }
    }

    fn send_back(&mut self, returns: Vec<Return>, attempt: u32) {
        let backend = Arc::clone(&self.backend);
        let giving = async move {
            let releases: Vec<Release<'_>> =
                returns.iter().map(|given| given.goal.release(given.token.as_str(), given.leaves)).collect();
            let is_ok = backend.release(&releases).await.is_ok();
            Done::Returned { returns, attempt, is_ok }
        };
        self.running.push(giving.boxed());
    }

    fn finish(&mut self, done: Done) {
        match done {
            Done::Renewed { holds, kept: Ok(kept) } => {
                for ((hold, asked), kept) in holds.iter().zip(kept) {
                    match kept {
                        Kept::Held => {
                            let is_adopted = hold.owner(asked.at).is_some();
                            if hold.goal.is_renewed && !is_adopted {
                                let late = asked.at.saturating_duration_since(hold.renewal_due());
                                metrics::histogram!(metric::RENEWAL_LAG_SECONDS).record(late.as_secs_f64());
                            }
                            if is_adopted {
                                hold.known(asked.at);
                            }
                            if !self.registry.renewed(hold, asked) {
                                self.lose(hold, LossReason::Expired);
                            }
                        }
                        Kept::TakenOver => self.lose(hold, LossReason::TakenOver),
                        Kept::Gone | Kept::Waiting | Kept::First => self.lose(hold, LossReason::Gone),
                    }
                }
            }
            Done::Renewed { holds, kept: Err(error), .. } => {
                metrics::counter!(metric::RENEWAL_ERRORS).increment(1);
                tracing::debug!(%error, holds = holds.len(), "a renewal brought no answer");
                let now = Instant::now();
                holds.iter().for_each(|(hold, _)| self.registry.not_renewed(hold, now));
            }
            Done::Kept { waiters, asked, kept } => {
                for (waiter, kept) in waiters.iter().zip(kept.unwrap_or_default()) {
                    if matches!(kept, Kept::Waiting | Kept::First) {
                        waiter.waits(asked);
                    }
                    let knows = waiter.is_first.load(Ordering::Acquire);
                    if kept == Kept::Gone || kept == Kept::First && !knows {
                        waiter.bell.notify_one();
                    }
                }
            }
            Done::Returned { mut returns, attempt, is_ok } => {
                let now = Instant::now();
                if is_ok {
                    returns.retain(|given| given.is_uncertain);
                    returns.iter_mut().for_each(|given| given.is_uncertain = false);
                } else {
                    returns.retain(|given| given.until > now);
                }
                if !returns.is_empty() {
                    let pause = if is_ok { AGAIN } else { backoff(attempt) };
                    let attempt = attempt + 1;
                    self.running.push(sleep(pause).map(move |()| Done::Paused { returns, attempt }).boxed());
                }
            }
            Done::Paused { returns, attempt } => self.send_back(returns, attempt),
        }
    }

    /// Takes in that `hold` is lost, and gives it back in case it is not: a renewal without an answer may have been granted.
    fn lose(&mut self, hold: &Arc<Hold>, reason: LossReason) {
        if self.registry.lose(hold, reason) && reason == LossReason::Expired {
            self.waiting.push_back(Return::lost(hold, true));
            self.give_back();
        }
    }
}

fn backoff(attempt: u32) -> Duration {
    let most = Duration::from_millis(50 << attempt.min(5));
    most.mul_f64(0.5 + 0.5 * fastrand::f64())
}
