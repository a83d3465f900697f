//! What the tests run on: memory, or a private Redis.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use mystocks_config::RedisSettings;
use mystocks_redis_core::RedisManager;
use mystocks_session::{
    Keyspace, MemorySessions, Policy, RedisSessions, Rotated, SessionId, SessionStore, Sessions,
};
use mystocks_testkit::RedisServer;
use serde::{Deserialize, Serialize};

/// What a user's session holds here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Desk {
    pub(crate) count: u64,
    #[serde(default)]
    pub(crate) notes: Vec<String>,
}

/// A store that two processes share.
pub(crate) struct World {
    pub(crate) here: Arc<dyn SessionStore>,
    pub(crate) there: Arc<dyn SessionStore>,
    pub(crate) server: Option<RedisServer>,
    _keep: Box<dyn Any + Send + Sync>,
}

impl World {
    pub(crate) fn memory() -> Self {
        let sessions = Arc::new(MemorySessions::new());
        Self { here: sessions.clone(), there: sessions, server: None, _keep: Box::new(()) }
    }

    pub(crate) async fn redis() -> Self {
        let server = RedisServer::start().await;
        let (here, there) = (manager(&server).await, manager(&server).await);
        let store =
            |manager: &RedisManager| Arc::new(RedisSessions::new(manager.clone(), &Keyspace::default()));
        Self {
            here: store(&here),
            there: store(&there),
            server: Some(server),
            _keep: Box::new((here, there)),
        }
    }

    /// Returns the sessions of both processes.
    pub(crate) fn sessions(&self, policy: &Policy) -> (Sessions<Desk>, Sessions<Desk>) {
        let sessions = |store: &Arc<dyn SessionStore>| Sessions::new(Arc::clone(store), policy.clone());
        (sessions(&self.here).unwrap(), sessions(&self.there).unwrap())
    }
}

pub(crate) async fn manager(server: &RedisServer) -> RedisManager {
    RedisManager::start(&RedisSettings::from_url(&server.url()).unwrap()).await.unwrap()
}

/// Makes each case a test on memory and one on Redis.
macro_rules! on_both {
    ($($case:ident)*) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread")] async fn $case() { super::$case($crate::world::World::memory()).await; })*
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread")] async fn $case() { super::$case($crate::world::World::redis().await).await; })*
        }
    };
}
pub(crate) use on_both;

pub(crate) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn to(rotated: Rotated) -> SessionId {
    match rotated {
        Rotated::To(id) => id,
        other => panic!("not rotated: {other:?}"),
    }
}
