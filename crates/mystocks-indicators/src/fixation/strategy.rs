//! When what is held is written to the target.

use std::time::Duration;

/// When what is held is written to the target; [`Fixation::flush`](super::Fixation::flush) writes it at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FixationStrategy {
    /// At once, as fast as the target takes it.
    Immediate,
    /// Every so often (`REDIS_FIXATION_INTERVAL_SECONDS`), counted from when the worker began, and when a row has waited for so long, or its hot
    /// value ([`Fixation::ttl`](super::Fixation::ttl)) would end within a tenth of its life, 30 s at most.
    Interval(Duration),
    /// When the oldest row that is held would lose its hot value within `margin`: `ttl` is how long hot values live.
    BeforeExpiry {
        /// How long hot values live.
        ttl: Duration,
        /// How long before its end a row is written.
        margin: Duration,
    },
    /// Only by [`Fixation::flush`](super::Fixation::flush).
    OnDemand,
}

/// How long before the end of its hot value a row is written at the earliest that an interval has wait for longer.
const LONGEST_MARGIN: Duration = Duration::from_secs(30);

impl FixationStrategy {
    /// Returns how long a row may wait whose hot value lives for `lives`; `None` for ever.
    pub(super) fn patience(self, lives: Duration) -> Option<Duration> {
        match self {
            Self::Immediate => Some(Duration::ZERO),
            Self::Interval(every) => Some(every.min(lives - (lives / 10).min(LONGEST_MARGIN))),
            Self::BeforeExpiry { ttl, margin } => Some(ttl.saturating_sub(margin)),
            Self::OnDemand => None,
        }
    }

    /// Says what it asks for that cannot be.
    pub(super) fn check(self) -> Result<(), &'static str> {
        match self {
            Self::Interval(Duration::ZERO) => Err("an interval of 0 is FixationStrategy::Immediate"),
            Self::BeforeExpiry { ttl, margin } if margin >= ttl => {
                Err("the margin is to be shorter than the time to live")
            }
            _ => Ok(()),
        }
    }
}

impl Default for FixationStrategy {
    /// Every 300 s.
    fn default() -> Self {
        Self::Interval(Duration::from_secs(300))
    }
}
