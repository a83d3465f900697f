//! Large values travel on connections of their own, opened when first used.

mod fixture;

use std::collections::HashSet;

use fixture::{ask, connected, others, witness};
use mystocks_redis_core::{BULK_FROM, Call, Lane};
use mystocks_testkit::RedisServer;
use redis::cmd;

#[tokio::test]
async fn bulk_has_eight_connections_that_small_never_uses() {
    let server = RedisServer::start().await;
    let mut direct = witness(&server).await;
    let manager = connected(&server.url()).await;
    let bulk = Call::repeatable().on(Lane::Bulk);
    let mut who = cmd("CLIENT");
    who.arg("ID");
    let small: u64 = ask(&manager, &who).await.unwrap();
    assert_eq!(others(&mut direct).await, HashSet::from([small]));

    let large = vec![7_u8; 1024 * 1024];
    let lane = Lane::for_size(large.len());
    assert_eq!((lane, Lane::for_size(BULK_FROM - 1)), (Lane::Bulk, Lane::Small));
    let mut set = cmd("SET");
    set.arg("large").arg(&large);
    let () = manager.query(&set, Call::repeatable().on(lane)).await.unwrap();
    assert_eq!(others(&mut direct).await.len(), 2, "the first use opens one");
    let read: Vec<u8> = manager.query(cmd("GET").arg("large"), bulk).await.unwrap();
    assert_eq!(read, large);

    let mut ids = HashSet::new();
    for _ in 0..32 {
        ids.insert(manager.query::<u64>(&who, bulk).await.unwrap());
        assert_eq!(ask::<u64>(&manager, &who).await.unwrap(), small);
    }
    assert_eq!(ids.len(), 8);
    assert!(!ids.contains(&small));
    ids.insert(small);
    assert_eq!(others(&mut direct).await, ids);
}
