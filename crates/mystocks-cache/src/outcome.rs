//! What a read answers, and the future that answers it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::error::Error;

/// Which tier a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tier {
    /// This process's memory.
    L1,
    /// The shared store.
    L2,
    /// The loader.
    L3,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::L3 => "L3",
        })
    }
}

/// A value and where it came from.
#[derive(Debug)]
pub struct Outcome<V> {
    /// The value, shared with L1.
    pub value: Arc<V>,
    /// The tier that answered. Who waited for another request's fetch is told that fetch's tier.
    pub tier: Tier,
    /// How long ago the value was made.
    pub age: Duration,
}

impl<V> Clone for Outcome<V> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), ..*self }
    }
}

/// The answer of [`Cache::get_or_compute`](crate::Cache::get_or_compute): a future that is ready at once on an L1 hit.
///
/// Await it for the value, or [`detail`](Self::detail) for the value with its tier and age.
#[must_use = "futures do nothing unless awaited"]
pub struct GetOrCompute<V> {
    detail: Detail<V>,
}

impl<V> GetOrCompute<V> {
    pub(crate) fn ready(outcome: Outcome<V>) -> Self {
        Self { detail: Detail { state: State::Ready(Some(outcome)) } }
    }

    pub(crate) fn pending(fetch: impl Future<Output = Result<Outcome<V>, Error>> + Send + 'static) -> Self {
        Self { detail: Detail { state: State::Pending(Box::pin(fetch)) } }
    }

    /// Answers the value with its tier and age.
    pub fn detail(self) -> Detail<V> {
        self.detail
    }
}

impl<V> Future for GetOrCompute<V> {
    type Output = Result<Arc<V>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(Pin::new(&mut self.detail).poll(cx));
        Poll::Ready(outcome.map(|outcome| outcome.value))
    }
}

impl<V> fmt::Debug for GetOrCompute<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.detail.fmt(f)
    }
}

/// The future of [`GetOrCompute::detail`].
#[must_use = "futures do nothing unless awaited"]
pub struct Detail<V> {
    state: State<V>,
}

enum State<V> {
    Ready(Option<Outcome<V>>),
    Pending(Pin<Box<dyn Future<Output = Result<Outcome<V>, Error>> + Send>>),
}

impl<V> Future for Detail<V> {
    type Output = Result<Outcome<V>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            // Polled again after it was ready, it stays pending, as a fused future would.
            State::Ready(outcome) => outcome.take().map_or(Poll::Pending, |outcome| Poll::Ready(Ok(outcome))),
            State::Pending(fetch) => fetch.as_mut().poll(cx),
        }
    }
}

impl<V> fmt::Debug for Detail<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Ready(_) => "ready",
            State::Pending(_) => "pending",
        };
        f.debug_tuple("GetOrCompute").field(&state).finish()
    }
}
