//! What handlers are given their events from.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Handled, Handling};
use crate::log::{Consumer, Entry, Settle};

/// Hands out events that can be handled, and takes in how that ended.
pub(super) trait Tray: Send + Sync {
    fn handling(&self) -> &Handling;

    fn group(&self) -> &str;

    /// Something can be begun.
    fn changed(&self) -> &Notify;

    /// Returns the consumer of this name.
    fn consumer<'a>(&'a self, name: &'a str) -> Consumer<'a>;

    /// Takes what a handler can begin with, and the name of the consumer it was given to.
    fn begin(&self) -> Option<(Arc<str>, Entry)>;

    /// Takes in that a handler has ended, and whether it was to run alone.
    fn end(&self, was_alone: bool);

    /// Takes in that a request under `name` has failed: there may be events that were given, and will be.
    fn lost_an_answer(&self, name: &Arc<str>);

    /// Takes in that these, which consumer `name` had, are settled.
    fn settled(&self, name: &str, settlements: &[Settle<'_>], count: impl FnOnce(&mut Handled));
}

/// For so long others may end before what is to be handled alone begins; what takes longer, or hangs, goes on beside it.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// Since when others are waited for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Drain {
    since: Option<Instant>,
}

impl Drain {
    /// Returns whether what is to be alone can begin.
    pub(super) fn is_over(&mut self, running: usize, now: Instant) -> bool {
        running == 0 || *self.since.get_or_insert(now) + PATIENCE <= now
    }
}
