//! Redis as a client without any of our crates sees it.

use std::collections::BTreeMap;

use mystocks_redis_core::redis::aio::MultiplexedConnection;
use mystocks_redis_core::redis::{Client, Cmd, FromRedisValue, cmd};

/// A plain connection.
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

    /// Returns everything in the database: each key with what `DUMP` and `PTTL` say of it.
    pub(crate) async fn everything(&mut self) -> BTreeMap<String, (Vec<u8>, i64)> {
        let keys: Vec<String> = self.ask(&["KEYS", "*"]).await;
        let mut all = BTreeMap::new();
        for key in keys {
            let dump = cmd("DUMP").arg(&key).query_async(&mut self.0).await.unwrap();
            let life = self.ask(&["PTTL", &key]).await;
            all.insert(key, (dump, life));
        }
        all
    }
}
