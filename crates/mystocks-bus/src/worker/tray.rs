//! What handlers are given their events from.

use std::sync::Arc;

use tokio::sync::Notify;

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

    /// Takes in that a handler has ended.
    fn end(&self);

    /// Takes in that a request under `name` has failed: there may be events that were given, and will be.
    fn lost_an_answer(&self, name: &Arc<str>);

    /// Takes in that these, which consumer `name` had, are settled.
    fn settled(&self, name: &str, settlements: &[Settle<'_>], count: impl FnOnce(&mut Handled));
}
