//! What a read answers, and the future that answers it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

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
    pub(crate) fn hit(value: Arc<V>, born: Instant) -> Self {
        Self { detail: Detail { state: State::Hit(Some(value), born) } }
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
        match &mut self.detail.state {
            State::Hit(value, _) => once(value).map(Ok),
            State::Pending(fetch) => fetch.as_mut().poll(cx).map_ok(|outcome| outcome.value),
        }
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
    /// The value and when it was made; its age is counted only for who asks.
    Hit(Option<Arc<V>>, Instant),
    Pending(Pin<Box<dyn Future<Output = Result<Outcome<V>, Error>> + Send>>),
}

impl<V> Future for Detail<V> {
    type Output = Result<Outcome<V>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            State::Hit(value, born) => {
                let age = born.elapsed();
                once(value).map(|value| Ok(Outcome { value, tier: Tier::L1, age }))
            }
            State::Pending(fetch) => fetch.as_mut().poll(cx),
        }
    }
}

impl<V> fmt::Debug for Detail<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Hit(..) => "ready",
            State::Pending(_) => "pending",
        };
        f.debug_tuple("GetOrCompute").field(&state).finish()
    }
}

/// Hands a value out once; polled again, the future stays pending, as a fused one would.
fn once<V>(value: &mut Option<Arc<V>>) -> Poll<Arc<V>> {
    value.take().map_or(Poll::Pending, Poll::Ready)
}
