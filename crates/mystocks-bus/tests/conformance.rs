//! Every implementation of the seam keeps every promise of it.

use mystocks_bus::conformance::Pair;
use mystocks_bus::conformance::log::LogUnderTest;
use mystocks_bus::{MemoryLog, MemoryTransport, log_conformance, transport_conformance};

mod memory {
    use super::*;

    fn pair() -> Pair {
        let transport = MemoryTransport::new();
        Pair::new(transport.clone(), transport)
    }
    transport_conformance!(pair());
    log_conformance!(LogUnderTest::new(MemoryLog::new()));
}

#[cfg(feature = "redis")]
mod redis {
    use mystocks_bus::{Keyspace, PubSub, Streams, Transport};
    use mystocks_config::RedisSettings;
    use mystocks_redis_core::RedisManager;
    use mystocks_testkit::RedisServer;

    use super::*;

    pub(crate) async fn pair<T: Transport>(make: impl Fn(RedisManager) -> T) -> Pair {
        let server = RedisServer::start().await;
        let settings = RedisSettings::from_url(&server.url()).expect("the server's address");
        let [here, there] = [
            RedisManager::start(&settings).await.expect("a manager"),
            RedisManager::start(&settings).await.expect("a manager"),
        ];
        Pair::new(make(here), make(there)).keep(server)
    }
    transport_conformance!(pair(PubSub::new).await);

    async fn log() -> LogUnderTest {
        let server = RedisServer::start().await;
        let settings = RedisSettings::from_url(&server.url()).expect("the server's address");
        let redis = RedisManager::start(&settings).await.expect("a manager");
        LogUnderTest::new(Streams::new(redis, &Keyspace::default())).keep(server)
    }
    log_conformance!(log().await);
}

#[cfg(feature = "redis")]
mod streams {
    use mystocks_bus::{Keyspace, Streams};

    use super::*;

    async fn pair() -> Pair {
        super::redis::pair(|redis| Streams::new(redis, &Keyspace::default())).await.remembers()
    }
    transport_conformance!(pair().await);
}
