//! Every implementation of the seam keeps every promise of it.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::sync::Arc;
use std::time::Duration;

use mystocks_lock::conformance::Fleet;
use mystocks_lock::{
    LockBackend, MemoryLocks, QuorumLocks, lock_conformance, queue_conformance, share_conformance,
};

mod memory {
    use super::*;

    fn fleet() -> Fleet {
        let locks = MemoryLocks::new();
        Fleet::new(locks.process(), locks.process())
    }
    lock_conformance!(fleet(), start_paused = true);
    share_conformance!(fleet(), start_paused = true);
    queue_conformance!(fleet(), start_paused = true);
}

mod memory_in_real_time {
    use super::*;

    fn fleet() -> Fleet {
        let locks = MemoryLocks::new();
        Fleet::new(locks.process(), locks.process())
    }
    lock_conformance!(fleet());
    share_conformance!(fleet());
    queue_conformance!(fleet());
}

/// `QuorumLocks` of five in memory: they refuse what several hold at once, and have no queue.
mod quorum_of_memory {
    use super::*;

    fn fleet() -> Fleet {
        let nodes: Vec<MemoryLocks> = (0..5).map(|_| MemoryLocks::new()).collect();
        let process = || {
            let nodes = nodes.iter().map(|node| Arc::new(node.process()) as Arc<dyn LockBackend>);
            QuorumLocks::new(nodes.collect(), Duration::from_secs(1)).unwrap()
        };
        Fleet::new(process(), process())
    }
    lock_conformance!(fleet(), start_paused = true);
}

#[cfg(feature = "redis")]
mod redis {
    use mystocks_config::RedisSettings;
    use mystocks_lock::{Keyspace, RedisLocks};
    use mystocks_redis_core::RedisManager;
    use mystocks_testkit::RedisServer;

    use super::*;

    async fn process(server: &RedisServer) -> RedisLocks {
        let manager = RedisManager::start(&RedisSettings::from_url(&server.url()).unwrap()).await.unwrap();
        RedisLocks::new(manager, &Keyspace::default()).unwrap()
    }

    mod one {
        use super::*;

        async fn fleet() -> Fleet {
            let server = RedisServer::start().await;
            Fleet::new(process(&server).await, process(&server).await).keeping(server)
        }
        lock_conformance!(fleet().await);
        share_conformance!(fleet().await);
        queue_conformance!(fleet().await);
    }

    /// `RedisLocks::tracked`.
    mod tracked {
        use super::*;

        async fn tracked(server: &RedisServer) -> RedisLocks {
            let settings = RedisSettings::from_url(&server.url()).unwrap();
            let (manager, tracking) = RedisManager::start_tracked(&settings).await.unwrap();
            RedisLocks::tracked(manager, tracking, &Keyspace::default()).unwrap()
        }

        async fn fleet() -> Fleet {
            let server = RedisServer::start().await;
            Fleet::new(tracked(&server).await, tracked(&server).await).keeping(server)
        }
        lock_conformance!(fleet().await);
        share_conformance!(fleet().await);
    }

    mod quorum {
        use super::*;

        async fn quorum(servers: &[RedisServer]) -> QuorumLocks {
            let mut nodes: Vec<Arc<dyn LockBackend>> = Vec::new();
            for server in servers {
                nodes.push(Arc::new(process(server).await));
            }
            QuorumLocks::new(nodes, Duration::from_secs(2)).unwrap()
        }

        async fn fleet() -> Fleet {
            let mut servers = Vec::new();
            for _ in 0..5 {
                servers.push(RedisServer::start().await);
            }
            Fleet::new(quorum(&servers).await, quorum(&servers).await).keeping(servers)
        }
        lock_conformance!(fleet().await);
    }
}
