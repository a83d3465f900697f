//! Connections that one caller has for itself.

use std::io;
use std::time::Duration;

use deadpool_redis::{Manager, PoolError, Runtime, TimeoutType, Timeouts};
use mystocks_config::RedisSettings;
use redis::aio::ConnectionLike;
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value};
use tokio::time::timeout;

use crate::dial::Dialer;
use crate::failure::{Failure, kind_of};
use crate::health::Usage;
use crate::{Error, ErrorKind};

const OPERATION: &str = "take";
const SUBJECT: &str = "a dedicated connection";

/// An idle connection that does not answer for this long is replaced.
const RECYCLE: Duration = Duration::from_secs(1);

pub(crate) struct Pool {
    inner: deadpool_redis::Pool,
    wait: Duration,
    patience: Duration,
}

impl Pool {
    pub(crate) fn new(dialer: &Dialer, settings: &RedisSettings) -> Result<Self, Error> {
        let wrong = |detail: String| {
            Error::new(ErrorKind::Config, "set up", "the dedicated connections").with_detail(detail)
        };
        // No response timeout: these connections are for commands that wait.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(settings.connect_timeout))
            .set_response_timeout(None);
        let info = dialer.connection_info().map_err(|error| wrong(error.to_string()))?;
        let manager = Manager::new_with_config(info, config).map_err(|error| wrong(error.to_string()))?;
        let inner = deadpool_redis::Pool::builder(manager)
            .max_size(settings.max_connections)
            .timeouts(Timeouts {
                wait: Some(settings.socket_timeout),
                create: Some(settings.connect_timeout),
                recycle: Some(RECYCLE.min(settings.socket_timeout)),
            })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Self {
            inner,
            wait: settings.socket_timeout,
            patience: settings.socket_timeout.saturating_add(settings.connect_timeout),
        })
    }

    pub(crate) async fn take(&self) -> Result<Dedicated, Error> {
        // The pool tries every idle connection in turn, each with its own timeout: the whole needs one too.
        let taken = timeout(self.patience, self.inner.get()).await;
        let error = match taken {
            Ok(Ok(connection)) => {
                return Ok(Dedicated { connection: Some(connection), spent: false });
            }
            Ok(Err(PoolError::Timeout(TimeoutType::Wait))) => return Err(self.exhausted()),
            Err(_) | Ok(Err(PoolError::Timeout(_))) => Failure::Elapsed,
            Ok(Err(PoolError::Backend(error))) if kind_of(&error) == ErrorKind::Auth => Failure::Redis(error),
            Ok(Err(PoolError::Backend(error))) => Failure::Down(error),
            Ok(Err(_)) => Failure::Closed,
        };
        Err(error.into_error(OPERATION, SUBJECT.to_owned()))
    }

    pub(crate) fn usage(&self) -> Usage {
        let status = self.inner.status();
        Usage {
            in_use: status.size.saturating_sub(status.available),
            idle: status.available,
            limit: status.max_size,
        }
    }

    pub(crate) fn forget_idle(&self) {
        self.inner.retain(|_, _| false);
    }

    pub(crate) fn close(&self) {
        self.inner.close();
    }

    fn exhausted(&self) -> Error {
        let limit = self.usage().limit;
        let detail = format!(
            "all {limit} were in use for {:?}: hold them shorter or raise REDIS_MAX_CONNECTIONS",
            self.wait
        );
        crate::metric::failure(ErrorKind::Exhausted);
        Error::new(ErrorKind::Exhausted, OPERATION, SUBJECT).with_detail(detail)
    }
}

/// A connection that belongs to its holder until dropped: for commands that wait (`BLPOP`, `XREADGROUP BLOCK`) and for `WATCH` with `MULTI`.
///
/// Send commands with `command.query_async(&mut dedicated)`. They have no timeout of their own. Dropping it gives it back, except
/// after a command was cancelled or failed on the way: then the connection is closed, because a `BLPOP` nobody waits for any more would
/// still take an element and lose it. What changes the connection itself (`SELECT`, `CLIENT`, subscriptions) ends with
/// [`Dedicated::discard`].
pub struct Dedicated {
    connection: Option<deadpool_redis::Connection>,
    spent: bool,
}

impl Dedicated {
    /// Closes the connection instead of giving it back.
    pub fn discard(mut self) {
        self.spent = true;
    }

    /// Returns the connection for one exchange; until that has ended well, it counts as spent.
    fn begin(&mut self) -> RedisResult<&mut deadpool_redis::Connection> {
        let usable = !self.spent;
        self.spent = true;
        match &mut self.connection {
            Some(connection) if usable => Ok(connection),
            _ => Err(RedisError::from(io::Error::new(
                io::ErrorKind::NotConnected,
                "a command was cancelled or failed on this connection: take another one",
            ))),
        }
    }
}

impl ConnectionLike for Dedicated {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let reply = self.begin()?.req_packed_command(command).await;
            self.spent = is_broken(&reply);
            reply
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let replies = self.begin()?.req_packed_commands(pipeline, offset, count).await;
            self.spent = is_broken(&replies);
            replies
        })
    }

    fn get_db(&self) -> i64 {
        self.connection.as_ref().map_or(0, ConnectionLike::get_db)
    }
}

impl Drop for Dedicated {
    fn drop(&mut self) {
        if self.spent
            && let Some(connection) = self.connection.take()
        {
            drop(deadpool_redis::Connection::take(connection));
        }
    }
}

impl std::fmt::Debug for Dedicated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dedicated").field("spent", &self.spent).finish_non_exhaustive()
    }
}

fn is_broken<T>(reply: &RedisResult<T>) -> bool {
    reply.as_ref().is_err_and(|error| error.is_io_error() || error.is_unrecoverable_error())
}
