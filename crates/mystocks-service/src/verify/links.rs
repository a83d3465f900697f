//! What the checks share: two ways to one server, and a name of their own.

use std::future::Future;
use std::time::Duration;

use anyhow::Result;
use mystocks_cache::{Lifetime, RedisStore, Store};
use mystocks_config::Settings;
use mystocks_keys::Keyspace;
use mystocks_redis_core::RedisManager;
use tokio::time::{Instant, timeout, timeout_at};

use super::{ANSWER, CLEAN_UP, CLEANED};

/// How long closing the connections may take.
const CLOSE: Duration = Duration::from_millis(500);

/// Two managers, so that what one wrote another reads over a connection of its own.
pub(super) struct Links {
    pub(super) settings: Settings,
    pub(super) keyspace: Keyspace,
    pub(super) one: RedisManager,
    pub(super) other: RedisManager,
    /// What everything is called that these checks write.
    pub(super) nonce: String,
    /// Where the server is, without a password.
    pub(super) place: String,
    began: Instant,
}

impl Links {
    /// Starts both, whether the server answers or not.
    pub(super) async fn open(mut settings: Settings, keyspace: Keyspace, began: Instant) -> Result<Self> {
        // In production one may be patient; here it is to be known soon.
        settings.redis.connect_timeout = settings.redis.connect_timeout.min(ANSWER);
        settings.redis.socket_timeout = settings.redis.socket_timeout.min(ANSWER);
        let started =
            tokio::join!(RedisManager::start(&settings.redis), RedisManager::start(&settings.redis));
        let place = settings.redis.display_url();
        let nonce = format!("{:016x}", fastrand::u64(..));
        Ok(Self { one: started.0?, other: started.1?, settings, keyspace, nonce, place, began })
    }

    /// Returns when what begins now has to end: after `limit`, and by when `all` has passed since the beginning.
    pub(super) fn until(&self, limit: Duration, all: Duration) -> Instant {
        (Instant::now() + limit).min(self.began + all)
    }

    /// Ends what cleans up, if it takes too long.
    pub(super) async fn clean_up<T>(&self, cleaning: impl Future<Output = T>) -> Option<T> {
        timeout_at(self.until(CLEAN_UP, CLEANED), cleaning).await.ok()
    }

    /// Removes `keys`; says which of them are still there or cannot be asked for.
    ///
    /// # Errors
    /// A sentence for people.
    pub(super) async fn remove(&self, keys: &[String]) -> Result<(), String> {
        let store = RedisStore::new(self.one.clone());
        let names: Vec<&str> = keys.iter().map(String::as_str).collect();
        let removing = async {
            store.remove(&names).await.map_err(|error| error.to_string())?;
            for name in &names {
                if store.touch(name, None).await.map_err(|error| error.to_string())? != Lifetime::Absent {
                    return Err(format!("{name} is still there"));
                }
            }
            Ok(())
        };
        let removed = self.clean_up(removing).await;
        let removed = removed.unwrap_or_else(|| Err("no answer in time".to_owned()));
        let first = names.first().copied().unwrap_or_default();
        removed.map_err(|reason| {
            format!("what was written cannot be taken away ({first} and what belongs to it): {reason}")
        })
    }

    /// Closes both.
    pub(super) async fn close(self) {
        let closing = async { tokio::join!(self.one.shutdown(), self.other.shutdown()) };
        // The program ends in a moment anyway.
        let _ = timeout(CLOSE, closing).await;
    }
}
