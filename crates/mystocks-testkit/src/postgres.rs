//! A private PostgreSQL cluster.

mod binary;
mod cluster;
mod spec;
mod user;

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use self::binary::Binaries;
use self::user::User;
use crate::server::free_port;
use crate::signal;

pub use self::spec::PostgresServerBuilder;

/// The platform's tables as its production database has them, for tests: the libraries never create them.
pub const PLATFORM_TABLES: &str = include_str!("platform.sql");

const START_DEADLINE: Duration = Duration::from_secs(60);
const STOP_DEADLINE: Duration = Duration::from_secs(20);
const PORT_ATTEMPTS: usize = 20;

/// A running PostgreSQL that belongs to one test: its own cluster, loopback only, nothing synced to the disk.
///
/// Dropping it ends the server, and only this server, and removes its folder. Under the user root, where PostgreSQL refuses to
/// run, it runs as `postgres` or `nobody`.
#[derive(Debug)]
pub struct PostgresServer {
    spec: PostgresServerBuilder,
    binaries: Binaries,
    user: Option<User>,
    port: u16,
    child: Option<Child>,
    folder: TempDir,
}

impl PostgresServer {
    /// Starts a server with an empty database and waits until it answers.
    ///
    /// # Panics
    ///
    /// As [`PostgresServerBuilder::start`].
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Begins the description of a server with a password, tables of its own or lines of `postgresql.conf`.
    pub fn builder() -> PostgresServerBuilder {
        PostgresServerBuilder::default()
    }

    /// Returns the URL of the database `postgres` for the superuser of that name, with the password when there is one.
    pub fn url(&self) -> String {
        self.url_at(self.address())
    }

    /// Returns the URL with another `address`: that of a proxy in front of the server.
    pub fn url_at(&self, address: SocketAddr) -> String {
        let password = self.spec.password.as_deref().map(|text| format!(":{text}")).unwrap_or_default();
        format!("postgresql://postgres{password}@{address}/postgres")
    }

    /// Returns the TCP address.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Returns the TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the process id of the postmaster; `None` while the server is down.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Returns what the server has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("postgres.log")).unwrap_or_default()
    }

    /// Ends the server at once, without a word to its clients and without a checkpoint: it recovers from its log when it
    /// starts again.
    pub async fn kill(&mut self) {
        self.end("QUIT").await;
    }

    /// Asks the server to end, which ends its sessions, and waits until it has.
    pub async fn stop(&mut self) {
        self.end("INT").await;
    }

    /// Starts the server again on the same port with the data it had; stops it first if it runs.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    pub async fn restart(&mut self) {
        self.stop().await;
        let (binaries, user) = (self.binaries.clone(), self.user);
        let folder = self.folder.path().to_owned();
        let started = tokio::task::spawn_blocking(move || spawn(&binaries, user, &folder)).await;
        match started.expect("the starting thread ended") {
            Ok(child) => self.child = Some(child),
            Err(log) => panic!("postgres did not start again: {log}"),
        }
    }

    async fn end(&mut self, name: &'static str) {
        if let Some(child) = self.child.take() {
            let _ = tokio::task::spawn_blocking(move || end(child, name)).await;
        }
    }

    async fn launch(spec: PostgresServerBuilder) -> Self {
        let launched = tokio::task::spawn_blocking(move || Self::launch_now(spec)).await;
        match launched {
            Ok(server) => server,
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }

    fn launch_now(spec: PostgresServerBuilder) -> Self {
        let binaries = Binaries::find();
        let folder = tempfile::Builder::new().prefix("postgres-").tempdir().expect("temporary folder");
        let user = User::other_than_root(folder.path());
        cluster::lay_out(&binaries, user, folder.path());
        cluster::prepare(&binaries, user, folder.path(), &spec);
        let mut last_log = String::new();
        for _ in 0..PORT_ATTEMPTS {
            let port = free_port();
            fs::write(folder.path().join("data/postgresql.auto.conf"), spec.config(port))
                .expect("configuration");
            match spawn(&binaries, user, folder.path()) {
                Ok(child) => return Self { spec, binaries, user, port, child: Some(child), folder },
                Err(log) if log.contains("Address already in use") => last_log = log,
                Err(log) => panic!("postgres did not start: {log}"),
            }
        }
        panic!("no free port for postgres after {PORT_ATTEMPTS} attempts: {last_log}");
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            end(child, "QUIT");
        }
    }
}

/// Ends the postmaster, which ends its sessions and gives its shared memory back; killed outright it could do neither.
#[expect(clippy::disallowed_methods, reason = "a server ends in real time, on a blocking thread")]
fn end(mut child: Child, name: &str) {
    signal::send(name, child.id());
    let begun = Instant::now();
    while begun.elapsed() < STOP_DEADLINE {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(Duration::from_millis(2));
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Starts the server and waits until it says that it is ready; on failure returns its log.
#[expect(clippy::disallowed_methods, reason = "a server starts in real time, on a blocking thread")]
fn spawn(binaries: &Binaries, user: Option<User>, folder: &Path) -> Result<Child, String> {
    let log = folder.join("postgres.log");
    let output = File::options().append(true).create(true).open(&log).expect("log file");
    let begin = output.metadata().map_or(0, |metadata| metadata.len());
    let mut child = binaries
        .command("postgres", user, folder)
        .arg("-D")
        .arg(folder.join("data"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output)
        .spawn()
        .map_err(|error| format!("cannot run it: {error}"))?;
    let read_log = || {
        let text = fs::read(&log).unwrap_or_default();
        let from = usize::try_from(begin).unwrap_or(0);
        String::from_utf8_lossy(text.get(from..).unwrap_or_default()).into_owned()
    };
    let started = Instant::now();
    loop {
        if is_ready(folder, child.id()) {
            return Ok(child);
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("it ended with {status}\n{}", read_log()));
        }
        if started.elapsed() > START_DEADLINE {
            end(child, "QUIT");
            return Err(format!("it was not ready in {START_DEADLINE:?}\n{}", read_log()));
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Reads what `pg_ctl` reads: the first line of the lock file is the process, the eighth its state.
fn is_ready(folder: &Path, pid: u32) -> bool {
    let text = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.first() == Some(&pid.to_string().as_str()) && lines.get(7) == Some(&"ready")
}
