//! The program, started and asked.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use mystocks_tests::program::mystocks;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::client::{self, Answer};

/// Against hanging.
const DEADLINE: Duration = Duration::from_secs(60);
pub(crate) const CALCULATE: &str = "/api/v1/indicators/calculate";
pub(crate) const CLEAR: &str = "/api/v1/indicators/cache/clear";
pub(crate) const STATS: &str = "/api/v1/indicators/cache/stats";
pub(crate) const REGISTRY: &str = "/api/v1/indicators/registry";

/// A service that runs; it is killed when it is dropped.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    process: Child,
    folder: TempDir,
}

/// The real series of the repository.
pub(crate) fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/sample")
}

/// Prepares the program on a free port, in an empty folder, with a Redis that is not there.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(mystocks());
    command.arg("serve").current_dir(folder).kill_on_drop(true).stdin(Stdio::null());
    command
        .env_remove("DATABASE_URL")
        .env_remove("MYSTOCKS_TOKENS")
        .env("REDIS_URL", "redis://127.0.0.1:1/0");
    command
}

impl Service {
    /// Starts it with the sample's bars.
    pub(crate) async fn start(redis: Option<&str>, arguments: &[&str]) -> Self {
        Self::of(|command| {
            command.arg("--bars").arg(sample()).args(arguments);
            if let Some(url) = redis {
                command.env("REDIS_URL", url);
            }
        })
        .await
    }

    pub(crate) async fn of(arrange: impl FnOnce(&mut Command)) -> Self {
        Self::listening("127.0.0.1:0", arrange).await
    }

    pub(crate) async fn listening(address: &str, arrange: impl FnOnce(&mut Command)) -> Self {
        let folder = TempDir::new().unwrap();
        let mut command = command(folder.path());
        command.args(["--listen", address]);
        arrange(&mut command);
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut process = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = timeout(DEADLINE, lines.next_line()).await.expect("it starts").unwrap();
        let line =
            line.unwrap_or_else(|| panic!("{}", std::fs::read_to_string(folder.path().join("log")).unwrap()));
        let address = line.strip_prefix("listening on http://").unwrap().parse().unwrap();
        Self { address, process, folder }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"").await
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        client::send(self.address, &client::request(method, path, headers, body)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes()).await
    }

    /// Returns what stands in `data` of the answer to a calculation that succeeds.
    pub(crate) async fn calculate(&self, body: &Value) -> Value {
        let mut answer = self.post(CALCULATE, body).await.json();
        assert_eq!(answer["success"], true, "{answer}");
        answer["data"].take()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.process.id().expect("it runs").to_string();
        let killed = std::process::Command::new("kill").args(["-s", signal, &pid]).status().unwrap();
        assert!(killed.success());
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        timeout(DEADLINE, self.process.wait()).await.expect("it ends").unwrap()
    }

    /// Returns the sum of the metrics whose lines begin with `beginning`.
    pub(crate) async fn metric(&self, beginning: &str, headers: &[(&str, &str)]) -> f64 {
        let answer = self.ask("GET", "/metrics", headers, b"").await;
        assert_eq!(answer.status, 200);
        let lines = answer.text().lines().filter(|line| line.starts_with(beginning));
        lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
    }
}

/// A request that succeeds.
pub(crate) fn averages() -> Value {
    json!({
        "symbol": "AAPL", "start_date": "2009-01-01", "end_date": "2009-06-30",
        "indicators": [{"abbreviation": "SMA", "parameters": {"timeperiod": 5}}],
    })
}

/// Where there is no Redis.
pub(crate) async fn alone(arguments: &[&str]) -> Service {
    Service::start(None, arguments).await
}
