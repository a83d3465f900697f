//! How one call is to be made.

use std::time::Duration;

/// From this many bytes on a value belongs on [`Lane::Bulk`].
pub const BULK_FROM: usize = 32 * 1024;

/// Which of the shared connections carries a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Lane {
    /// One connection, on which small commands batch best.
    #[default]
    Small,
    /// Eight connections, opened when first used: a large value delays nobody's small command here.
    Bulk,
}

impl Lane {
    /// Returns the lane for a value of `bytes`: [`Lane::Bulk`] from [`BULK_FROM`] on.
    pub fn for_size(bytes: usize) -> Self {
        if bytes >= BULK_FROM { Self::Bulk } else { Self::Small }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Bulk => "bulk",
        }
    }
}

/// How one call is to be made: whether it may be repeated, on which lane, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Call {
    pub(crate) repeatable: bool,
    pub(crate) lane: Lane,
    pub(crate) timeout: Option<Duration>,
    pub(crate) tracked: bool,
}

impl Call {
    /// Sends the command at most once: for whatever must not happen twice (`INCR`, `LPUSH`, `SET NX`).
    pub fn once() -> Self {
        Self { repeatable: false, lane: Lane::Small, timeout: None, tracked: false }
    }

    /// Allows the command to be sent again when its connection fails: for reads, and for writes that may happen twice.
    pub fn repeatable() -> Self {
        Self { repeatable: true, ..Self::once() }
    }

    /// Has the server watch the keys that the command reads; what happens to them is told by [`Tracking`](crate::Tracking).
    ///
    /// Goes over [`Lane::Small`], whatever [`Call::on`] says. Without tracking ([`RedisManager::start_tracked`](crate::RedisManager::start_tracked),
    /// [`Touched::Up`](crate::Touched::Up)) it changes nothing else.
    pub fn tracked(mut self) -> Self {
        self.tracked = true;
        self
    }

    /// Returns the lane that carries it.
    pub(crate) fn lane(self) -> Lane {
        if self.tracked { Lane::Small } else { self.lane }
    }

    /// Sends the command on the connections of `lane`.
    pub fn on(mut self, lane: Lane) -> Self {
        self.lane = lane;
        self
    }

    /// Limits the call, retries included, to `limit`, when that is shorter than `REDIS_SOCKET_TIMEOUT`.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }
}
