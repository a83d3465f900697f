//! What stands behind the loaders: a Redis of its own with the true versions, which also counts the loads.

use mystocks_redis_core::redis::aio::MultiplexedConnection;
use mystocks_redis_core::redis::{Client, FromRedisValue, Pipeline, RedisError, pipe};

/// The source, as one process talks to it.
#[derive(Clone)]
pub(crate) struct Source(MultiplexedConnection);

impl Source {
    pub(crate) async fn connect(url: &str) -> Self {
        Self(Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap())
    }

    /// Begins a load: counts it and returns the version as it is now.
    pub(crate) async fn load(&self, name: &str) -> Result<u64, RedisError> {
        let mut both = pipe();
        both.cmd("INCR").arg(format!("loads:{name}")).ignore();
        both.cmd("INCR").arg("loads").ignore().cmd("GET").arg(format!("version:{name}"));
        let (version,): (Option<u64>,) = self.ask(&both).await?;
        Ok(version.unwrap_or(0))
    }

    /// Sets the true version of each of `names`.
    pub(crate) async fn set(&self, names: &[String], version: u64) {
        let mut sets = pipe();
        names.iter().for_each(|name| {
            sets.cmd("SET").arg(format!("version:{name}")).arg(version).ignore();
        });
        self.ask::<()>(&sets).await.unwrap();
    }

    /// How often each of `names` was loaded.
    pub(crate) async fn loads(&self, names: &[String]) -> Vec<u64> {
        let mut gets = pipe();
        names.iter().for_each(|name| {
            gets.cmd("GET").arg(format!("loads:{name}"));
        });
        let loads: Vec<Option<u64>> = self.ask(&gets).await.unwrap();
        loads.into_iter().map(|count| count.unwrap_or(0)).collect()
    }

    /// How often anything was loaded.
    pub(crate) async fn all_loads(&self) -> u64 {
        let (loads,): (Option<u64>,) = self.ask(pipe().cmd("GET").arg("loads")).await.unwrap();
        loads.unwrap_or(0)
    }

    async fn ask<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, RedisError> {
        pipeline.query_async(&mut self.0.clone()).await
    }
}
