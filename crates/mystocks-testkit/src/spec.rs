//! What a private server is to be like.

use std::fmt::Write as _;
use std::path::Path;

use crate::RedisServer;
use crate::certificate::Certificates;

/// How clients are told to reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Tcp,
    Tls,
    Unix,
}

/// Describes a private server; made by [`RedisServer::builder`].
#[derive(Debug, Clone)]
pub struct RedisServerBuilder {
    pub(crate) way: Way,
    pub(crate) password: Option<String>,
    lines: Vec<String>,
}

impl RedisServerBuilder {
    pub(crate) fn new() -> Self {
        Self { way: Way::Tcp, password: None, lines: Vec::new() }
    }

    /// Asks clients for a password (letters and digits only: it stands in [`RedisServer::url`] as it is).
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// Makes [`RedisServer::url`] the address of the unix socket.
    #[must_use]
    pub fn unix_socket(mut self) -> Self {
        self.way = Way::Unix;
        self
    }

    /// Serves TLS only, with a certificate signed by [`RedisServer::authority`], which no machine trusts.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.way = Way::Tls;
        self
    }

    /// Adds a line of `redis.conf`, such as `maxmemory 10mb` or `user reader on >secret ~* +@read`.
    #[must_use]
    pub fn config_line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Panics
    ///
    /// When there is no `redis-server`, with the one line that says how to get it, and when it does not come up, with its log.
    pub async fn start(self) -> RedisServer {
        RedisServer::launch(self).await
    }

    /// Returns the text of `redis.conf`.
    pub(crate) fn config(&self, folder: &Path, port: u16, certificates: Option<&Certificates>) -> String {
        let mut text = String::from("bind 127.0.0.1\nsave \"\"\nappendonly no\ndaemonize no\n");
        // Every server has the socket: nobody else can answer there, so that is where its start is watched.
        let _ = writeln!(text, "dir {0}\nunixsocket {0}/redis.sock", folder.display());
        match certificates {
            Some(files) => {
                let _ = writeln!(text, "port 0\ntls-port {port}\ntls-auth-clients no");
                let _ = writeln!(text, "tls-ca-cert-file {}", files.authority.display());
                let _ = writeln!(text, "tls-cert-file {}", files.certificate.display());
                let _ = writeln!(text, "tls-key-file {}", files.key.display());
            }
            None => {
                let _ = writeln!(text, "port {port}");
            }
        }
        if let Some(password) = &self.password {
            let _ = writeln!(text, "requirepass {password}");
        }
        for line in &self.lines {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}
