//! Where messages are missing.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// A place in a subscription where messages are or may be missing.
///
/// It stands exactly where they would: after what came before and before what came later. What was published before
/// [`since`](Self::since) or after [`until`](Self::until) is not missing here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    pub(crate) since: Instant,
    pub(crate) until: Instant,
    /// How many messages came and were given up because this subscription had no room for them.
    pub dropped: u64,
    /// Whether the connection was lost, so that an unknown number more may be missing.
    pub disconnected: bool,
}

impl Gap {
    pub(crate) fn disconnected(since: Instant, until: Instant) -> Self {
        Self { since, until, dropped: 0, disconnected: true }
    }

    pub(crate) fn dropped(at: Instant) -> Self {
        Self { since: at, until: at, dropped: 1, disconnected: false }
    }

    /// Takes in the gap that comes right after this one.
    pub(crate) fn join(&mut self, next: &Self) {
        self.since = self.since.min(next.since);
        self.until = self.until.max(next.until);
        self.dropped += next.dropped;
        self.disconnected |= next.disconnected;
    }

    /// Returns when it begins, by this host's clock.
    pub fn since(&self) -> SystemTime {
        ago(self.since)
    }

    /// Returns when it ends, by this host's clock.
    pub fn until(&self) -> SystemTime {
        ago(self.until)
    }

    /// Returns how long it is.
    pub fn duration(&self) -> Duration {
        self.until.saturating_duration_since(self.since)
    }
}

fn ago(at: Instant) -> SystemTime {
    SystemTime::now().checked_sub(at.elapsed()).unwrap_or(SystemTime::UNIX_EPOCH)
}
