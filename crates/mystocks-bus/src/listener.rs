//! Handlers that are called with each event.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::event::Event;
use crate::feed::{Counts, Feed};
use crate::hush::Hush;
use crate::metric;
use crate::subscription::{Delivery, Subscription};
use crate::trace::Place;

/// A handler that is being called; dropping it ends that, after the call that is under way.
#[must_use = "dropping it ends the calls"]
#[derive(Debug)]
pub struct Listener {
    stop: CancellationToken,
    feed: FeedOf,
    is_detached: bool,
}

#[derive(Clone)]
struct FeedOf(Arc<Feed>);

impl Listener {
    pub(crate) fn new(feed: &Arc<Feed>) -> Self {
        Self { stop: CancellationToken::new(), feed: FeedOf(Arc::clone(feed)), is_detached: false }
    }

    pub(crate) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Has the handler called until the bus is shut down or dropped.
    pub fn detach(mut self) {
        self.is_detached = true;
    }

    /// Returns what became of the messages so far; a delivered one has been handed to the handler.
    pub fn counts(&self) -> Counts {
        self.feed.0.counts()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if !self.is_detached {
            self.stop.cancel();
        }
    }
}

impl std::fmt::Debug for FeedOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("counts", &self.0.counts()).finish_non_exhaustive()
    }
}

/// Calls `handler` with one thing after the other until there is nothing more or `stop` is cancelled. A panic of it is logged and counted, and costs
/// that one event only.
pub(crate) async fn serve<E, F, H>(mut subscription: Subscription<E>, stop: CancellationToken, mut handler: H)
where
    E: Event,
    F: Future<Output = ()> + Send,
    H: FnMut(Delivery<E>) -> F + Send,
{
    let mut panics = Hush::default();
    while let Some(Some(delivery)) = stop.run_until_cancelled(subscription.next()).await {
        let begun = Instant::now();
        let envelope = match &delivery {
            Delivery::Event(received) => received.envelope(),
            Delivery::Gap(_) => None,
        };
        let place = Place::of(E::TYPE, envelope);
        let handling = AssertUnwindSafe(place.run(async { handler(delivery).await }));
        let outcome = match handling.catch_unwind().await {
            Ok(()) => "done",
            Err(panic) => {
                if let Some(times) = panics.say() {
                    let reason = panic_text(panic.as_ref());
                    tracing::error!(r#type = E::TYPE, reason, times, "a handler of events panicked");
                }
                "panicked"
            }
        };
        metric::handled(E::TYPE, outcome, begun.elapsed());
    }
}

/// Returns what a panic says.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}
