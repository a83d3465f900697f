//! The bytes under a connection: TCP, TLS or a unix socket.

use std::io::{self, Error, ErrorKind};
use std::sync::Arc;

use mystocks_config::Endpoint;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// What a connection reads from and writes to.
pub(crate) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// Opens a stream to `endpoint`; the caller limits the time.
pub(crate) async fn open(endpoint: &Endpoint) -> io::Result<Box<dyn Bytes>> {
    match endpoint {
        Endpoint::Unix { path } => Ok(Box::new(UnixStream::connect(path).await?)),
        Endpoint::Tcp { host, port, tls } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            if !tls {
                return Ok(Box::new(stream));
            }
            let name = ServerName::try_from(host.clone())
                .map_err(|error| Error::new(ErrorKind::InvalidInput, error))?;
            let connector = TlsConnector::from(Arc::new(trust()?));
            Ok(Box::new(connector.connect(name, stream).await?))
        }
    }
}

/// Trusts what this machine trusts; read for every connection, so that renewed certificates count.
fn trust() -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// Makes a TLS provider the default of the process, unless there is one: the pool's client library panics without.
pub(crate) fn provide_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
