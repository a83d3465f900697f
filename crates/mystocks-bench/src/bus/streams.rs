//! A durable topic of ours, and a stream by hand.

use std::sync::Arc;

use anyhow::{Result, ensure};
use mystocks_bus::{DurableTopic, Keyspace, Streams};
use mystocks_config::RedisSettings;
use mystocks_redis_core::RedisManager;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd};

use super::{Quote, payload};
use crate::read_path::sides::raw_connection;

pub(super) const GROUP: &str = "bench";
/// All numbers from here on are as long as each other.
pub(super) const FIRST: u64 = 10_000;
/// How many are appended in one request when it does not matter.
const MANY: usize = 500;

/// A topic of ours, and who looks after it.
#[derive(Clone)]
pub(super) struct Ours {
    pub(super) topic: DurableTopic<Quote>,
    name: &'static str,
    watch: MultiplexedConnection,
}

/// What a stream has in one read: of each stream its entries, of each entry its fields.
type Read = Vec<(String, Vec<(String, Vec<Vec<u8>>)>)>;

impl Ours {
    pub(super) async fn start(redis: &str, name: &'static str) -> Result<Self> {
        let settings = RedisSettings::from_url(redis)?;
        let streams = Streams::new(RedisManager::start(&settings).await?, &Keyspace::default());
        let watch = raw_connection(redis, &settings).await?;
        Ok(Self { topic: DurableTopic::new(streams, name, "bench"), name, watch })
    }

    /// Appends so many.
    pub(super) async fn fill(&self, count: usize) -> Result<()> {
        let quotes: Vec<_> = (FIRST..).take(count).map(Quote::number).collect();
        for quotes in quotes.chunks(MANY) {
            self.topic.publish_all(quotes).await?;
        }
        Ok(())
    }

    /// Deletes the topic, of which so many entries are to stand there.
    pub(super) async fn clear(&self, expected: usize) -> Result<()> {
        let stream = Keyspace::default().stream(self.name)?;
        let group = stream.group(GROUP)?;
        let entries = stream.entries().as_str().to_owned();
        let others = [stream.count(), stream.lost(), group.leases(), group.waiting(), group.dead()];
        let mut unlink = redis::cmd("UNLINK");
        unlink.arg(&entries).arg(others.iter().map(|key| key.as_str()).collect::<Vec<_>>());
        clear(&self.watch, &entries, &unlink, expected).await
    }
}

/// The same bytes in a stream by hand.
#[derive(Clone)]
pub(super) struct Raw {
    connection: MultiplexedConnection,
    key: &'static str,
    payload: Arc<[u8]>,
}

impl Raw {
    pub(super) async fn start(redis: &str, key: &'static str) -> Result<Self> {
        let connection = raw_connection(redis, &RedisSettings::from_url(redis)?).await?;
        Ok(Self { connection, key, payload: payload().await? })
    }

    pub(super) async fn add(&self, number: u64) -> Result<()> {
        Ok(self.adding(number).exec_async(&mut self.connection.clone()).await?)
    }

    /// Appends `count` in one pipeline.
    pub(super) async fn add_all(&self, count: usize) -> Result<()> {
        let mut pipeline = redis::Pipeline::with_capacity(count);
        for number in (FIRST..).take(count) {
            pipeline.add_command(self.adding(number));
        }
        let ids: Vec<String> = pipeline.query_async(&mut self.connection.clone()).await?;
        ensure!(ids.len() == count, "{} of {count} were appended", ids.len());
        Ok(())
    }

    pub(super) async fn fill(&self, count: usize) -> Result<()> {
        for from in (0..count).step_by(MANY) {
            self.add_all(MANY.min(count - from)).await?;
        }
        Ok(())
    }

    pub(super) async fn create_group(&self) -> Result<()> {
        let mut create = redis::cmd("XGROUP");
        create.arg("CREATE").arg(self.key).arg(GROUP).arg("0").arg("MKSTREAM");
        Ok(create.exec_async(&mut self.connection.clone()).await?)
    }

    /// Reads at most a hundred, waiting for the first one on a connection of its own when there is one; returns their ids.
    pub(super) async fn read(&self, own: Option<&mut MultiplexedConnection>) -> Result<Vec<String>> {
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg(GROUP).arg("one").arg("COUNT").arg(100);
        if own.is_some() {
            read.arg("BLOCK").arg(0);
        }
        read.arg("STREAMS").arg(self.key).arg(">");
        let read: Option<Read> = match own {
            Some(own) => read.query_async(own).await?,
            None => read.query_async(&mut self.connection.clone()).await?,
        };
        let entries = read.into_iter().flatten().flat_map(|(_, entries)| entries);
        Ok(entries.map(|(id, _)| id).collect())
    }

    pub(super) async fn acknowledge(&self, ids: &[String]) -> Result<()> {
        let mut acknowledge = redis::cmd("XACK");
        acknowledge.arg(self.key).arg(GROUP).arg(ids);
        let count: usize = acknowledge.query_async(&mut self.connection.clone()).await?;
        ensure!(count == ids.len(), "{count} of {} were acknowledged", ids.len());
        Ok(())
    }

    /// Deletes the stream, of which so many entries are to stand there.
    pub(super) async fn clear(&self, expected: usize) -> Result<()> {
        let mut unlink = redis::cmd("UNLINK");
        unlink.arg(self.key);
        clear(&self.connection, self.key, &unlink, expected).await
    }

    fn adding(&self, number: u64) -> Cmd {
        let mut add = redis::cmd("XADD");
        add.arg(self.key).arg("*").arg("n").arg(number).arg("p").arg(&*self.payload);
        add
    }
}

/// Makes a connection on which reads may wait for as long as it takes.
pub(super) async fn waiting_connection(redis: &str) -> Result<MultiplexedConnection> {
    let info = redis::IntoConnectionInfo::into_connection_info(redis)?;
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    let client = redis::Client::open(info.set_tcp_settings(tcp))?;
    let options = AsyncConnectionConfig::new().set_response_timeout(None);
    Ok(client.get_multiplexed_async_connection_with_config(&options).await?)
}

async fn clear(
    connection: &MultiplexedConnection,
    entries: &str,
    unlink: &Cmd,
    expected: usize,
) -> Result<()> {
    let mut connection = connection.clone();
    let length: usize = redis::cmd("XLEN").arg(entries).query_async(&mut connection).await?;
    ensure!(length == expected, "{length} stand in {entries}, {expected} were expected");
    Ok(unlink.exec_async(&mut connection).await?)
}
