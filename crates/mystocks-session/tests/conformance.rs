//! Every implementation of the seam keeps every promise of it.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::sync::Arc;

use mystocks_session::conformance::Fleet;
use mystocks_session::{MemorySessions, conformance};

fn in_memory() -> Fleet {
    let sessions = Arc::new(MemorySessions::new());
    Fleet::new(sessions.clone(), sessions)
}

mod memory {
    use super::*;
    conformance!(in_memory(), start_paused = true);
}

mod memory_in_real_time {
    use super::*;
    conformance!(in_memory());
}

#[cfg(feature = "redis")]
mod redis {
    use mystocks_config::RedisSettings;
    use mystocks_redis_core::RedisManager;
    use mystocks_session::{Keyspace, RedisSessions};
    use mystocks_testkit::RedisServer;

    use super::*;

    async fn process(server: &RedisServer) -> RedisSessions {
        let manager = RedisManager::start(&RedisSettings::from_url(&server.url()).unwrap()).await.unwrap();
        RedisSessions::new(manager, &Keyspace::default())
    }

    async fn fleet() -> Fleet {
        let server = RedisServer::start().await;
        Fleet::new(process(&server).await, process(&server).await).keeping(server)
    }
    conformance!(fleet().await);
}
