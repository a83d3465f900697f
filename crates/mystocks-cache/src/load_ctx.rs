//! What a loader is told, and what it may say beside the value.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::notes::Notes;

/// What a loader made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded<V> {
    /// A value.
    Value(V),
    /// The value that [`LoadCtx::stale`] gave still holds: it is kept for another life. Without one the load fails.
    NotModified,
    /// There is no such thing; remembered for [`Policy::negative_ttl`](crate::Policy::negative_ttl).
    Absent,
}

impl<V> From<Option<V>> for Loaded<V> {
    fn from(value: Option<V>) -> Self {
        value.map_or(Self::Absent, Self::Value)
    }
}

/// What a loader is told of the entry it is to make, and where it says how the entry is to be kept.
///
/// Cheap to clone. What is said last before the loader returns counts.
pub struct LoadCtx<V> {
    pub(crate) stale: Option<Arc<V>>,
    pub(crate) etag: Option<Arc<str>>,
    pub(crate) deadline: Instant,
    pub(crate) wishes: Arc<Mutex<Wishes>>,
}

/// What a loader said.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wishes {
    pub(crate) ttl: Option<Duration>,
    pub(crate) no_store: bool,
    pub(crate) notes: Notes,
    pub(crate) on_written: Option<OnWritten>,
}

/// Whom a loader wants called when its value is where others find it.
#[derive(Clone)]
pub(crate) struct OnWritten(Arc<dyn Fn() + Send + Sync>);

impl OnWritten {
    /// Calls it; what it breaks is its own.
    pub(crate) fn call(&self) {
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (self.0)())).is_err() {
            tracing::warn!("what a loader wanted called after its value was written panicked");
        }
    }
}

impl fmt::Debug for OnWritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnWritten")
    }
}

impl<V> LoadCtx<V> {
    /// Returns the value that is to be replaced, if this process has it at hand.
    pub fn stale(&self) -> Option<Arc<V>> {
        self.stale.clone()
    }

    /// Returns the entity tag that the loader gave the value that is to be replaced.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// Returns when the load will be ended.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Sets how long the entry lives, in place of the policy's time; at most 30 days.
    pub fn set_ttl(&self, ttl: Duration) {
        self.say(|wishes| wishes.ttl = Some(ttl));
    }

    /// Subjects the entry to `tag`: it ends when the tag is invalidated. At most 32 tags of 255 bytes.
    pub fn tag(&self, tag: impl Into<String>) {
        let tag = tag.into();
        self.say(|wishes| {
            if !wishes.notes.tags.contains(&tag) {
                wishes.notes.tags.push(tag);
            }
        });
    }

    /// Keeps the value out of L1 and L2; the callers that wait get it.
    pub fn no_store(&self) {
        self.say(|wishes| wishes.no_store = true);
    }

    /// Keeps an entity tag with the entry, for the next loader to compare; at most 255 bytes.
    pub fn set_etag(&self, etag: impl Into<String>) {
        let etag = etag.into();
        self.say(|wishes| wishes.notes.etag = Some(etag));
    }

    /// Has `call` called once the value stands in L2, before the callers that wait get it; without an L2, when it was made.
    ///
    /// It is not called for a value that is not there for others: L2 was away or did not answer in time, an invalidation or somebody
    /// else's value came between, it is not to be stored or cannot be, or the cache was shut down. It holds up who waits: it should only take note.
    pub fn on_written(&self, call: impl Fn() + Send + Sync + 'static) {
        self.say(|wishes| wishes.on_written = Some(OnWritten(Arc::new(call))));
    }

    pub(crate) fn wishes(&self) -> Wishes {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn say(&self, what: impl FnOnce(&mut Wishes)) {
        what(&mut self.wishes.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl<V> Clone for LoadCtx<V> {
    fn clone(&self) -> Self {
        Self {
            stale: self.stale.clone(),
            etag: self.etag.clone(),
            deadline: self.deadline,
            wishes: Arc::clone(&self.wishes),
        }
    }
}

impl<V> fmt::Debug for LoadCtx<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadCtx")
            .field("stale", &self.stale.is_some())
            .field("etag", &self.etag)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
