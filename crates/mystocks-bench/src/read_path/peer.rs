//! The peer crate `multi-tier-cache`, doing the same reads.

use std::sync::Arc;

use anyhow::Result;
use multi_tier_cache::{CacheManager, CacheStrategy, L1Cache, L2Cache, MokaCacheConfig};

use super::value::Sample;

pub(super) struct Peer {
    manager: CacheManager,
    l2: Arc<L2Cache>,
}

impl Peer {
    pub(super) async fn new(redis: &str) -> Result<Self> {
        Self::assemble(Arc::new(L2Cache::with_url(redis).await?))
    }

    fn assemble(l2: Arc<L2Cache>) -> Result<Self> {
        let l1 = Arc::new(L1Cache::new(MokaCacheConfig::default())?);
        let manager = CacheManager::new_with_backends(l1, Arc::clone(&l2) as _, None)?;
        Ok(Self { manager, l2 })
    }

    /// A manager of the same L2 with an L1 of its own: the crate cannot drop L1 alone.
    pub(super) fn with_empty_l1(&self) -> Result<Self> {
        Self::assemble(Arc::clone(&self.l2))
    }

    pub(super) async fn write<V: Sample>(&self, key: &str, value: &V) -> Result<()> {
        let value = value.clone();
        let load = || async move { Ok(value) };
        self.manager.get_or_compute_typed(&peer_key(key), CacheStrategy::MediumTerm, load).await?;
        Ok(())
    }

    pub(super) async fn read<V: Sample>(&self, key: &str) -> Result<V> {
        let load = || async {
            Err(multi_tier_cache::error::CacheError::InternalError("not to be loaded".to_owned()))
        };
        Ok(self.manager.get_or_compute_typed(&peer_key(key), CacheStrategy::MediumTerm, load).await?)
    }
}

fn peer_key(key: &str) -> String {
    format!("mystocks:peer:bench:{key}")
}
