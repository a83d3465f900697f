//! The same locks by hand, on a connection with the options ours have.

use anyhow::{Result, bail, ensure};
use mystocks_config::RedisSettings;
use mystocks_keys::Sidecar;
use redis::Script;
use redis::aio::MultiplexedConnection;
use uuid::Uuid;

use crate::read_path::sides::raw_connection;

/// The time to live that ours have by default.
const TTL_MS: usize = 30_000;
const PERMITS: usize = 5;
const NODE: &str = "00112233445566ff";
const CHANNELS: &str = "mystocks:lock:freed:";

const DELETE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/// The crate's own scripts, so that the server does the same work.
macro_rules! script {
    ($($file:literal)*) => {
        Script::new(concat!($(include_str!(concat!("../../../mystocks-lock/src/redis/", $file))),*))
    };
}

#[derive(Clone)]
pub(super) struct Raw {
    pub(super) connection: MultiplexedConnection,
    delete: Script,
    acquire: Script,
    release: Script,
    acquire_permit: Script,
    release_permit: Script,
    owner: String,
}

impl Raw {
    pub(super) async fn start(redis: &str) -> Result<Self> {
        let connection = raw_connection(redis, &RedisSettings::from_url(redis)?).await?;
        Ok(Self {
            connection,
            delete: Script::new(DELETE),
            acquire: script!("clock.lua" "fence.lua" "asked.lua" "free.lua" "lock.lua" "queue.lua" "strangers.lua" "hand.lua" "quarantine.lua" "acquire.lua"),
            release: script!("unwanted.lua" "clock.lua" "lock.lua" "fence.lua" "queue.lua" "strangers.lua" "hand.lua" "release.lua"),
            acquire_permit: script!("clock.lua" "fence.lua" "asked.lua" "permits.lua" "queue.lua" "strangers.lua" "hand.lua" "quarantine.lua" "acquire.lua"),
            release_permit: script!("clock.lua" "permits.lua" "fence.lua" "queue.lua" "strangers.lua" "hand.lua" "release.lua"),
            owner: format!("{{\"host\":\"localhost\",\"pid\":{},\"name\":\"bench\"}}", std::process::id()),
        })
    }

    /// Takes a lock as the Python side does, and returns its token.
    pub(super) async fn set(&self, name: &str) -> Result<String> {
        let token = Uuid::new_v4().to_string();
        self.set_as(name, &token).await?;
        Ok(token)
    }

    pub(super) async fn set_as(&self, name: &str, token: &str) -> Result<()> {
        let mut set = redis::cmd("SET");
        set.arg(key(name)).arg(token).arg("NX").arg("PX").arg(TTL_MS);
        let done: Option<String> = set.query_async(&mut self.connection.clone()).await?;
        ensure!(done.is_some(), "{name} was to be free");
        Ok(())
    }

    pub(super) async fn delete(&self, name: &str, token: &str) -> Result<()> {
        let mut delete = self.delete.prepare_invoke();
        let deleted: u8 = delete.key(key(name)).arg(token).invoke_async(&mut self.connection.clone()).await?;
        ensure!(deleted == 1, "{name} was to be held");
        Ok(())
    }

    pub(super) async fn plain(&self, name: &str) -> Result<()> {
        let token = self.set(name).await?;
        self.delete(name, &token).await
    }

    /// Gives back with the crate's own script, which hands over to who waits.
    pub(super) async fn plain_with_our_release(&self, name: &str) -> Result<()> {
        let token = self.set(name).await?;
        self.release(&self.release, &lock_keys(name), &token, 1).await
    }

    /// Takes a lock with a fence, and gives it back.
    pub(super) async fn fenced(&self, name: &str) -> Result<()> {
        let token = Uuid::new_v4().to_string();
        self.pair((&self.acquire, &self.release), &lock_keys(name), &token, 1, false).await
    }

    /// Takes one of five permits, and gives it back.
    pub(super) async fn permit(&self, name: &str) -> Result<()> {
        let spot = Sidecar::permits_of(&key(name));
        let keys = [spot.as_str(), spot.queue().as_str(), spot.waiters().as_str(), spot.fence().as_str()]
            .map(str::to_owned);
        let member = format!("{}:1", Uuid::new_v4());
        self.pair((&self.acquire_permit, &self.release_permit), &keys, &member, PERMITS, true).await
    }

    async fn pair(
        &self,
        (acquire, release): (&Script, &Script),
        keys: &[String],
        token: &str,
        of: usize,
        is_fair: bool,
    ) -> Result<()> {
        let [spot, queue, waiters, fence, ..] = keys else { bail!("{keys:?} are to be four") };
        let mut connection = self.connection.clone();
        let mut acquire = acquire.prepare_invoke();
        acquire.key(spot).key(fence);
        acquire.arg(token).arg(TTL_MS).arg(0).arg(format!("{NODE} {}", self.owner)).arg(0);
        if is_fair {
            acquire.key(queue).key(waiters);
            acquire.arg(1).arg(of).arg(1).arg("").arg("").arg(0).arg(0).arg(CHANNELS);
        }
        let granted: (u8, String, u8, i64, String) = acquire.invoke_async(&mut connection).await?;
        ensure!(granted.0 == 1 && granted.1.parse::<u64>()? > 0, "{spot} was to be granted with a fence");
        self.release(release, keys, token, of).await
    }

    async fn release(&self, release: &Script, keys: &[String], token: &str, of: usize) -> Result<()> {
        let mut release = release.prepare_invoke();
        for key in keys {
            release.key(key);
        }
        release.arg(token).arg(CHANNELS).arg(of);
        let stood: u8 = release.invoke_async(&mut self.connection.clone()).await?;
        ensure!(stood == 1, "{keys:?} were to be held");
        Ok(())
    }
}

/// In the order in which the release takes them.
fn lock_keys(name: &str) -> [String; 5] {
    let key = key(name);
    let [queue, waiters] = [Sidecar::queue_of(&key), Sidecar::waiters_of(&key)];
    let [fence, strangers] = [Sidecar::fence_of(&key), Sidecar::strangers_of(&key)];
    [key, queue.as_str().into(), waiters.as_str().into(), fence.as_str().into(), strangers.as_str().into()]
}

pub(super) fn key(name: &str) -> String {
    format!("mystocks:raw:{name}")
}
