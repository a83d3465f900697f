//! Invalidation by requests that may change what is stored (RFC 9111, section 4.4).

use std::mem;
use std::sync::Arc;

use futures::future::join_all;
use http::request::Parts;
use tokio::runtime::Handle;

use super::key::{Audience, HttpKey};
use super::layer::Rules;

/// What an unsafe request invalidates. Dropped before its end is known, it invalidates too: the service may have done its
/// work when the caller went away.
pub(crate) struct Forget {
    rules: Arc<Rules>,
    keys: Vec<HttpKey>,
}

impl Forget {
    pub(crate) fn new(rules: Arc<Rules>, request: &Parts) -> Self {
        let mut audiences = vec![Audience::Everyone, Audience::Authorized];
        let own = rules.audience(request);
        if !audiences.contains(&own) {
            audiences.push(own);
        }
        let keys = audiences.into_iter().map(|audience| rules.key(request, audience)).collect();
        Self { rules, keys }
    }

    /// Invalidates; when it is over, no later read gets what was stored before.
    pub(crate) async fn now(mut self) {
        run(&self.rules, &self.keys).await;
        self.keys.clear();
    }

    /// Ends without invalidating.
    pub(crate) fn never(mut self) {
        self.keys.clear();
    }
}

async fn run(rules: &Rules, keys: &[HttpKey]) {
    join_all(keys.iter().map(|key| rules.forget(key))).await;
}

impl Drop for Forget {
    fn drop(&mut self) {
        let keys = mem::take(&mut self.keys);
        if keys.is_empty() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let rules = Arc::clone(&self.rules);
        self.rules.cache.inner.tracker.spawn_on(async move { run(&rules, &keys).await }, &runtime);
    }
}
