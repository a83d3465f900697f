//! Shared entries in Redis, which another program writes too without a lease.

use mystocks_cache::{CacheHub, Keyspace};
use mystocks_config::RedisSettings;
use mystocks_redis_core::RedisManager;

use crate::fixture::{PrivateRedis, connect};
use crate::story::what_came_between_stays;

#[tokio::test]
async fn what_another_program_writes_during_a_load_stays() {
    let other = PrivateRedis::start().await;
    let store = mystocks_cache::RedisStore::new(connect(&other.server).await);
    let hub = CacheHub::redis(&store, &Keyspace::default()).unwrap();
    what_came_between_stays(&hub, &other).await;
    hub.shutdown().await;
}

#[tokio::test]
async fn what_another_program_writes_during_a_load_stays_where_it_is_told_of_it() {
    let other = PrivateRedis::start().await;
    let settings = RedisSettings::from_url(&other.server.url()).unwrap();
    let (manager, tracking) = RedisManager::start_tracked(&settings).await.unwrap();
    let hub = CacheHub::tracked(manager, tracking, &Keyspace::default()).unwrap();
    what_came_between_stays(&hub, &other).await;
    hub.shutdown().await;
}
