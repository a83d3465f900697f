//! A connection lost while a call is under way: reads are asked again, writes never.

use std::time::Duration;

use bytes::Bytes;
use mystocks_cache::{ErrorKind, Put, RedisStore, Store};
use mystocks_config::RedisSettings;
use mystocks_redis_core::{Call, RedisManager};
use mystocks_testkit::{FaultProxy, eventually};
use redis::cmd;

use crate::fixture::PrivateRedis;

const PATIENCE: Duration = Duration::from_secs(30);

async fn put(store: &RedisStore, value: &'static str) -> Result<(), mystocks_cache::Error> {
    let ttl = Duration::from_secs(3600);
    store.put(&[Put { key: "k", value: Bytes::from(value), ttl }]).await
}

async fn behind_a_proxy() -> (PrivateRedis, FaultProxy, RedisStore) {
    let direct = PrivateRedis::start().await;
    let proxy = FaultProxy::start(direct.server.address()).await;
    let settings = RedisSettings::from_url(&proxy.url(1)).unwrap();
    let store = RedisStore::new(RedisManager::start(&settings).await.unwrap());
    (direct, proxy, store)
}

fn lose_the_connection(proxy: &FaultProxy) {
    proxy.cut();
    proxy.hold_replies(false);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_does_not_undo_a_newer_one() {
    let (direct, proxy, store) = behind_a_proxy().await;
    put(&store, "old").await.unwrap();
    proxy.hold_replies(true);
    let meanwhile = async {
        eventually("the write has reached the server", PATIENCE, async || {
            direct.store.get(&["k"]).await.unwrap() == [Some(Bytes::from("mine"))]
        })
        .await;
        put(&direct.store, "newer").await.unwrap();
        lose_the_connection(&proxy);
    };
    let (written, ()) = tokio::join!(put(&store, "mine"), meanwhile);
    assert_eq!(written.map_err(|error| error.kind()), Err(ErrorKind::Unavailable));
    assert_eq!(direct.store.get(&["k"]).await.unwrap(), [Some(Bytes::from("newer"))]);
}

#[tokio::test]
async fn a_read_whose_answer_is_lost_is_asked_again() {
    let (direct, proxy, store) = behind_a_proxy().await;
    put(&store, "value").await.unwrap();
    proxy.hold_replies(true);
    let meanwhile = async {
        eventually("the read has reached the server", PATIENCE, async || {
            let info = cmd("INFO").arg("commandstats").to_owned();
            let info: String = direct.manager.query(&info, Call::repeatable()).await.unwrap();
            info.contains("cmdstat_get:calls=1,")
        })
        .await;
        lose_the_connection(&proxy);
    };
    let (read, ()) = tokio::join!(store.get(&["k"]), meanwhile);
    assert_eq!(read.unwrap(), [Some(Bytes::from("value"))]);
}
