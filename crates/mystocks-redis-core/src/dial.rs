//! Making one connection.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use mystocks_config::{Endpoint, RedisSettings};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, PushInfo,
    RedisConnectionInfo, RedisResult,
};
use tokio::time::timeout;

use crate::pulse::Pulse;
use crate::stream;

/// What moves the bytes of a connection; the connection lives while this runs.
pub(crate) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Makes connections as the settings say.
pub(crate) struct Dialer {
    endpoint: Endpoint,
    login: RedisConnectionInfo,
    connect_timeout: Duration,
    socket_timeout: Duration,
}

impl Dialer {
    pub(crate) fn new(settings: &RedisSettings) -> Self {
        let mut login = RedisConnectionInfo::default().set_db(i64::from(settings.database));
        if let Some(name) = &settings.username {
            login = login.set_username(name);
        }
        if let Some(password) = &settings.password {
            login = login.set_password(password.expose());
        }
        Self {
            endpoint: settings.endpoint.clone(),
            login,
            connect_timeout: settings.connect_timeout,
            socket_timeout: settings.socket_timeout,
        }
    }

    /// Connects, logs in and selects the database, all within the connect timeout.
    pub(crate) async fn dial(&self) -> RedisResult<(MultiplexedConnection, Driver)> {
        self.in_time(async {
            let stream = stream::open(&self.endpoint).await?;
            MultiplexedConnection::new_with_config(&self.login, stream, self.config()).await
        })
        .await
    }

    /// Does the same in RESP3; `hear` is given what the server sends unasked, and must not wait.
    pub(crate) async fn dial_for_pushes(
        &self,
        hear: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> RedisResult<(MultiplexedConnection, Driver, Pulse)> {
        let pulse = Pulse::default();
        let login = self.login.clone().set_protocol(ProtocolVersion::RESP3);
        let config = self.config().set_push_sender(move |push| {
            hear(push);
            Ok::<_, Infallible>(())
        });
        let connecting = async {
            let stream = pulse.of(stream::open(&self.endpoint).await?);
            MultiplexedConnection::new_with_config(&login, stream, config).await
        };
        let (connection, driver) = self.in_time(connecting).await?;
        Ok((connection, driver, pulse))
    }

    fn config(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(Some(self.socket_timeout))
    }

    async fn in_time<D: Future<Output = ()> + Send + 'static>(
        &self,
        connecting: impl Future<Output = RedisResult<(MultiplexedConnection, D)>>,
    ) -> RedisResult<(MultiplexedConnection, Driver)> {
        match timeout(self.connect_timeout, connecting).await {
            Ok(Ok((connection, driver))) => Ok((connection, Box::pin(driver))),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
        }
    }

    /// Returns how long connecting may take.
    pub(crate) fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// Returns the same as the client library wants it for the pool.
    pub(crate) fn connection_info(&self) -> RedisResult<ConnectionInfo> {
        let address = match &self.endpoint {
            Endpoint::Unix { path } => ConnectionAddr::Unix(path.clone()),
            Endpoint::Tcp { host, port, tls } if *tls => {
                ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
            }
            Endpoint::Tcp { host, port, .. } => ConnectionAddr::Tcp(host.clone(), *port),
        };
        let info = address.into_connection_info()?;
        Ok(info
            .set_redis_settings(self.login.clone())
            .set_tcp_settings(TcpSettings::default().set_nodelay(true)))
    }
}
