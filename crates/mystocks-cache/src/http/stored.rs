//! A stored response as the cache found it, and the ways to ask the cache.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::cache_control::CacheControl;
use super::key::HttpKey;
use super::layer::Rules;
use super::load::Failed;
use super::response::CachedResponse;
use crate::error::ErrorKind;
use crate::load_ctx::{LoadCtx, Loaded};
use crate::outcome::{Outcome, Tier};

/// A stored response, where it was, and how long ago it was made.
pub(crate) struct Stored {
    pub(crate) response: Arc<CachedResponse>,
    pub(crate) tier: Tier,
    since: Duration,
    is_stale: bool,
}

impl Stored {
    fn new(outcome: Outcome<CachedResponse>) -> Self {
        let Outcome { value, tier, age, stale } = outcome;
        Self { response: value, tier, since: age, is_stale: stale.is_some() }
    }

    /// Makes the one that the service has just made.
    pub(crate) fn fresh(response: CachedResponse) -> Self {
        Self { response: Arc::new(response), tier: Tier::L3, since: Duration::ZERO, is_stale: false }
    }

    /// Returns the age of the response, that before it was stored included (RFC 9111, section 4.2.3).
    pub(crate) fn age(&self) -> Duration {
        self.response.initial_age().saturating_add(self.since)
    }

    /// Returns whether the cache's policy served it stale.
    pub(crate) fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// Returns whether the cache's policy served it stale and the response does not forbid that.
    pub(crate) fn may_be_stale(&self) -> bool {
        self.is_stale && !CacheControl::of(self.response.headers()).forbids_stale()
    }
}

impl Rules {
    /// Reads a response or makes it by `load`; `None` where there is none to share.
    ///
    /// # Errors
    /// When the load failed or was ended.
    pub(crate) async fn read<F, Fut>(&self, key: &HttpKey, load: F) -> Result<Option<Stored>, ErrorKind>
    where
        F: FnOnce(LoadCtx<CachedResponse>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Loaded<CachedResponse>, Failed>> + Send + 'static,
    {
        let read = self.cache.get_or_load(key, load).await;
        read.map(|outcome| outcome.map(Stored::new)).map_err(|error| error.kind())
    }

    /// Reads a response and makes none.
    pub(crate) async fn look_up(&self, key: &HttpKey) -> Option<Stored> {
        let read = self.cache.get_many(std::slice::from_ref(key)).await.ok()?;
        read.into_iter().next().flatten().map(Stored::new)
    }
}
