//! A private Redis server.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::binary;
use crate::certificate::Certificates;
use crate::signal;
use crate::spec::{RedisServerBuilder, Way};

const START_DEADLINE: Duration = Duration::from_secs(30);
const PORT_ATTEMPTS: usize = 20;

/// A running `redis-server` that belongs to one test.
///
/// Dropping it ends the server, and only this server, and removes its folder.
#[derive(Debug)]
pub struct RedisServer {
    spec: RedisServerBuilder,
    certificates: Option<Certificates>,
    port: u16,
    child: Option<Child>,
    folder: TempDir,
}

impl RedisServer {
    /// Starts a server with default settings and waits until it answers.
    ///
    /// # Panics
    ///
    /// As [`RedisServerBuilder::start`].
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Begins the description of a server with a password, a unix socket, TLS or lines of `redis.conf`.
    pub fn builder() -> RedisServerBuilder {
        RedisServerBuilder::new()
    }

    /// Returns the URL of database 1, with the password when there is one.
    pub fn url(&self) -> String {
        let password = self.spec.password.as_deref();
        let credentials = password.map(|text| format!(":{text}@")).unwrap_or_default();
        match self.spec.way {
            Way::Tcp => format!("redis://{credentials}127.0.0.1:{}/1", self.port),
            Way::Tls => format!("rediss://{credentials}127.0.0.1:{}/1", self.port),
            Way::Unix => {
                let path = self.unix_path();
                format!("redis+unix://{credentials}{}?db=1", path.display())
            }
        }
    }

    /// Returns the TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the TCP address.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Returns the path of the unix socket, which every server has.
    pub fn unix_path(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// Returns the PEM file of the authority that signed the certificate of a TLS server.
    pub fn authority(&self) -> Option<&Path> {
        self.certificates.as_ref().map(|files| files.authority.as_path())
    }

    /// Returns the process id; `None` while the server is down.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Returns what the server has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("redis.log")).unwrap_or_default()
    }

    /// Ends the server at once, as `kill -9` does.
    #[expect(clippy::unused_async, reason = "like the other ways to end it")]
    pub async fn kill(&mut self) {
        self.end();
    }

    /// Asks the server to end and waits until it has.
    pub async fn stop(&mut self) {
        self.signal("TERM");
        if let Some(mut child) = self.child.take() {
            let _ = tokio::task::spawn_blocking(move || child.wait()).await;
        }
    }

    /// Starts the server again, empty, on the same port; ends it first if it runs.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    pub async fn restart(&mut self) {
        self.end();
        let (folder, address) = (self.folder.path().to_owned(), self.address());
        let started = tokio::task::spawn_blocking(move || spawn(&folder, address)).await;
        match started.expect("the starting thread ended") {
            Ok(child) => self.child = Some(child),
            Err(log) => panic!("redis-server did not start again: {log}"),
        }
    }

    /// Stops the server from running without closing anything (`SIGSTOP`).
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets a paused server run on (`SIGCONT`).
    pub fn resume(&self) {
        self.signal("CONT");
    }

    pub(crate) async fn launch(spec: RedisServerBuilder) -> Self {
        let launched = tokio::task::spawn_blocking(move || Self::launch_now(spec)).await;
        match launched {
            Ok(server) => server,
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }

    fn launch_now(spec: RedisServerBuilder) -> Self {
        let folder = tempfile::Builder::new().prefix("redis-").tempdir().expect("temporary folder");
        let certificates = (spec.way == Way::Tls).then(|| Certificates::write(folder.path()));
        let mut last_log = String::new();
        for _ in 0..PORT_ATTEMPTS {
            let port = free_port();
            let config = spec.config(folder.path(), port, certificates.as_ref());
            fs::write(folder.path().join("redis.conf"), config).expect("redis.conf");
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            match spawn(folder.path(), address) {
                Ok(child) => {
                    return Self { spec, certificates, port, child: Some(child), folder };
                }
                Err(log) if log.contains("Address already in use") => last_log = log,
                Err(log) => panic!("redis-server did not start: {log}"),
            }
        }
        panic!("no free port for redis-server after {PORT_ATTEMPTS} attempts: {last_log}");
    }

    fn signal(&self, name: &str) {
        let Some(pid) = self.pid() else { return };
        signal::send(name, pid);
    }

    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.end();
    }
}

/// Picks a port nobody listens on; somebody may take it before the server does, so its start is retried.
pub(crate) fn free_port() -> u16 {
    let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    probe.local_addr().expect("bound address").port()
}

/// Starts the server and waits for its answer; on failure returns its log.
#[expect(clippy::disallowed_methods, reason = "a server starts in real time, on a blocking thread")]
fn spawn(folder: &Path, address: SocketAddr) -> Result<Child, String> {
    let log = folder.join("redis.log");
    let socket = folder.join("redis.sock");
    let _ = fs::remove_file(&socket);
    let output = File::create(&log).expect("log file");
    let errors = output.try_clone().expect("log file");
    let mut child = Command::new(binary::redis_server())
        .arg(folder.join("redis.conf"))
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(|error| format!("cannot run it: {error}"))?;
    let read_log = || fs::read_to_string(&log).unwrap_or_default();
    let started = Instant::now();
    loop {
        if answers(&socket) {
            return Ok(child);
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("{address}: ended with {status}\n{}", read_log()));
        }
        if started.elapsed() > START_DEADLINE {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("{address}: no answer in {START_DEADLINE:?}\n{}", read_log()));
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Says whether a server answers PING on its socket; one that first wants a password counts.
fn answers(socket: &Path) -> bool {
    let Ok(mut stream) = UnixStream::connect(socket) else {
        return false;
    };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
    let mut reply = [0; 7];
    let answered = stream.write_all(b"PING\r\n").and_then(|()| stream.read_exact(&mut reply));
    answered.is_ok() && (reply == *b"+PONG\r\n" || reply == *b"-NOAUTH")
}
