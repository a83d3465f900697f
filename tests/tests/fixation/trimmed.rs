//! What somebody else takes out of the topic while it is held is gone, and stops nobody.

use std::time::Duration;

use mystocks_bus::{Consumer, Log, Start, Tend};
use mystocks_cache::Keyspace;
use mystocks_config::RedisSettings;
use mystocks_indicators::{Fixation, FixationStrategy, MemoryHotRows};
use mystocks_redis_core::redis::cmd;
use mystocks_redis_core::{Call, RedisManager};
use mystocks_testkit::{RedisServer, eventually};

use crate::{LONG, quotes, redis};

const TOPIC: &str = "fixation.rows";
const ENTRIES: &str = "{mystocks:stream:fixation.rows}:entries";

/// Rows that a dead worker had in hand, and that are not in the topic any more: they are let go, and nobody asks for them again and again.
#[tokio::test]
async fn what_was_trimmed_while_a_worker_had_it_is_let_go() {
    let server = RedisServer::start().await;
    let (log, store) = redis(&server.url()).await;
    let target = MemoryHotRows::new();
    let fixation = Fixation::new(store, &Keyspace::default(), log.clone(), target.clone())
        .strategy(FixationStrategy::Interval(Duration::from_millis(50)));
    fixation.put_all(&quotes(0..20)).await.unwrap();
    let lease = Duration::from_millis(300);
    let dead = Consumer { topic: TOPIC, group: "target", name: "dead", lease, is_sole: false };
    let join = Tend {
        join: Some(Start::First),
        room: 0,
        only: None,
        deliveries: u64::MAX,
        alone: u64::MAX,
        takes_alone: false,
        keeps: None,
        leave: false,
    };
    log.tend(&dead, &join).await.unwrap();
    assert_eq!(log.read(&dead, 20, Duration::ZERO).await.unwrap().len(), 20);
    let other = RedisManager::start(&RedisSettings::from_url(&server.url()).unwrap()).await.unwrap();
    let trim = cmd("XTRIM").arg(ENTRIES).arg("MAXLEN").arg(0).to_owned();
    assert_eq!(other.query::<u64>(&trim, Call::once()).await.unwrap(), 20);
    assert_eq!(fixation.state().await.unwrap().held, 20);
    let worker = fixation.work().await.unwrap();
    eventually("nothing is held any more", LONG, async || fixation.state().await.unwrap().held == 0).await;
    tokio::time::timeout(LONG, fixation.flush()).await.unwrap().unwrap();
    fixation.put_all(&quotes(20..30)).await.unwrap();
    eventually("it goes on", LONG, async || target.len() == 10).await;
    worker.shutdown().await;
}
