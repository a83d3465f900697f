//! The layer and what it is told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use http::request::Parts;
use tower_layer::Layer;

use super::key::{Audience, HttpKey};
use super::response::CachedResponse;
use super::service::CachedService;
use super::storable::Storing;
use crate::cache::Cache;

/// Puts a cache of responses in front of a service.
///
/// What it promises stands at [the module](crate::http).
///
/// The layer never makes a request fail: what the cache cannot do, the service is asked for. Where the cache's policy serves
/// stale entries, the layer serves them too, with an `Age` beyond their lifetime, unless the response or the request
/// forbids it.
#[derive(Clone)]
pub struct CacheLayer {
    rules: Rules,
}

#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) cache: Cache<HttpKey, CachedResponse>,
    pub(crate) max_body: usize,
    vary_on: Vec<HeaderName>,
    default_ttl: Option<Duration>,
    key_with: Option<Arc<KeyWith>>,
}

type KeyWith = dyn Fn(&Parts) -> Option<String> + Send + Sync;

impl CacheLayer {
    /// Makes a layer that stores in `cache`; whatever else is stored there is the caller's to keep apart by its name.
    pub fn new(cache: Cache<HttpKey, CachedResponse>) -> Self {
        let rules =
            Rules { cache, max_body: 1024 * 1024, vary_on: vec![], default_ttl: None, key_with: None };
        Self { rules }
    }

    /// Sets the request headers that are part of the key, in any order. Default: none.
    ///
    /// A response whose `Vary` names any other header is passed on and not stored.
    #[must_use]
    pub fn vary_on(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        let mut headers: Vec<HeaderName> = headers.into_iter().collect();
        headers.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        headers.dedup();
        self.rules.vary_on = headers;
        self
    }

    /// Sets the largest body that is stored, in bytes. Default: 1 MiB.
    ///
    /// A larger one streams through, and no more of it is held at a time than this and one frame. The cache's own
    /// [`Policy::max_entry`](crate::Policy::max_entry) holds too, for headers and body together.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.rules.max_body = bytes;
        self
    }

    /// Sets how long a response with neither `Cache-Control` nor `Expires` is fresh; it gets a `max-age` that says so.
    /// Default: `None`, such a response is not stored.
    #[must_use]
    pub fn default_ttl(mut self, ttl: Option<Duration>) -> Self {
        self.rules.default_ttl = ttl;
        self
    }

    /// Sets what names the user a request is from: with a name, what is stored is for that user alone, and a request with
    /// `Authorization` is cached like any other. Default: no user is named.
    ///
    /// The name must come from what the service trusts, such as a verified token: whoever has another's name gets the
    /// other's responses. `None` and the empty name name nobody.
    #[must_use]
    pub fn key_with(mut self, name: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static) -> Self {
        self.rules.key_with = Some(Arc::new(name));
        self
    }
}

impl<S> Layer<S> for CacheLayer {
    type Service = CachedService<S>;

    fn layer(&self, inner: S) -> CachedService<S> {
        CachedService::new(inner, Arc::new(self.rules.clone()))
    }
}

impl Rules {
    pub(crate) fn audience(&self, request: &Parts) -> Audience {
        Audience::of(request, self.key_with.as_ref().and_then(|name| name(request)))
    }

    pub(crate) fn key(&self, request: &Parts, audience: Audience) -> HttpKey {
        HttpKey::new(request, &self.vary_on, audience)
    }

    pub(crate) fn storing(&self) -> Storing<'_> {
        Storing { vary_on: &self.vary_on, default_ttl: self.default_ttl }
    }

    /// Returns whether the policy bounds how long a caller waits.
    pub(crate) fn has_hard_timeout(&self) -> bool {
        self.cache.inner.policy.hard_timeout.is_some()
    }

    /// Removes what is stored for a request; returns whether this process serves it no more.
    pub(crate) async fn forget(&self, key: &HttpKey) -> bool {
        let forgotten = self.cache.invalidate(key).await;
        if let Err(error) = &forgotten {
            tracing::warn!(cache = self.cache.name(), %error, "a response could not be invalidated");
        }
        forgotten.is_ok()
    }
}

impl fmt::Debug for CacheLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rules.fmt(f)
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheLayer")
            .field("cache", &self.cache)
            .field("vary_on", &self.vary_on)
            .field("max_body", &self.max_body)
            .field("default_ttl", &self.default_ttl)
            .field("key_with", &self.key_with.is_some())
            .finish()
    }
}
