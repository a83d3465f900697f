//! Every implementation of a seam, and every wrapper of one, keeps every promise of the seam.

// `cfg(test)` holds here anyway; it tells clippy that what the module unwraps it unwraps in a test.
#[cfg(test)]
#[cfg(feature = "redis")]
mod fixture;

use std::sync::Arc;

use mystocks_cache::conformance::{Fleet, Process};
use mystocks_cache::{MemoryStore, Store, backplane_conformance, leases_conformance, store_conformance};

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

/// `MemoryLeases` and `MemoryBackplane`: two processes on one store.
fn memory_fleet() -> Fleet {
    let store = MemoryStore::new();
    let (here, there) = (Process::new(store.process()), Process::new(store.process()));
    Fleet { store: Arc::new(store), here, there, keep: Box::new(()) }
}

mod memory_leases {
    use super::*;
    leases_conformance!(memory_fleet(), start_paused = true);
}

mod memory_backplane {
    use super::*;
    backplane_conformance!(memory_fleet(), start_paused = true);
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

/// `RedisLeases` and `RedisBackplane`: two processes, each with connections of its own.
// As with the fixture, for clippy.
#[cfg(test)]
#[cfg(feature = "redis")]
mod redis_processes {
    use mystocks_cache::{Keyspace, RedisStore};

    use super::fixture::{PrivateRedis, connect};
    use super::*;

    async fn fleet() -> Fleet {
        let here = PrivateRedis::start().await;
        let there = RedisStore::new(connect(&here.server).await);
        let keys = Keyspace::default();
        Fleet {
            store: Arc::new(here.store.clone()),
            here: Process::new(here.store.process(&keys).unwrap()),
            there: Process::new(there.process(&keys).unwrap()),
            keep: Box::new(here),
        }
    }

    mod leases {
        use super::*;
        leases_conformance!(fleet().await);
    }

    mod backplane {
        use super::*;
        backplane_conformance!(fleet().await);
    }
}
