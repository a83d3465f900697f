//! Every store, and every wrapper of one, keeps every promise of the seam.

// `cfg(test)` holds here anyway; it tells clippy that what the module unwraps it unwraps in a test.
#[cfg(test)]
#[cfg(feature = "redis")]
mod fixture;

use std::sync::Arc;

use mystocks_cache::{MemoryStore, Store, store_conformance};

mod memory {
    use super::*;
    store_conformance!(MemoryStore::new(), start_paused = true);
}

mod memory_in_real_time {
    use super::*;
    store_conformance!(MemoryStore::new());
}

mod erased {
    use super::*;
    store_conformance!(Arc::new(MemoryStore::new()) as Arc<dyn Store>, start_paused = true);
}

/// `RedisStore`, each test on a server of its own.
#[cfg(feature = "redis")]
mod redis {
    use super::fixture::PrivateRedis;
    use super::*;
    store_conformance!(PrivateRedis::start().await);
}

/// `RedisStore::bulk`: the same over the connections for large values.
#[cfg(feature = "redis")]
mod redis_bulk {
    use mystocks_cache::RedisStore;

    use super::fixture::PrivateRedis;
    use super::*;
    store_conformance!({
        let mut private = PrivateRedis::start().await;
        private.store = RedisStore::new(private.manager.clone()).bulk();
        private
    });
}
