//! Several processes on one Redis, and what that Redis counts.

use std::collections::BTreeMap;
use std::time::Duration;

use mystocks_redis_core::redis::aio::MultiplexedConnection;
use mystocks_redis_core::redis::{Client, Cmd, FromRedisValue};
use mystocks_testkit::{RedisServer, eventually};
use tokio::sync::{Mutex, MutexGuard};

use crate::ask::Setup;
use crate::node::Node;
use crate::source::Source;

/// Against hanging.
pub(crate) const HANG: Duration = Duration::from_secs(60);

pub(crate) struct Fleet {
    pub(crate) server: RedisServer,
    pub(crate) source: Source,
    pub(crate) nodes: Vec<Node>,
    pub(crate) setup: Setup,
    _source: RedisServer,
    _turn: MutexGuard<'static, ()>,
}

/// One fleet at a time: several would measure each other.
static TURN: Mutex<()> = Mutex::const_new(());

impl Fleet {
    /// Starts so many processes; `change` sets what is not the default of [`Setup::new`].
    pub(crate) async fn start(nodes: usize, change: impl FnOnce(&mut Setup)) -> Self {
        let turn = TURN.lock().await;
        let (server, source) = (RedisServer::start().await, RedisServer::start().await);
        let mut setup = Setup::new(&server.url(), &source.url());
        change(&mut setup);
        let started = (0..nodes).map(|_| Node::start(&setup));
        let nodes = futures::future::join_all(started).await;
        let mut fleet = Self {
            server,
            source: Source::connect(&source.url()).await,
            nodes,
            setup,
            _source: source,
            _turn: turn,
        };
        fleet.everybody_hears().await;
        fleet
    }

    pub(crate) async fn everybody_hears(&mut self) {
        for node in &mut self.nodes {
            eventually("every process hears the others", HANG, async || node.stand().await.hears_others)
                .await;
        }
    }

    pub(crate) async fn raw(&self) -> Raw {
        Raw::connect(&self.server.url()).await
    }
}

/// Redis as a client without any of our crates sees it.
#[derive(Clone)]
pub(crate) struct Raw(MultiplexedConnection);

impl Raw {
    pub(crate) async fn connect(url: &str) -> Self {
        Self(Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap())
    }

    pub(crate) async fn ask<T: FromRedisValue>(&mut self, words: &[&str]) -> T {
        let mut command = Cmd::new();
        command.arg(words);
        command.query_async(&mut self.0).await.unwrap()
    }

    /// How often each command was called so far, those in scripts included.
    pub(crate) async fn calls(&mut self) -> BTreeMap<String, u64> {
        let text: String = self.ask(&["INFO", "commandstats"]).await;
        let calls = text.lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
        });
        calls.collect()
    }

    /// Every key of the database that has no time to live.
    pub(crate) async fn immortals(&mut self) -> Vec<String> {
        let mut immortals = Vec::new();
        let mut cursor = "0".to_owned();
        loop {
            let (next, keys): (String, Vec<String>) = self.ask(&["SCAN", &cursor, "COUNT", "1000"]).await;
            for key in keys {
                if self.ask::<i64>(&["PTTL", &key]).await == -1 {
                    immortals.push(key);
                }
            }
            if next == "0" {
                return immortals;
            }
            cursor = next;
        }
    }
}

/// What was called between two times.
pub(crate) fn between(
    before: &BTreeMap<String, u64>,
    after: &BTreeMap<String, u64>,
) -> BTreeMap<String, u64> {
    let new = |name: &String, count: &u64| count - before.get(name).copied().unwrap_or(0);
    after.iter().map(|(name, count)| (name.clone(), new(name, count))).filter(|(_, new)| *new > 0).collect()
}

/// `prefix-0`, `prefix-1`, …
pub(crate) fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}-{number}")).collect()
}

/// Whether the story is to be told at full length.
pub(crate) fn full() -> bool {
    std::env::var_os("MYSTOCKS_FULL").is_some()
}
