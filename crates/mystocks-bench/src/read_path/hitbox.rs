//! The peer crate `hitbox` over its Redis backend, doing the same reads; it has no L1 unless it is given one.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use hitbox::concurrency::NoopConcurrencyManager;
use hitbox::fsm::CacheFuture;
use hitbox::policy::PolicyConfig;
use hitbox::predicate::{Neutral, PredicateResult};
use hitbox::{
    CachePolicy, CacheStatus, CacheValue, CacheableResponse, DisabledOffload, EntityPolicyConfig, Predicate,
    ResponseCachePolicy, ResponseSource,
};
use hitbox_fn::{Arg, Args, FnExtractor, FnUpstream};
use hitbox_redis::{ConnectionMode, RedisBackend};

use super::value::Sample;

const TTL: Duration = Duration::from_secs(3600);

pub(super) struct Hitbox {
    backend: Arc<RedisBackend>,
    policy: Arc<PolicyConfig>,
}

impl Hitbox {
    pub(super) fn new(redis: &str) -> Result<Self> {
        let backend = RedisBackend::builder().connection(ConnectionMode::single(redis)).build()?;
        Ok(Self { backend: Arc::new(backend), policy: Arc::new(PolicyConfig::builder().ttl(TTL).build()) })
    }

    pub(super) async fn write<V: Sample>(&self, key: &str, value: &V) -> Result<()> {
        self.call(key, Some(value)).await.map(drop)
    }

    pub(super) async fn read<V: Sample>(&self, key: &str) -> Result<Option<V>> {
        let (value, source) = self.call(key, None).await?;
        ensure!(matches!(source, ResponseSource::Backend(_)), "{key} was to be read from redis");
        Ok(value)
    }

    /// Calls a cached function that answers `value`, as the crate's `cached` macro does.
    async fn call<V: Sample>(&self, key: &str, value: Option<&V>) -> Result<(Option<V>, ResponseSource)> {
        type Request = Args<(Arg<String>,)>;
        let answer = value.cloned();
        let (Held(held), context) = CacheFuture::new(
            Arc::clone(&self.backend),
            Args((Arg::new("key", key.to_owned()),)),
            FnUpstream::new(move |_: Request| ready(Held(answer.clone()))),
            Neutral::new(),
            Neutral::new(),
            FnExtractor::<Request>::new("bench"),
            Arc::clone(&self.policy),
            DisabledOffload,
            NoopConcurrencyManager,
        )
        .await;
        ensure!(value.is_some() || context.status == CacheStatus::Hit, "{key} was to be there");
        Ok((held, context.source))
    }
}

/// What the crate wants of a value beside serde.
#[derive(Clone)]
struct Held<V>(Option<V>);

impl<V: Sample> CacheableResponse for Held<V> {
    type Cached = V;
    type Subject = Self;
    type IntoCachedFuture = Ready<CachePolicy<V, Self>>;
    type FromCachedFuture = Ready<Self>;

    async fn cache_policy<P>(self, predicates: P, config: &EntityPolicyConfig) -> ResponseCachePolicy<Self>
    where
        P: Predicate<Subject = Self> + Send + Sync,
    {
        match predicates.check(self).await {
            PredicateResult::Cacheable(Self(Some(value))) => {
                let expires = config.ttl.and_then(|ttl| chrono::TimeDelta::from_std(ttl).ok());
                let expires = expires.map(|ttl| chrono::Utc::now() + ttl);
                CachePolicy::Cacheable(CacheValue::new(value, expires, None))
            }
            PredicateResult::Cacheable(none) | PredicateResult::NonCacheable(none) => {
                CachePolicy::NonCacheable(none)
            }
        }
    }

    fn into_cached(self) -> Self::IntoCachedFuture {
        ready(match self.0 {
            Some(value) => CachePolicy::Cacheable(value),
            None => CachePolicy::NonCacheable(self),
        })
    }

    fn from_cached(cached: V) -> Self::FromCachedFuture {
        ready(Self(Some(cached)))
    }
}
