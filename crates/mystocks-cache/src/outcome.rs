//! What a read answers, and the future that answers it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;
use crate::fetch::absent_in_spite_of_a_value;
use crate::found::Found;

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

impl Tier {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::L3 => "L3",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A value and where it came from.
#[derive(Debug)]
pub struct Outcome<V> {
    /// The value, shared with L1.
    pub value: Arc<V>,
    /// The tier that answered. Who waited for another request's fetch is told that fetch's tier.
    pub tier: Tier,
    /// How long ago its load began.
    pub age: Duration,
    /// Why the value is served although its time is up; `None` for a fresh one.
    pub stale: Option<Staleness>,
}

/// Why a value is served although its time is up; see [`Policy::stale_if_error`](crate::Policy::stale_if_error).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Staleness {
    /// The load of a new one failed, or a recent one did.
    LoadFailed,
    /// The load of a new one takes longer than [`Policy::soft_timeout`](crate::Policy::soft_timeout); it goes on.
    LoadSlow,
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
    #[inline]
    pub(crate) fn hit(value: Arc<V>, born: Born) -> Self {
        Self { detail: Detail { state: State::Hit(Some(value), born) } }
    }

    pub(crate) fn found(found: Found<V>) -> Self {
        Self { detail: Detail { state: State::Found(Some(Box::new(Ok(found)))) } }
    }

    pub(crate) fn pending(fetch: impl Future<Output = Result<Found<V>, Error>> + Send + 'static) -> Self {
        Self { detail: Detail { state: State::Pending(Box::pin(fetch)) } }
    }

    /// Answers the value with its tier and age.
    pub fn detail(self) -> Detail<V> {
        self.detail
    }
}

impl<V> Future for GetOrCompute<V> {
    type Output = Result<Arc<V>, Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.detail.state {
            State::Hit(value, _) => once(value).map(Ok),
            State::Found(answer) => answer
                .take()
                .map_or(Poll::Pending, |answer| Poll::Ready(outcome(*answer).map(|outcome| outcome.value))),
            State::Pending(fetch) => {
                fetch.as_mut().poll(cx).map(|answer| outcome(answer).map(|outcome| outcome.value))
            }
        }
    }
}

impl<V> fmt::Debug for GetOrCompute<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.detail.fmt(f)
    }
}

/// When something was made: microseconds after the process's own beginning, by the store's clock.
///
/// Eight bytes, and no clock is read to make one: a hit carries it whether anybody asks for the age or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Born(pub(crate) i64);

impl Born {
    pub(crate) fn age(self) -> Duration {
        let now = uptime_us(Instant::now());
        Duration::from_micros(u64::try_from(now.saturating_sub(self.0)).unwrap_or(0))
    }
}

/// Returns the microseconds to `now` from when this was first asked; less than zero on a clock that is behind.
pub(crate) fn uptime_us(now: Instant) -> i64 {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    let beginning = *BEGINNING.get_or_init(Instant::now);
    let micros = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    match now.checked_duration_since(beginning) {
        Some(since) => micros(since),
        None => -micros(beginning.saturating_duration_since(now)),
    }
}

/// The future of [`GetOrCompute::detail`].
#[must_use = "futures do nothing unless awaited"]
pub struct Detail<V> {
    state: State<V>,
}

enum State<V> {
    /// The value and when it was made; its age is counted only for who asks.
    Hit(Option<Arc<V>>, Born),
    /// An answer that was at hand after a closer look.
    Found(Option<Box<Result<Found<V>, Error>>>),
    Pending(Pin<Box<dyn Future<Output = Result<Found<V>, Error>> + Send>>),
}

impl<V> Future for Detail<V> {
    type Output = Result<Outcome<V>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            State::Hit(value, born) => {
                let age = born.age();
                once(value).map(|value| Ok(Outcome { value, tier: Tier::L1, age, stale: None }))
            }
            State::Found(answer) => {
                answer.take().map_or(Poll::Pending, |answer| Poll::Ready(outcome(*answer)))
            }
            State::Pending(fetch) => fetch.as_mut().poll(cx).map(outcome),
        }
    }
}

impl<V> fmt::Debug for Detail<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Hit(..) | State::Found(_) => "ready",
            State::Pending(_) => "pending",
        };
        f.debug_tuple("GetOrCompute").field(&state).finish()
    }
}

fn outcome<V>(answer: Result<Found<V>, Error>) -> Result<Outcome<V>, Error> {
    answer.and_then(|found| found.outcome().ok_or_else(absent_in_spite_of_a_value))
}

/// Hands a value out once; polled again, the future stays pending, as a fused one would.
fn once<V>(value: &mut Option<Arc<V>>) -> Poll<Arc<V>> {
    value.take().map_or(Poll::Pending, Poll::Ready)
}
