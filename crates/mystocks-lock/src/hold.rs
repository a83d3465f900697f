//! One thing that is held, as its guard and the keeper see it.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::goal::Goal;
use crate::metric;
use crate::token::Token;

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

#[derive(Debug)]
pub(crate) struct Hold {
    pub(crate) id: u64,
    pub(crate) goal: Arc<Goal>,
    pub(crate) token: Token,
    pub(crate) since: Instant,
    /// Nanoseconds after `since`.
    valid_for: AtomicU64,
    /// Milliseconds: what the next renewal asks for.
    ttl: AtomicU64,
    lost: CancellationToken,
    reason: OnceLock<LossReason>,
}

impl Hold {
    /// `since` is from before it was asked for.
    pub(crate) fn new(id: u64, goal: Arc<Goal>, token: Token, since: Instant) -> Self {
        let hold = Self {
            id,
            token,
            since,
            valid_for: AtomicU64::new(0),
            ttl: AtomicU64::new(0),
            lost: CancellationToken::new(),
            reason: OnceLock::new(),
            goal,
        };
        hold.extend(since, hold.goal.ttl);
        hold
    }

    /// Takes in that a time to live of `ttl` was granted, asked for at `asked`.
    pub(crate) fn extend(&self, asked: Instant, ttl: Duration) {
        let valid_for = asked.saturating_duration_since(self.since) + crate::ttl::reliable(ttl);
        self.ttl.store(whole(ttl.as_millis()), Ordering::Release);
        self.valid_for.store(whole(valid_for.as_nanos()), Ordering::Release);
    }

    pub(crate) fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl.load(Ordering::Acquire))
    }

    pub(crate) fn valid_until(&self) -> Instant {
        self.since + Duration::from_nanos(self.valid_for.load(Ordering::Acquire))
    }

    /// When it is to be renewed: after a third of its time to live.
    pub(crate) fn renewal_due(&self) -> Instant {
        let ttl = self.ttl();
        self.valid_until() - crate::ttl::reliable(ttl) + ttl / 3
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
}

fn whole(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
