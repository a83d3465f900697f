//! One thing that is held, as its guard and the keeper see it.

mod terms;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::goal::Goal;
use crate::hold::terms::Terms;
use crate::metric;
use crate::token::Token;

pub(crate) use terms::Asked;

/// Why a lock is no longer held although nobody released it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LossReason {
    /// Its time to live has passed without a confirmed renewal: nobody can know whether somebody else holds it by now.
    Expired,
    /// The server no longer knew of it.
    Gone,
    /// Somebody else holds it.
    TakenOver,
    /// It was released by force.
    Forced,
    /// The locker was shut down, and released it.
    Shutdown,
}

impl LossReason {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Gone => "gone",
            Self::TakenOver => "taken_over",
            Self::Forced => "forced",
            Self::Shutdown => "shutdown",
        }
    }
}

/// So often the server is told who holds it: what it knows of that ends a day after the time to live.
const KNOWN: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub(crate) struct Hold {
    pub(crate) id: u64,
    pub(crate) goal: Arc<Goal>,
    pub(crate) token: Token,
    /// From before it was asked for, or handed over: what all else counts from.
    pub(crate) since: Instant,
    /// When it was known to be held.
    pub(crate) begun: Instant,
    /// Whoever extends it: one after the other.
    pub(crate) extending: tokio::sync::Mutex<()>,
    terms: Mutex<Terms>,
    /// Until when, in nanoseconds after `since`: the same as in `terms`, for who must not wait.
    valid_for: AtomicU64,
    /// Until when the server needs not be told who holds it, in nanoseconds after `since`.
    known_for: AtomicU64,
    lost: CancellationToken,
    reason: OnceLock<LossReason>,
}

impl Hold {
    pub(crate) fn new(id: u64, goal: Arc<Goal>, token: Token, since: Instant, is_handed: bool) -> Self {
        let terms = Terms::new(since, goal.ttl);
        let known_for = AtomicU64::new(if is_handed { 0 } else { nanos(KNOWN) });
        let valid_for = AtomicU64::new(nanos(terms.until - since));
        let (terms, extending) = (Mutex::new(terms), tokio::sync::Mutex::default());
        let (lost, reason) = (CancellationToken::new(), OnceLock::new());
        let begun = Instant::now();
        Self { id, goal, token, since, begun, extending, terms, valid_for, known_for, lost, reason }
    }

    /// Returns what a renewal at `at` asks for: of what is not to be renewed only whether it is held.
    pub(crate) fn renew(&self, at: Instant) -> Asked {
        let terms = self.terms();
        if self.goal.is_renewed { terms.renew(at) } else { terms.look(at) }
    }

    /// Returns whether it was handed over, and the server does not know yet who holds it.
    pub(crate) fn is_handed(&self) -> bool {
        self.known_for.load(Ordering::Acquire) == 0
    }

    /// Returns who holds it, when the server is to be told that at `at`.
    pub(crate) fn owner(&self, at: Instant) -> Option<&str> {
        let known_for = Duration::from_nanos(self.known_for.load(Ordering::Acquire));
        let is_due = self.is_handed() || self.goal.is_fenced && at >= self.since + known_for;
        is_due.then_some(&*self.goal.owner)
    }

    /// Takes in that the server was told at `at` who holds it.
    pub(crate) fn known(&self, at: Instant) {
        let known_for = at.saturating_duration_since(self.since) + KNOWN;
        self.known_for.store(nanos(known_for), Ordering::Release);
    }

    /// Returns what an extension at `at` asks for; `None` when it is lost, and must not live any longer.
    pub(crate) fn extend(&self, at: Instant, ttl: Duration) -> Option<Asked> {
        let mut terms = self.terms();
        let asked = self.is_held(&terms).then(|| terms.extend(at, ttl));
        self.show(&terms);
        asked
    }

    /// Takes in that what a renewal asked for was granted; returns whether that came in time: what is lost stays lost.
    pub(crate) fn granted(&self, asked: &Asked) -> bool {
        let mut terms = self.terms();
        let is_held = self.is_held(&terms);
        if is_held {
            terms.granted(asked);
            self.show(&terms);
        }
        is_held
    }

    /// Takes in that what an extension asked for was granted; returns whether that came in time.
    pub(crate) fn extended(&self, asked: &Asked) -> bool {
        let mut terms = self.terms();
        let is_held = self.is_held(&terms);
        if is_held {
            terms.extended(asked);
            self.show(&terms);
        }
        is_held
    }

    /// The longest time to live that was ever asked for: with an extension that came late it may live for so long.
    pub(crate) fn longest(&self) -> Duration {
        self.terms().longest
    }

    /// For how long an answer is good.
    pub(crate) fn term(&self) -> Duration {
        self.terms().term()
    }

    pub(crate) fn valid_until(&self) -> Instant {
        self.since + Duration::from_nanos(self.valid_for.load(Ordering::Acquire))
    }

    /// When it is to be renewed: after a third of the time that an answer is good for.
    pub(crate) fn renewal_due(&self) -> Instant {
        let (until, term) = (self.valid_until(), self.term());
        until.checked_sub(crate::ttl::reliable(term)).unwrap_or(self.since) + term / 3
    }

    pub(crate) fn is_valid(&self) -> bool {
        !self.lost.is_cancelled() && Instant::now() < self.valid_until()
    }

    /// Takes in that it is lost; the first reason counts.
    pub(crate) fn lose(&self, reason: LossReason) {
        let is_first = self.reason.set(reason).is_ok();
        // Not only by the first: whoever returns from here finds it cancelled.
        self.lost.cancel();
        if is_first {
            metric::lost(self.goal.class, reason);
        }
    }

    pub(crate) fn reason(&self) -> Option<LossReason> {
        self.reason.get().copied()
    }

    pub(crate) fn lost_token(&self) -> &CancellationToken {
        &self.lost
    }

    /// Waits until it is lost. The deadline is watched here too, for a keeper whose runtime is gone or busy.
    pub(crate) async fn lost(&self) -> LossReason {
        loop {
            let until = self.valid_until();
            tokio::select! {
                () = self.lost.cancelled() => {}
                () = sleep_until(until) => {
                    if Instant::now() >= self.valid_until() {
                        self.lose(LossReason::Expired);
                    }
                }
            }
            if let Some(reason) = self.reason.get() {
                return *reason;
            }
        }
    }

    fn is_held(&self, terms: &Terms) -> bool {
        !self.lost.is_cancelled() && Instant::now() < terms.until
    }

    fn show(&self, terms: &Terms) {
        let valid_for = terms.until.saturating_duration_since(self.since);
        self.valid_for.store(nanos(valid_for), Ordering::Release);
    }

    fn terms(&self) -> MutexGuard<'_, Terms> {
        self.terms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_server_is_told_who_holds_it_after_a_hand_over_and_every_hour() {
        let hold = |is_handed, is_fenced| {
            let goal = Goal { is_fenced, ..Goal::any() };
            Hold::new(1, Arc::new(goal), Token::random(), Instant::now(), is_handed)
        };
        let (now, hour) = (Instant::now(), Duration::from_secs(3600));
        let granted = hold(false, true);
        assert_eq!([now, now + hour / 2, now + hour].map(|at| granted.owner(at)), [None, None, Some("me")]);
        granted.known(now + hour);
        assert_eq!([now + hour * 3 / 2, now + hour * 2].map(|at| granted.owner(at)), [None, Some("me")]);
        assert_eq!(hold(false, false).owner(now + hour * 9), None, "it has no record");
        let handed = hold(true, true);
        assert_eq!(handed.owner(now), Some("me"));
        handed.known(now);
        assert_eq!(handed.owner(now), None);
    }
}
