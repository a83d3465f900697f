//! What a health check found.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::failure::Failure;

/// What the last look at the server found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Health {
    /// Whether the server answered.
    pub state: State,
    /// How long the answer took; `None` while down.
    pub round_trip: Option<Duration>,
    /// Why it is down, without any secret; `None` while up.
    pub reason: Option<Arc<str>>,
    /// When the look began.
    pub checked_at: Instant,
    /// The dedicated connections.
    pub dedicated: Usage,
}

/// Whether the server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It answered.
    Up,
    /// It could not be reached, refused the login, or did not answer.
    Down,
}

/// How the dedicated connections are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Handed out now.
    pub in_use: usize,
    /// Open and waiting to be handed out.
    pub idle: usize,
    /// The most there can be, `REDIS_MAX_CONNECTIONS`.
    pub limit: usize,
}

impl Health {
    /// Returns whether the server answered.
    pub fn is_up(&self) -> bool {
        self.state == State::Up
    }

    pub(crate) fn unknown(dedicated: Usage) -> Self {
        Self {
            state: State::Down,
            round_trip: None,
            reason: Some("not checked yet".into()),
            checked_at: Instant::now(),
            dedicated,
        }
    }

    pub(crate) fn found(outcome: Result<(), Failure>, started: Instant, dedicated: Usage) -> Self {
        let (state, round_trip, reason) = match outcome {
            Ok(()) => (State::Up, Some(started.elapsed()), None),
            // A user without the right to ask for the time was recognised and answered.
            Err(Failure::Redis(error)) if error.code() == Some("NOPERM") => {
                (State::Up, Some(started.elapsed()), None)
            }
            Err(failure) => {
                let error = failure.into_error("check", "the connection".to_owned());
                (State::Down, None, Some(error.to_string().into()))
            }
        };
        Self { state, round_trip, reason, checked_at: started, dedicated }
    }
}
