//! Connections to one database.

use std::fmt::{self, Write as _};
use std::future::Future;
use std::time::Duration;

use deadpool_postgres::{Client, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, NoTls};

use super::failure::{Task, chain};
use crate::error::{Error, ErrorKind};

/// Where a database is and how patient its callers are.
#[derive(Clone)]
pub struct PostgresSettings {
    /// `postgresql://user:password@host:port/database`, with the options of libpq, such as `application_name`. A name in it
    /// that PostgreSQL knows in another schema is found by `options=-c%20search_path%3D…`.
    pub url: String,
    /// How long one call may take in all: the wait for a connection, the connecting, the statements. Default: 30 s.
    pub deadline: Duration,
    /// The most connections at a time. Default: 8.
    pub max_connections: usize,
}

impl PostgresSettings {
    /// Makes settings of `url` and the defaults.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), deadline: DEADLINE, max_connections: 8 }
    }
}

const DEADLINE: Duration = Duration::from_secs(30);
/// After how long a side that says nothing within a transaction, or acknowledges nothing, is taken for gone.
const GONE_AFTER: Duration = Duration::from_secs(60);
/// After how long of silence it is asked whether the other side is there, how often then, and how many times in vain: together [`GONE_AFTER`].
const SILENCE: Duration = Duration::from_secs(30);
const PROBE: Duration = Duration::from_secs(10);
const PROBES: u32 = 3;

/// Connections to one database, made when they are needed and made anew when they break.
///
/// Cheap to clone; the clones share the connections. A call that fails, passes its deadline or is dropped takes its connection
/// with it, so that the next call never meets what the last one left.
///
/// A side that vanishes without a word, with its host or the way to it, is found out within a minute by the other (TCP keepalives, and
/// `idle_in_transaction_session_timeout`), which then ends the connection, the transaction and its locks; what the URL or its `options` say
/// of these stands. [`of`](Self::of) takes a pool as it is.
#[derive(Clone)]
pub struct PostgresPool {
    pool: Pool,
    deadline: Duration,
    place: String,
}

impl PostgresPool {
    /// Makes a pool; nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] when the URL cannot be read, or asks for TLS, which takes a pool of one's own:
    /// [`PostgresPool::of`].
    pub fn new(settings: PostgresSettings) -> Result<Self, Error> {
        let PostgresSettings { url, deadline, max_connections } = settings;
        let refuse = |subject: &str, detail: &str| {
            Err(Error::new(ErrorKind::InvalidArgument, "open the database", subject).with_detail(detail))
        };
        // What is wrong with it is not repeated: it may be a part of the password.
        let Ok(mut config) = url.parse::<Config>() else {
            return refuse("url", "expected postgresql://user:password@host:port/database");
        };
        let place = place(&config);
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return refuse("url", "it names no host");
        }
        if config.get_ssl_mode() == SslMode::Require {
            return refuse(
                &place,
                "sslmode=require: give PostgresPool::of a deadpool_postgres::Pool that was made with a TLS connector",
            );
        }
        if deadline.is_zero() || max_connections == 0 {
            return refuse(&place, "a deadline and a number of connections of 0 let nothing through");
        }
        // The server ends by itself what nobody waits for any more.
        let given = config.get_options().map(|options| format!("{options} ")).unwrap_or_default();
        config.options(format!("{given}-c statement_timeout={}", deadline.as_millis().max(1)));
        watch(&mut config, &url);
        if config.get_application_name().is_none() {
            config.application_name("mystocks");
        }
        let fast = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(config, NoTls, fast);
        match Pool::builder(manager).max_size(max_connections).build() {
            Ok(pool) => Ok(Self { pool, deadline, place }),
            Err(error) => refuse(&place, &chain(&error)),
        }
    }

    /// Takes a pool that somebody else made: with TLS, with settings of its own. The deadline is 30 s.
    pub fn of(pool: Pool) -> Self {
        Self { pool, deadline: DEADLINE, place: "the given pool".to_owned() }
    }

    /// Sets how long one call may take in all; the `statement_timeout` of the server stays as it was.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Closes all connections, those in use when their calls end; calls made from now on fail.
    pub fn shutdown(&self) {
        self.pool.close();
    }

    /// Takes a connection for one call, whose time runs from now on.
    pub(super) async fn session<'a>(&self, task: Task<'a>) -> Result<Session<'a>, Error> {
        let until = Instant::now() + self.deadline;
        let client = match timeout_at(until, self.pool.get()).await {
            Ok(Ok(client)) => client,
            Ok(Err(PoolError::Backend(error))) => return Err(task.failed(&error)),
            Ok(Err(error)) => return Err(task.error(ErrorKind::Source, chain(&error))),
            Err(_) => {
                let status = self.pool.status();
                let detail = format!(
                    "no connection in {:?}, {} of {} are there",
                    self.deadline, status.size, status.max_size
                );
                return Err(task.error(ErrorKind::Source, detail));
            }
        };
        Ok(Session { client: Some(client), until, deadline: self.deadline, is_of_rows: false, task })
    }
}

impl fmt::Debug for PostgresPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresPool").field("place", &self.place).field("deadline", &self.deadline).finish()
    }
}

impl fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.url.parse::<Config>().map(|config| place(&config)).unwrap_or_default();
        f.debug_struct("PostgresSettings")
            .field("url", &place)
            .field("deadline", &self.deadline)
            .field("max_connections", &self.max_connections)
            .finish()
    }
}

/// One call's connection. Dropped before [`release`](Self::release) it is closed, with whatever was under way.
#[derive(Debug)]
pub(super) struct Session<'a> {
    client: Option<Client>,
    until: Instant,
    deadline: Duration,
    /// Whether what fails from now on may be a row's own fault.
    is_of_rows: bool,
    pub(super) task: Task<'a>,
}

impl Session<'_> {
    /// Runs `work` on the connection, up to the deadline.
    pub(super) async fn run<T>(
        &self,
        work: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Error> {
        let Some(client) = &self.client else {
            return Err(self.task.error(ErrorKind::Source, "the connection was given back"));
        };
        self.wait(work(client)).await
    }

    /// Waits for `work` up to the deadline.
    pub(super) async fn wait<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Error> {
        match timeout_at(self.until, work).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) if self.is_of_rows => Err(self.task.not_written(&error)),
            Ok(Err(error)) => Err(self.task.failed(&error)),
            Err(_) => Err(self.task.error(ErrorKind::Source, format!("no answer in {:?}", self.deadline))),
        }
    }

    /// Begins to write rows: what is wrong with one of them is [`ErrorKind::InvalidArgument`] from now on.
    pub(super) fn of_rows(mut self) -> Self {
        self.is_of_rows = true;
        self
    }

    /// Gives the connection back for the next call.
    pub(super) fn release(mut self) {
        drop(self.client.take());
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            drop(Object::take(client));
        }
    }
}

/// Has both sides find out that the other has vanished, where `url` does not say how: a host that is gone would keep its transaction, and the locks
/// of that, for two hours.
fn watch(config: &mut Config, url: &str) {
    let mut options = config.get_options().unwrap_or_default().to_owned();
    let wanted = [
        ("idle_in_transaction_session_timeout", GONE_AFTER.as_millis()),
        // The server waits for rows of a COPY without any other limit.
        ("tcp_keepalives_idle", SILENCE.as_secs().into()),
        ("tcp_keepalives_interval", PROBE.as_secs().into()),
        ("tcp_keepalives_count", PROBES.into()),
        // Rows that it sent and nobody confirms are no silence; without this they are sent again for a quarter of an hour.
        ("tcp_user_timeout", GONE_AFTER.as_millis()),
    ];
    for (name, value) in wanted {
        if !options.contains(name) {
            // Writing to a string cannot fail.
            let _ = write!(options, " -c {name}={value}");
        }
    }
    config.options(options);
    // The default of two hours and one that was given look the same.
    if !["?keepalives_idle=", "&keepalives_idle="].iter().any(|given| url.contains(given)) {
        config.keepalives_idle(SILENCE);
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(PROBE);
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(PROBES);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(GONE_AFTER);
    }
}

fn place(config: &Config) -> String {
    let host = config.get_hosts().first().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.to_string_lossy().into_owned(),
    });
    let port = config.get_ports().first().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}/{}", host.unwrap_or_default(), config.get_dbname().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_url_says_of_the_ways_to_find_out_stands() {
        let config = |url: &str| {
            let mut config: Config = url.parse().unwrap();
            watch(&mut config, url);
            config
        };
        let bare = config("postgresql://me@localhost/db");
        assert_eq!((bare.get_keepalives(), bare.get_keepalives_idle()), (true, Duration::from_secs(30)));
        assert_eq!(bare.get_keepalives_interval(), Some(Duration::from_secs(10)));
        assert_eq!(
            (bare.get_keepalives_retries(), bare.get_tcp_user_timeout()),
            (Some(3), Some(&GONE_AFTER))
        );
        let given = config(
            "postgresql://me@localhost/db?keepalives=0&keepalives_idle=7200&keepalives_interval=7&keepalives_retries=9\
             &tcp_user_timeout=5&options=-c%20idle_in_transaction_session_timeout%3D9000",
        );
        assert_eq!(
            (given.get_keepalives(), given.get_keepalives_idle()),
            (false, Duration::from_secs(7_200))
        );
        assert_eq!(given.get_keepalives_interval(), Some(Duration::from_secs(7)));
        assert_eq!(
            (given.get_keepalives_retries(), given.get_tcp_user_timeout()),
            (Some(9), Some(&Duration::from_secs(5)))
        );
        let options = given.get_options().unwrap();
        assert_eq!(options.matches("idle_in_transaction_session_timeout").count(), 1, "{options}");
        assert!(options.contains("-c tcp_keepalives_count=3"), "{options}");
        assert!(options.contains("-c tcp_user_timeout=60000"), "{options}");
        let theirs = config("postgresql://me@localhost/db?options=-c%20tcp_keepalives_idle%3D20");
        assert_eq!(theirs.get_keepalives_idle(), Duration::from_secs(30), "that is the server's");
    }
}
