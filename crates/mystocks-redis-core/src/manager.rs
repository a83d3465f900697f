//! The handle everybody holds.

use std::any::type_name;
use std::sync::Arc;

use mystocks_config::{Endpoint, RedisSettings};
use redis::{Cmd, FromRedisValue, Pipeline, Value};
use tokio::sync::watch;
use tokio_util::sync::DropGuard;
use tracing::{Instrument, Span, trace_span};

use crate::call::Call;
use crate::core::{Core, PATIENCE};
use crate::exchange::Work;
use crate::failure::Failure;
use crate::fence::needs_own_connection;
use crate::health::Health;
use crate::mailbox::Mailbox;
use crate::metric;
use crate::pool::Dedicated;
use crate::script::{Script, UNKNOWN_SCRIPT};
use crate::tracking::Touched;
use crate::{Error, ErrorKind, stream, subject};

/// The connections of one process to one Redis; cloning it is cheap.
///
/// Its tasks run on the runtime it was started on and end with [`RedisManager::shutdown`] or with the last clone.
#[derive(Clone)]
pub struct RedisManager {
    handle: Arc<Handle>,
}

struct Handle {
    core: Arc<Core>,
    _stop_with_the_last_clone: DropGuard,
}

impl RedisManager {
    /// Starts connecting to Redis, and returns when connected or after 1.5 s without: then it goes on trying by itself.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when a setting cannot work, naming its key. A server that is down, or refuses the password, is no error here;
    /// see [`RedisManager::health`].
    pub async fn start(settings: &RedisSettings) -> Result<Self, Error> {
        Self::start_with(settings, None).await
    }

    pub(crate) async fn start_with(
        settings: &RedisSettings,
        tracking: Option<Arc<Mailbox<Touched>>>,
    ) -> Result<Self, Error> {
        check(settings)?;
        if matches!(settings.endpoint, Endpoint::Tcp { tls: true, .. }) {
            stream::provide_tls();
        }
        let core = Core::start(settings, tracking)?;
        let guard = core.stop.clone().drop_guard();
        core.small.settled(PATIENCE).await;
        core.check_health().await;
        Ok(Self { handle: Arc::new(Handle { core, _stop_with_the_last_clone: guard }) })
    }

    /// Sends a command and converts its reply.
    ///
    /// While Redis is down this fails at once. Dropping the future does not take back a command that was sent.
    ///
    /// # Errors
    ///
    /// Every [`ErrorKind`] but [`ErrorKind::Exhausted`]; [`ErrorKind::Config`] for a command that needs a connection of its own.
    pub async fn query<T: FromRedisValue>(&self, cmd: &Cmd, call: Call) -> Result<T, Error> {
        const OPERATION: &str = "query";
        let about = || subject::of_command(cmd);
        refuse(needs_own_connection(cmd), OPERATION, about)?;
        let span = trace_span!("redis.query", about = about(), lane = call.lane().name());
        let reply = self.exchange(Work::Command(cmd), call, span).await;
        reply
            .map_err(|failure| failure.into_error(OPERATION, about()))
            .and_then(|value| convert(value, OPERATION, about))
    }

    /// Sends the commands of a pipeline together and converts their replies; see [`RedisManager::query`].
    ///
    /// The call is one: if it is repeatable, all its commands are.
    ///
    /// # Errors
    ///
    /// As [`RedisManager::query`]; one refused command fails the pipeline, and the others have been executed.
    pub async fn pipeline<T: FromRedisValue>(&self, pipe: &Pipeline, call: Call) -> Result<T, Error> {
        const OPERATION: &str = "run";
        let about = || subject::of_pipeline(pipe);
        refuse(pipe.cmd_iter().find_map(needs_own_connection), OPERATION, about)?;
        if pipe.is_empty() {
            return convert(Value::Array(Vec::new()), OPERATION, about);
        }
        if call.tracked && pipe.is_transaction() {
            return Err(Error::new(ErrorKind::Config, OPERATION, about())
                .with_detail("a transaction cannot be tracked: read without atomic()"));
        }
        let span = trace_span!("redis.pipeline", about = about(), lane = call.lane().name());
        let reply = self.exchange(Work::Pipeline(pipe), call, span).await;
        reply
            .map_err(|failure| failure.into_error(OPERATION, about()))
            .and_then(|value| convert(value, OPERATION, about))
    }

    /// Exchanges within `span`, which costs nothing when nobody listens.
    pub(crate) async fn exchange(&self, work: Work<'_>, call: Call, span: Span) -> Result<Value, Failure> {
        if span.is_disabled() {
            self.core().exchange(work, call).await
        } else {
            Box::pin(self.core().exchange(work, call).instrument(span)).await
        }
    }

    /// Runs a script by its digest, and in full when the server does not know it (after `SCRIPT FLUSH` or a restart).
    ///
    /// # Errors
    ///
    /// As [`RedisManager::query`].
    pub async fn script<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[&str],
        args: &[&[u8]],
        call: Call,
    ) -> Result<T, Error> {
        const OPERATION: &str = "run";
        let about = || subject::of_script(script.digest(), keys);
        let span = trace_span!("redis.script", about = about(), lane = call.lane().name());
        let running = async {
            let by_digest = script.by_digest(keys, args);
            let reply = self.core().exchange(Work::Command(&by_digest), call).await;
            match reply {
                // Nothing was executed, so this is no repetition.
                Err(Failure::Redis(error)) if error.kind() == UNKNOWN_SCRIPT => {
                    metric::script_reload();
                    let in_full = script.in_full(keys, args);
                    self.core().exchange(Work::Command(&in_full), call).await
                }
                reply => reply,
            }
        };
        let reply = running.instrument(span).await;
        reply
            .map_err(|failure| failure.into_error(OPERATION, about()))
            .and_then(|value| convert(value, OPERATION, about))
    }

    /// Takes a connection for the caller alone, waiting for a free one for at most `REDIS_SOCKET_TIMEOUT`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Exhausted`] when `REDIS_MAX_CONNECTIONS` are in use, [`ErrorKind::Unavailable`], [`ErrorKind::Timeout`],
    /// [`ErrorKind::Auth`], [`ErrorKind::Closed`].
    pub async fn dedicated(&self) -> Result<Dedicated, Error> {
        let core = self.core();
        if core.small.connection().is_none() {
            let failure = core.absence(&core.small);
            return Err(failure.into_error("take", "a dedicated connection".to_owned()));
        }
        core.pool.take().await
    }

    /// Asks the server now, for at most `REDIS_SOCKET_TIMEOUT`, and publishes what was found.
    pub async fn health_check(&self) -> Health {
        self.core().check_health().await
    }

    /// Watches what the checks find: every 30 s, and whenever the connection is lost or made.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.core().health.subscribe()
    }

    /// Returns the server's time in milliseconds since the epoch, estimated without asking it.
    ///
    /// Taken from `TIME` at every connecting and health check, and carried on by this process's monotonic clock; it never goes back. Until the server
    /// was first heard it is this host's time.
    pub fn server_now_ms(&self) -> u64 {
        self.core().clock.now_ms()
    }

    /// Closes every connection and waits until every task has ended; calls under way and later ones fail with [`ErrorKind::Closed`].
    ///
    /// A dedicated connection that somebody holds closes when it is dropped.
    pub async fn shutdown(&self) {
        let core = self.core();
        core.stop.cancel();
        core.pool.close();
        core.tracker.close();
        core.tracker.wait().await;
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.handle.core
    }
}

impl std::fmt::Debug for RedisManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisManager")
            .field("health", &self.core().health.borrow().state)
            .finish_non_exhaustive()
    }
}

fn check(settings: &RedisSettings) -> Result<(), Error> {
    let place_is_empty = match &settings.endpoint {
        Endpoint::Tcp { host, port, .. } => host.is_empty() || *port == 0,
        Endpoint::Unix { path } => path.as_os_str().is_empty(),
    };
    let rules = [
        (place_is_empty, "REDIS_URL", "an address with a port"),
        (settings.max_connections == 0, "REDIS_MAX_CONNECTIONS", "at least 1"),
        (settings.socket_timeout.is_zero(), "REDIS_SOCKET_TIMEOUT", "more than 0"),
        (settings.connect_timeout.is_zero(), "REDIS_SOCKET_CONNECT_TIMEOUT", "more than 0"),
        (settings.health_check_interval.is_zero(), "health_check_interval", "more than 0"),
    ];
    match rules.into_iter().find(|(broken, _, _)| *broken) {
        Some((_, key, expected)) => {
            Err(Error::new(ErrorKind::Config, "use", key).with_detail(format!("expected {expected}")))
        }
        None => Ok(()),
    }
}

fn refuse(
    offender: Option<&'static str>,
    operation: &'static str,
    about: impl FnOnce() -> String,
) -> Result<(), Error> {
    match offender {
        None => Ok(()),
        Some(name) => Err(Error::new(ErrorKind::Config, operation, about()).with_detail(format!(
            "{name} needs a connection of its own: take one with dedicated(), or make a transaction with atomic()"
        ))),
    }
}

pub(crate) fn convert<T: FromRedisValue>(
    value: Value,
    operation: &'static str,
    about: impl FnOnce() -> String,
) -> Result<T, Error> {
    // The library's own error quotes the reply, and that is a value.
    redis::from_redis_value(value).map_err(|_| {
        metric::failure(ErrorKind::Reply);
        Error::new(ErrorKind::Reply, operation, about()).with_detail(format!("expected {}", type_name::<T>()))
    })
}
